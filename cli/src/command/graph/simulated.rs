//! What workers would do, as text or as JSON.

use std::fmt::Write as _;

use documents::{GraphMoved, GraphRun, GraphSimulation, GraphSimulations};
use indicatif::HumanBytes;

use super::answers::{MARKED, mark, say_measured, seconds};
use crate::context::Context;
use crate::options::Format;
use crate::render;

/// Prints what some workers would do.
pub(super) fn one(context: &Context, simulation: &GraphSimulation) {
    if context.format == Format::Json {
        return render::json(simulation);
    }
    let mut text = String::new();
    for build in &simulation.packages {
        let (start, end) = (seconds(build.start), seconds(build.end));
        let mark = mark(build.measured);
        let _ = writeln!(
            text,
            "{start:>12}  {end:>12}  {:>4}  {}{mark}",
            build.worker, build.name
        );
    }
    render::result(&text);
    let all = simulation.packages.len();
    say_measured(context, simulation.measured, all, MARKED);
    if context.verbosity.quiet {
        return;
    }
    let run = &simulation.run;
    render::note(&format!(
        "{}: {}, {:.1} times as fast as one; they build in {} of their time",
        render::count(run.workers, "worker"),
        seconds(run.seconds),
        run.speed_up,
        percent(run.utilisation),
    ));
    render::note(&bound(simulation));
    for (way, moved) in ways(run) {
        render::note(&format!("{way}: {moved}"));
    }
    let moved = in_words(run.to_workers, "image or source");
    render::note(&format!("sent to workers: {moved}"));
}

/// Says what keeps a run from being shorter.
fn bound(simulation: &GraphSimulation) -> String {
    let run = &simulation.run;
    let longest = if run.chain { "chain" } else { "package" };
    let (long, shared) = (seconds(run.longest), seconds(run.shared));
    let all = format!("the longest {longest} takes {long}, and the work, shared out, {shared}");
    if run.longest > run.shared {
        let times = simulation.work / run.longest;
        format!(
            "{all}: however many such workers there are, it is {times:.1} times as fast at most"
        )
    } else {
        format!("{all}: more workers would help")
    }
}

/// Says what goes to the server, and what comes from it.
fn ways(run: &GraphRun) -> [(&'static str, String); 2] {
    let sent = if run.chain {
        "source"
    } else {
        "image or source"
    };
    [
        ("sent to the server", in_words(run.uploaded, sent)),
        ("received from it", in_words(run.downloaded, "image")),
    ]
}

fn in_words(moved: GraphMoved, what: &str) -> String {
    let files = render::count(moved.files, what);
    let files = files.replace("image or", "images or");
    match moved.unknown {
        0 => format!("{files}, {}", HumanBytes(moved.bytes)),
        unknown if unknown == moved.files => format!("{files}, whose sizes are not known here"),
        unknown => format!(
            "{files}, {} and {unknown} whose sizes are not known here",
            HumanBytes(moved.bytes)
        ),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

/// Prints what different numbers of workers would do.
pub(super) fn several(context: &Context, simulations: &GraphSimulations) {
    if context.format == Format::Json {
        return render::json(simulations);
    }
    let mut text = format!(
        "{:7}  {:48}  without the chain\n{:7}",
        "", "with the chain", "workers"
    );
    let heads = format!(
        "  {:>11}  {:>5}  {:>4}  {:>6}  {:>12}",
        "time", "times", "busy", "moved", "bytes"
    );
    let _ = writeln!(text, "{heads}{heads}");
    for both in simulations.runs.chunks(2) {
        let _ = write!(text, "{:>7}", both[0].workers);
        for run in both {
            text.push_str(&row(run));
        }
        text.push('\n');
    }
    render::result(&text);
    say_measured(context, simulations.measured, simulations.all, "");
    if context.verbosity.quiet {
        return;
    }
    for run in simulations.runs.iter().take(2) {
        let longest = if run.chain { "chain" } else { "package" };
        let times = simulations.work / run.longest;
        render::note(&format!(
            "the longest {longest} takes {}: {times:.1} times as fast as one worker at most",
            seconds(run.longest)
        ));
    }
    render::note("moved: the images and sources that workers get");
    if simulations
        .runs
        .iter()
        .any(|run| run.to_workers.unknown > 0)
    {
        render::note("*: the sizes of some, or of all, are not known here");
    }
    if let [with, without, ..] = simulations.runs.as_slice() {
        for (run, which) in [(with, "with"), (without, "without")] {
            for (way, moved) in ways(run) {
                render::note(&format!("{which} the chain, {way}: {moved}"));
            }
        }
    }
}

fn row(run: &GraphRun) -> String {
    let moved = run.to_workers;
    let bytes = match moved.unknown {
        0 => HumanBytes(moved.bytes).to_string(),
        _ if moved.bytes == 0 => "*".to_owned(),
        _ => format!("{} *", HumanBytes(moved.bytes)),
    };
    format!(
        "  {:>11}  {:>5.1}  {:>4}  {:>6}  {bytes:>12}",
        seconds(run.seconds),
        run.speed_up,
        percent(run.utilisation),
        moved.files
    )
}
