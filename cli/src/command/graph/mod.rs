//! `stagex graph`: what needs what.

mod answers;
mod simulated;
mod svg;

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use documents::ChangedFile;
use package_tree::{Graph, Kept, Plan, Tree};

use crate::arguments::{self, Simulated};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, usage};
use crate::options::{Drawing, Format};
use crate::place;
use crate::render;
use crate::wait;

/// How many edges Mermaid draws unless the page that shows it says otherwise.
const EDGES_OF_MERMAID: usize = 500;

pub(super) fn run(context: &Context, arguments: &arguments::Graph) -> Result<Exit, Failure> {
    if context.format == Format::Json && arguments.drawing != Drawing::Text {
        let hint = "leave one of them out: JSON has the same graph";
        return Err(usage(
            "--format json cannot be combined with --as".to_owned(),
            Some(hint),
        ));
    }
    let tree = super::tree::open(context)?;
    let targets = match &arguments.why {
        Some(names) => &names[..1],
        None => &arguments.targets,
    };
    super::tree::warn(context, &tree, targets);
    let plan = super::tree::plan(context, &tree, targets)?;
    let mut graph = Graph::of_plan(&plan);
    for name in &arguments.highlight {
        for place in selected(&tree, &plan, name)? {
            graph.nodes[place].is_highlighted = true;
        }
    }
    if arguments.closure {
        answers::closure(context, &make::sizes(&place::directories(context)?, &plan));
    } else if arguments.critical_path {
        answers::critical_path(context, &timing(context, &plan)?.critical_path());
    } else if let Some(simulated) = &arguments.simulate {
        simulate(context, arguments, simulated, &plan)?;
    } else if let Some(names) = &arguments.why {
        why(context, arguments, &tree, &plan, &graph, names)?;
    } else if let Some(name) = &arguments.rdeps {
        let of = selected(&tree, &plan, name)?;
        show(context, arguments, &graph.needing(&of), None)?;
    } else if let Some(files) = affecting(context, arguments)? {
        let files = touched(&tree, files);
        let names = files.iter().flat_map(|file| &file.packages);
        let places = plan.places(&names.map(String::as_str).collect());
        show(context, arguments, &graph.needing(&places), Some(files))?;
    } else {
        show(context, arguments, &graph, None)?;
    }
    Ok(Exit::Success)
}

fn timing(context: &Context, plan: &Plan) -> Result<make::Timing, Failure> {
    Ok(make::Timing::of_records(
        &place::directories(context)?,
        plan,
    )?)
}

/// Shows what workers would do.
fn simulate(
    context: &Context,
    arguments: &arguments::Graph,
    simulated: &Simulated,
    plan: &Plan,
) -> Result<(), Failure> {
    let simulator = make::Simulator::of_records(&place::directories(context)?, plan)?;
    match simulated {
        Simulated::Workers(speeds) => {
            let simulation = simulator.simulate(speeds, !arguments.without_chain);
            simulated::one(context, &simulation);
        }
        Simulated::Numbers(_) if arguments.without_chain => {
            let message = "--without-chain cannot be used with several numbers of workers";
            let hint = "leave it out: both are shown then";
            return Err(usage(message.to_owned(), Some(hint)));
        }
        Simulated::Numbers(workers) => {
            simulated::several(context, &simulator.simulate_each(workers));
        }
    }
    Ok(())
}

/// Returns the places of what a name selects of what is planned.
fn selected(tree: &Tree, plan: &Plan, name: &str) -> Result<BTreeSet<usize>, Failure> {
    let found = plan.selected(tree, name).map_err(super::tree::of_targets)?;
    let names: BTreeSet<&str> = found.iter().map(|each| each.name.as_str()).collect();
    if names.is_empty() {
        let message = format!("`{name}` is not among what the targets select and need");
        return Err(usage(
            message,
            Some("leave the targets out, or name others"),
        ));
    }
    Ok(plan.places(&names))
}

/// Says by which ways the first of two packages needs the second, where `plan` is what the first selects.
fn why(
    context: &Context,
    arguments: &arguments::Graph,
    tree: &Tree,
    plan: &Plan,
    graph: &Graph,
    names: &[String],
) -> Result<(), Failure> {
    let (from, to) = (
        one(context, tree, &names[0])?,
        one(context, tree, &names[1])?,
    );
    if from == to {
        return Err(usage(format!("both names are of {from}"), None));
    }
    let place = |name: &str| plan.places(&BTreeSet::from([name])).into_iter().next();
    let ends = (place(&from), place(&to));
    let (Some(start), Some(end)) = ends else {
        answers::why(context, graph, (&from, &to), None);
        return Ok(());
    };
    if arguments.drawing == Drawing::Text {
        answers::why(context, graph, (&from, &to), Some((start, end)));
        Ok(())
    } else {
        show(context, arguments, &graph.between(start, end), None)
    }
}

/// Returns the full name of the one package that a name selects.
fn one(context: &Context, tree: &Tree, name: &String) -> Result<String, Failure> {
    // As a target, the name of an output selects its package's other outputs too, if the package has that name.
    if tree.output(name).is_some() {
        return Ok(name.clone());
    }
    let plan = super::tree::plan(context, tree, std::slice::from_ref(name))?;
    let requested = plan.packages.iter().filter(|each| each.requested);
    let names: Vec<&str> = requested.map(|each| each.name.as_str()).collect();
    if let [name] = names.as_slice() {
        return Ok((*name).to_owned());
    }
    let message = format!("`{name}` selects {}", render::count(names.len(), "package"));
    let hint = format!("name one: {}", names[..names.len().min(5)].join(", "));
    Err(usage(message, Some(&hint)))
}

/// Returns the files that are asked about, relative to the tree, if that is what is asked.
fn affecting(
    context: &Context,
    arguments: &arguments::Graph,
) -> Result<Option<Vec<Utf8PathBuf>>, Failure> {
    let tree = &context.directory;
    if let Some(range) = &arguments.affected_by_git {
        let changed = wait::block_on(async {
            let mut interrupted = wait::watch();
            Ok(wait::unless(&mut interrupted, git::changed(tree, range)).await??)
        });
        return changed.map(Some);
    }
    if arguments.affected_by.is_empty() {
        return Ok(None);
    }
    let files = arguments.affected_by.iter();
    files
        .map(|file| place::in_tree(tree, file))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Finds out what each file is an input of, and says which are of nothing.
fn touched(tree: &Tree, files: Vec<Utf8PathBuf>) -> Vec<ChangedFile> {
    let files: BTreeSet<Utf8PathBuf> = files.into_iter().collect();
    let file = |path: Utf8PathBuf| ChangedFile {
        packages: tree.touched(&path).into_iter().map(str::to_owned).collect(),
        path: path.into_string(),
    };
    files.into_iter().map(file).collect()
}

/// Shows a graph as it is asked for; with `files`, what they change.
fn show(
    context: &Context,
    arguments: &arguments::Graph,
    graph: &Graph,
    files: Option<Vec<ChangedFile>>,
) -> Result<(), Failure> {
    let is_quiet = context.verbosity.quiet;
    for file in files
        .iter()
        .flatten()
        .filter(|file| file.packages.is_empty())
    {
        if !is_quiet {
            render::note(&format!("{} is an input of no package", file.path));
        }
    }
    let graph = viewed(arguments, graph)?;
    match (context.format, arguments.drawing) {
        (Format::Json, _) => render::json(&document(&graph, files)),
        (_, Drawing::Dot) => render::result(&package_tree::dot(&graph)),
        (_, Drawing::Svg) => render::result(&svg::draw(&package_tree::dot(&graph))?),
        (_, Drawing::Mermaid) => {
            let edges = graph.needs().count();
            if edges > EDGES_OF_MERMAID && !is_quiet {
                render::note(&format!(
                    "there are {edges} edges, and Mermaid draws {EDGES_OF_MERMAID} unless `maxEdges` is \
                     raised: --depth, --only, --without and --collapse show fewer"
                ));
            }
            render::result(&package_tree::mermaid(&graph));
        }
        (_, Drawing::Text) if arguments.levels => answers::levels(&graph),
        (_, Drawing::Text) if files.is_some() => answers::names(&graph),
        (_, Drawing::Text) => answers::lines(&package_tree::text(&graph)),
    }
    Ok(())
}

/// Returns what is to be seen of a graph.
fn viewed(arguments: &arguments::Graph, graph: &Graph) -> Result<Graph, Failure> {
    let mut viewed = graph.clone();
    if !(arguments.only.is_empty() && arguments.without.is_empty()) {
        let mut kept = Kept::new();
        for node in &viewed.nodes {
            let is_only = arguments.only.is_empty() || matches(&arguments.only, &node.name)?;
            kept.push(is_only && !matches(&arguments.without, &node.name)?);
        }
        viewed = viewed.across(&kept);
    }
    if arguments.collapse.is_some() {
        viewed = viewed.collapsed();
    }
    if let Some(depth) = arguments.depth {
        viewed = viewed.to_depth(depth);
    }
    Ok(viewed)
}

/// Tells whether a name matches one of some patterns.
fn matches(patterns: &[String], name: &str) -> Result<bool, Failure> {
    for pattern in patterns {
        let matched = package_tree::matches(pattern, name);
        let matched = matched.map_err(|_| {
            let hint = "a pattern has `*`, `?`, `[a-z]`, and `\\` before what is meant literally";
            usage(format!("`{pattern}` is not a valid pattern"), Some(hint))
        });
        if matched? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn document(graph: &Graph, files: Option<Vec<ChangedFile>>) -> documents::Graph {
    documents::Graph {
        files,
        ..documents::Graph::from(graph)
    }
}
