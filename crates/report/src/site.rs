//! All files of a report.

use std::collections::BTreeMap;

use askama::Template;
use documents::{Attempt, PlannedPackage, Report, ReportAnswer, ReportPackage, ReportState};

use crate::diffs::{DiffPage, Diffs};
use crate::facts::Facts;
use crate::graph::{Picture, picture};
use crate::pages::{Frame, class_of, duration, file_of, happened, page_of, shown};
use crate::standing::standing;
use crate::timeline::{Run, last_run, length};
use crate::{badge, feed, policy};

/// How much the front page lists of what needs attention, and of what has changed.
const LISTED: usize = 20;

/// The files of a report: each path, and what is in it.
pub type Site = BTreeMap<String, String>;

struct Cell {
    class: &'static str,
    state: &'static str,
}

struct Row {
    name: String,
    page: String,
    version: String,
    class: &'static str,
    state: &'static str,
    cells: Vec<Cell>,
    vendors: String,
    signed: Option<String>,
    last: String,
}

struct Attention {
    name: String,
    page: String,
    class: &'static str,
    state: &'static str,
    runtime: String,
    what: String,
}

struct Tile {
    number: usize,
    what: &'static str,
    class: &'static str,
}

struct Part {
    class: &'static str,
    x: usize,
    width: usize,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    frame: Frame,
    script: &'static str,
    class: &'static str,
    headline: &'static str,
    because: String,
    notes: Vec<String>,
    bar: Vec<Part>,
    bar_label: String,
    tiles: Vec<Tile>,
    attention: Vec<Attention>,
    more: usize,
    changes: Vec<String>,
    no_changes: &'static str,
    states: Vec<(&'static str, usize)>,
    runtimes: Vec<String>,
    are_signed: bool,
    rows: Vec<Row>,
}

struct Shown {
    started: String,
    class: &'static str,
    state: &'static str,
    runtime: String,
    processor: String,
    kernel: String,
    whose: String,
    took: String,
    rounds: usize,
    digest: Option<String>,
    what: String,
    lines: String,
    diff: Option<String>,
}

struct Need {
    name: String,
    file: String,
    class: &'static str,
    state: &'static str,
}

struct ShownSource {
    file: String,
    hash: String,
    mirrors: Vec<String>,
}

#[derive(Template)]
#[template(path = "package.html")]
struct PackagePage {
    frame: Frame,
    name: String,
    class: &'static str,
    state: &'static str,
    sentence: String,
    recorded: Option<String>,
    signed: Option<String>,
    version: String,
    containerfile: String,
    attempts: Vec<Shown>,
    needs: Vec<Need>,
    sources: Vec<ShownSource>,
    needed_by: Vec<(String, String)>,
}

struct ShownBar {
    page: String,
    package: String,
    runtime: String,
    class: String,
    state_class: &'static str,
    state: &'static str,
    x: String,
    y: usize,
    width: String,
    label: String,
    after: String,
    took: String,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    frame: Frame,
    run: Option<Run<'a>>,
    total: String,
    chain: String,
    bars: Vec<ShownBar>,
    path: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage {
    frame: Frame,
    picture: Picture,
}

/// Returns all files of a report but `report.json`. `is_first` says that there was no report before.
pub fn site<'a>(facts: &Facts<'a>, report: &Report, is_first: bool, diff: DiffPage<'a>) -> Site {
    let mut site = Site::new();
    let mut of_package: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in facts.attempts {
        of_package
            .entry(&attempt.package)
            .or_default()
            .push(attempt);
    }
    let states: BTreeMap<&str, &ReportPackage> = report
        .packages
        .iter()
        .map(|each| (each.name.as_str(), each))
        .collect();
    let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &facts.plan.packages {
        for need in &package.dependencies {
            needed_by.entry(need).or_default().push(&package.name);
        }
    }
    let mut pages = Diffs::new(diff);
    for package in &facts.plan.packages {
        let name = package.name.as_str();
        let attempts = of_package.get(name).map(Vec::as_slice).unwrap_or_default();
        let differ = attempts.iter().enumerate();
        let differ = differ.filter(|(_, each)| standing(facts, each) == ReportState::Differs);
        let diffs = differ.filter_map(|(place, each)| Some((place, pages.of(each)?)));
        let diffs: BTreeMap<usize, String> = diffs.collect();
        let dependents = needed_by.get(name).map(Vec::as_slice).unwrap_or_default();
        let page = package_page(
            facts, report, package, attempts, &diffs, &states, dependents,
        );
        site.insert(page_of(name), rendered(&page));
    }
    site.extend(pages.into_pages());
    site.insert(
        "index.html".to_owned(),
        rendered(&index(facts, report, is_first, &of_package)),
    );
    site.insert("run.html".to_owned(), rendered(&run_page(facts, report)));
    let graph = GraphPage {
        frame: Frame::new(report, facts.stagex, ""),
        picture: picture(facts.plan, report),
    };
    site.insert("graph.html".to_owned(), rendered(&graph));
    site.insert("badge.svg".to_owned(), badge::badge(report));
    site.insert("feed.atom".to_owned(), feed::atom(report));
    site.insert("feed.json".to_owned(), feed::json(report));
    site
}

fn rendered(page: &impl Template) -> String {
    page.render().expect("a page is plain data")
}

fn index(
    facts: &Facts,
    report: &Report,
    is_first: bool,
    of_package: &BTreeMap<&str, Vec<&Attempt>>,
) -> Index {
    let counts = &report.counts;
    let count = |state: ReportState| {
        report
            .packages
            .iter()
            .filter(|each| each.state == state)
            .count()
    };
    let wrong = counts.differs + counts.unstable + counts.failed;
    let (class, headline, because) = answer(report);
    let by = format!(
        "Reproduced by at least two runtimes: {} of {}; on processors of at least two vendors: {} of {}.",
        counts.two_runtimes, counts.packages, counts.two_vendors, counts.packages
    );
    let mut notes = vec![by];
    let others = facts.attempts.iter().filter(|each| {
        facts
            .plan
            .packages
            .iter()
            .all(|package| package.name != each.package)
    });
    let others = others.count();
    if others > 0 {
        notes.push(format!(
            "Left out: {others} attempts to build packages that are not in this tree."
        ));
    }
    let mut attention = attention(facts, report, of_package);
    attention.truncate(LISTED);
    let seen = report.newest.as_deref();
    let changes = report
        .changes
        .iter()
        .filter(|each| Some(each.seen.as_str()) == seen);
    Index {
        frame: Frame::new(report, facts.stagex, ""),
        script: policy::SCRIPT,
        class,
        headline,
        because,
        notes,
        bar: bar(report),
        bar_label: format!(
            "{} reproduced, {wrong} wrong, {} without proof",
            counts.reproduced, counts.missing
        ),
        tiles: tiles(report),
        more: wrong.saturating_sub(attention.len()),
        attention,
        changes: changes.take(LISTED).map(feed::sentence).collect(),
        no_changes: if is_first {
            "This is the first report."
        } else {
            "Nothing has changed."
        },
        states: ReportState::ALL
            .into_iter()
            .map(|state| (state.word(), count(state)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        runtimes: report.runtimes.iter().map(|each| shown(each)).collect(),
        are_signed: report.counts.signed.is_some(),
        rows: report
            .packages
            .iter()
            .map(|each| row(report, each))
            .collect(),
    }
}

/// Returns the class of the answer, the answer, and why it is that.
fn answer(report: &Report) -> (&'static str, &'static str, String) {
    let counts = &report.counts;
    match report.answer {
        ReportAnswer::Yes => (
            "r",
            "Yes",
            format!(
                "All {} packages have the recorded digests, and nothing contradicts one.",
                counts.packages
            ),
        ),
        ReportAnswer::NotYet => (
            "o",
            "Not yet",
            format!(
                "{} of {} packages are reproduced. Nothing contradicts a recorded digest, but {} have no proof.",
                counts.reproduced, counts.packages, counts.missing
            ),
        ),
        ReportAnswer::No => (
            "d",
            "No",
            format!(
                "Of {} packages, {} differ, {} are unstable and {} could not be built.",
                counts.packages, counts.differs, counts.unstable, counts.failed
            ),
        ),
    }
}

/// Returns the packages that contradict a record, and what happened to each last.
fn attention(
    facts: &Facts,
    report: &Report,
    of_package: &BTreeMap<&str, Vec<&Attempt>>,
) -> Vec<Attention> {
    let mut attention = Vec::new();
    let worst = report
        .packages
        .iter()
        .filter(|each| each.state < ReportState::Reproduced);
    for package in worst {
        let found = of_package
            .get(package.name.as_str())
            .into_iter()
            .flatten()
            .rev();
        let found = found
            .copied()
            .find(|each| standing(facts, each) == package.state);
        attention.push(Attention {
            name: package.name.clone(),
            page: page_of(&package.name),
            class: class_of(package.state),
            state: package.state.word(),
            runtime: found
                .map(|each| shown(&each.runtime.name))
                .unwrap_or_default(),
            what: found
                .map(|each| happened(each, package.state))
                .unwrap_or_default(),
        });
    }
    attention
}

fn tiles(report: &Report) -> Vec<Tile> {
    let counts = &report.counts;
    let tile = |number, what, class| Tile {
        number,
        what,
        class: if number == 0 { "n" } else { class },
    };
    let signed = counts
        .signed
        .map(|signed| tile(signed, "signed by enough people", "r"));
    let tiles = [
        tile(counts.reproduced, "reproduced", "r"),
        tile(counts.two_runtimes, "by two or more runtimes", "r"),
        tile(counts.two_vendors, "on two or more CPU vendors", "r"),
        tile(counts.differs, "differ", "d"),
        tile(counts.unstable, "unstable", "u"),
        tile(counts.failed, "could not be built", "f"),
        tile(counts.missing, "without proof", "o"),
    ];
    tiles.into_iter().chain(signed).collect()
}

fn bar(report: &Report) -> Vec<Part> {
    let all = report.packages.len().max(1);
    let mut done = 0;
    let mut parts = Vec::new();
    let order = [
        ReportState::Reproduced,
        ReportState::Differs,
        ReportState::Unstable,
    ];
    let rest = [
        ReportState::Failed,
        ReportState::Outdated,
        ReportState::NotRecorded,
    ];
    for state in order.into_iter().chain(rest).chain([ReportState::Missing]) {
        let count = report
            .packages
            .iter()
            .filter(|each| each.state == state)
            .count();
        let x = done * 1000 / all;
        done += count;
        let width = done * 1000 / all - x;
        if width > 0 {
            parts.push(Part {
                class: class_of(state),
                x,
                width,
            });
        }
    }
    parts
}

fn row(report: &Report, package: &ReportPackage) -> Row {
    let cell = |runtime: &String| {
        let state = package.runtimes.get(runtime);
        let state = state.map_or(ReportState::Missing, |each| each.state);
        Cell {
            class: class_of(state),
            state: state.word(),
        }
    };
    let last = package
        .runtimes
        .values()
        .map(|each| each.started.as_str())
        .max();
    Row {
        name: package.name.clone(),
        page: page_of(&package.name),
        version: package
            .package_version
            .as_deref()
            .map(shown)
            .unwrap_or_default(),
        class: class_of(package.state),
        state: package.state.word(),
        cells: report.runtimes.iter().map(cell).collect(),
        vendors: shown(&package.vendors.join(", ")),
        signed: package.signed.as_ref().map(|by| shown(&by.to_string())),
        last: last.unwrap_or_default().chars().take(10).collect(),
    }
}

fn package_page(
    facts: &Facts,
    report: &Report,
    package: &PlannedPackage,
    attempts: &[&Attempt],
    diffs: &BTreeMap<usize, String>,
    states: &BTreeMap<&str, &ReportPackage>,
    needed_by: &[&str],
) -> PackagePage {
    let known = states[package.name.as_str()];
    let need = |name: &String| {
        let state = states
            .get(name.as_str())
            .map_or(ReportState::Missing, |each| each.state);
        Need {
            name: name.clone(),
            file: file_of(name),
            class: class_of(state),
            state: state.word(),
        }
    };
    let runtimes = known
        .runtimes
        .iter()
        .filter(|(_, each)| each.state == ReportState::Reproduced);
    let runtimes: Vec<String> = runtimes.map(|(name, _)| shown(name)).collect();
    let sentence = if runtimes.is_empty() {
        "No attempt that counts has the recorded digest.".to_owned()
    } else {
        let vendors = known
            .vendors
            .iter()
            .map(|each| shown(each))
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "Its recorded digest was reproduced by {}, on processors of {vendors}.",
            runtimes.join(", ")
        )
    };
    let newest_first = attempts.iter().enumerate().rev();
    PackagePage {
        frame: Frame::new(report, facts.stagex, "../"),
        name: package.name.clone(),
        class: class_of(known.state),
        state: known.state.word(),
        sentence,
        recorded: known.recorded.as_ref().map(ToString::to_string),
        signed: known.signed.as_ref().map(|by| shown(&by.to_string())),
        version: package
            .version
            .as_deref()
            .map_or_else(|| "none".to_owned(), shown),
        containerfile: shown(&package.containerfile),
        attempts: newest_first
            .map(|(at, each)| attempt(facts, each, diffs.get(&at)))
            .collect(),
        needs: package.dependencies.iter().map(need).collect(),
        sources: package
            .sources
            .iter()
            .map(|each| ShownSource {
                file: shown(&each.file),
                hash: shown(&each.hash),
                mirrors: each.mirrors.iter().map(|mirror| shown(mirror)).collect(),
            })
            .collect(),
        needed_by: needed_by
            .iter()
            .map(|name| ((*name).to_owned(), file_of(name)))
            .collect(),
    }
}

fn attempt(facts: &Facts, attempt: &Attempt, diff: Option<&String>) -> Shown {
    let state = standing(facts, attempt);
    let machine = &attempt.machine;
    let lines = attempt
        .failure
        .as_ref()
        .map(|failure| failure.last_lines.join("\n"));
    Shown {
        started: shown(&attempt.started),
        class: class_of(state),
        state: state.word(),
        runtime: shown(&format!(
            "{} {}",
            attempt.runtime.name, attempt.runtime.version
        )),
        processor: shown(&format!("{} {}", machine.cpu_vendor, machine.cpu_model)),
        kernel: shown(&machine.kernel),
        whose: machine
            .whose
            .as_deref()
            .map_or_else(|| "this one".to_owned(), shown),
        took: duration(length(attempt)),
        rounds: attempt.rounds.len(),
        digest: attempt.digest.as_ref().map(ToString::to_string),
        what: happened(attempt, state),
        lines: printable::lines(&lines.unwrap_or_default()).into_owned(),
        diff: diff.cloned(),
    }
}

fn run_page<'a>(facts: &Facts<'a>, report: &Report) -> RunPage<'a> {
    let run = last_run(facts);
    let bars = run.iter().flat_map(|run| &run.bars).map(|bar| {
        let state = standing(facts, bar.attempt);
        let critical = if bar.is_critical { " critical" } else { "" };
        let name = &bar.attempt.runtime.name;
        let (package, runtime) = (
            shown(&bar.attempt.package),
            shown(&match &bar.attempt.machine.worker {
                Some(worker) => format!("{name}, {worker}"),
                None => name.clone(),
            }),
        );
        let took = duration(length(bar.attempt));
        ShownBar {
            page: page_of(&bar.attempt.package),
            label: format!("{package}, {runtime}: {}, {took}", state.word()),
            package,
            runtime,
            class: format!("{}{critical}", class_of(state)),
            state_class: class_of(state),
            state: state.word(),
            x: format!("{:.1}", bar.x),
            y: bar.y,
            width: format!("{:.1}", bar.width),
            after: format!("{} s", bar.offset),
            took,
        }
    });
    let path = run.iter().flat_map(|run| &run.path);
    RunPage {
        frame: Frame::new(report, facts.stagex, ""),
        total: duration(run.as_ref().map_or(0.0, |run| run.seconds)),
        chain: duration(run.as_ref().map_or(0.0, |run| run.path_seconds)),
        bars: bars.collect(),
        path: path
            .map(|step| {
                (
                    shown(step.package),
                    shown(step.runtime),
                    duration(step.seconds),
                )
            })
            .collect(),
        run,
    }
}
