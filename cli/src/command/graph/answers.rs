//! What is answered about a graph, as text or as JSON.

use std::fmt::Write as _;

use documents::{GraphClosure, GraphCriticalPath, GraphWhy, Version};
use indicatif::HumanBytes;
use package_tree::Graph;

use crate::context::Context;
use crate::options::Format;
use crate::render;

/// How many of the shortest ways are listed.
const LISTED: usize = 10;

/// Prints a text, if there is any.
pub(super) fn lines(text: &str) {
    if !text.is_empty() {
        render::result(text);
    }
}

/// Prints the names, in an order in which they can be built.
pub(super) fn names(graph: &Graph) {
    let mark = |name: &str, is: bool| format!("{name}{}\n", if is { " <<<" } else { "" });
    let names = graph.nodes.iter();
    let names: String = names
        .map(|node| mark(&node.name, node.is_highlighted))
        .collect();
    lines(&names);
}

/// Prints the packages of each level.
pub(super) fn levels(graph: &Graph) {
    let last = graph.nodes.iter().filter_map(|node| node.level).max();
    let mut text = String::new();
    for level in 1..=last.unwrap_or_default() {
        let of_level = graph.nodes.iter().filter(|node| node.level == Some(level));
        let mut names: Vec<&str> = of_level.map(|node| node.name.as_str()).collect();
        names.sort_unstable();
        if !names.is_empty() {
            let _ = writeln!(text, "{level}: {}", names.join(" "));
        }
    }
    lines(&text);
}

/// Prints by which ways one package needs another, at the places `ends`, if it does.
pub(super) fn why(
    context: &Context,
    graph: &Graph,
    (from, to): (&str, &str),
    ends: Option<(usize, usize)>,
) {
    let ways = ends.map(|(from, to)| graph.ways(from, to, LISTED));
    let name = |&place: &usize| graph.nodes[place].name.clone();
    let shortest = ways.iter().flat_map(|ways| &ways.shortest);
    let shortest: Vec<Vec<String>> = shortest.map(|way| way.iter().map(name).collect()).collect();
    let (as_short, all) = ways
        .map(|ways| (ways.as_short, ways.all))
        .unwrap_or_default();
    if context.format == Format::Json {
        return render::json(&GraphWhy {
            version: Version,
            from: from.to_owned(),
            to: to.to_owned(),
            shortest,
            as_short: as_short.to_string(),
            all: all.to_string(),
        });
    }
    if all.is_zero() {
        return render::result(&format!("{from} does not need {to}"));
    }
    let mut text = String::new();
    for way in &shortest {
        let _ = writeln!(text, "{}", way.join(" -> "));
    }
    let longer = all.less(&as_short);
    let more = as_short.less(&shortest.len().into());
    let rest = [(more, "as short"), (longer, "longer")];
    for (count, what) in rest.iter().filter(|(count, _)| !count.is_zero()) {
        let _ = writeln!(text, "and {count} more, {what}");
    }
    lines(&text);
}

/// Prints how large everything is.
pub(super) fn closure(context: &Context, closure: &GraphClosure) {
    if context.format == Format::Json {
        return render::json(closure);
    }
    let widest = closure.packages.iter().map(|each| each.name.len()).max();
    let width = widest.unwrap_or_default().max("package".len());
    let mut text = format!("{:width$}  {:>12}  {:>12}\n", "package", "image", "sources");
    let bytes = |bytes: u64| HumanBytes(bytes).to_string();
    let incomplete = |missing: usize, size: String| if missing > 0 { size + " *" } else { size };
    for package in &closure.packages {
        let image = package.image.map_or_else(|| "-".to_owned(), bytes);
        let sources = incomplete(package.missing_sources, bytes(package.sources));
        let _ = writeln!(text, "{:width$}  {image:>12}  {sources:>12}", package.name);
    }
    let (images, sources) = (bytes(closure.images), bytes(closure.sources));
    let _ = writeln!(text, "{:width$}  {images:>12}  {sources:>12}", "together");
    render::result(&text);
    if !context.verbosity.quiet {
        let missing = [
            (closure.missing_images, "image", "out/"),
            (closure.missing_sources, "source", "fetch/"),
        ];
        for (count, what, place) in missing.into_iter().filter(|(count, ..)| *count > 0) {
            render::note(&format!("not in {place}: {}", render::count(count, what)));
        }
        render::note("together, each blob and each source counts once");
    }
}

pub(super) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// How the rest is told from what is recorded.
pub(super) const MARKED: &str = ", marked with ~,";

/// Says of how many packages the duration is a record, where it is not of all.
pub(super) fn say_measured(context: &Context, measured: usize, all: usize, marked: &str) {
    if measured < all && !context.verbosity.quiet {
        let instead = if measured == 0 {
            "1 s"
        } else {
            "the median of the others"
        };
        render::note(&format!(
            "the duration of {measured} of {} is recorded; the rest{marked} count as {instead}",
            render::count(all, "package")
        ));
    }
}

pub(super) fn mark(is_measured: bool) -> &'static str {
    if is_measured { "" } else { "~" }
}

/// Prints what takes longest one after another.
pub(super) fn critical_path(context: &Context, path: &GraphCriticalPath) {
    if context.format == Format::Json {
        return render::json(path);
    }
    let mut text = String::new();
    for package in &path.packages {
        let duration = mark(package.measured).to_owned() + &seconds(package.seconds);
        let _ = writeln!(text, "{duration:>12}  {}", package.name);
    }
    let _ = writeln!(text, "{:>12}  together", seconds(path.seconds));
    render::result(&text);
    say_measured(context, path.measured, path.all, MARKED);
    if !context.verbosity.quiet {
        let (work, path) = (seconds(path.work), seconds(path.seconds));
        render::note(&format!(
            "one after another: {work}; with enough workers: {path}"
        ));
    }
}
