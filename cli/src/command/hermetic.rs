//! What is kept from builds where they are hermetic: what git and the tree say of it, for a tree and for one image.

use std::collections::BTreeSet;

use backend_api::Ready;
use build::{Context as Named, Recipe, Sources};
use camino::{Utf8Path, Utf8PathBuf};
use package_tree::{Denial, Plan, Problem};

use crate::context::{Context, Selected};
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::options::Hermetic;
use crate::render;
use crate::wait;
use tokio::sync::watch;

/// The name of the directory of sources, in a context and as one.
const FETCH: &str = "fetch";

/// Returns the rules for the builds in a tree, if they are hermetic.
pub(super) fn of_tree(context: &Context) -> Result<Option<package_tree::Hermetic>, Failure> {
    of_directory(context, &context.directory)
}

/// Returns the rules for RUNs in a tree, if builds are hermetic, whatever its files are.
pub(super) fn exceptions(context: &Context) -> Option<package_tree::Hermetic> {
    Some(package_tree::Hermetic {
        tracked: None,
        older_rules: older_rules(context)?,
    })
}

/// Returns the same, where something else is waited for already.
pub(super) async fn of_tree_async(
    context: &Context,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Option<package_tree::Hermetic>, Failure> {
    let Some(older_rules) = older_rules(context) else {
        return Ok(None);
    };
    let tracked = wait::unless(interrupted, git::tracked(&context.directory)).await??;
    Ok(Some(rules(context, tracked, older_rules)))
}

/// Returns whether the older rules hold, if builds are hermetic.
fn older_rules(context: &Context) -> Option<bool> {
    match context.settings.hermetic.value {
        Hermetic::No => None,
        Hermetic::Yes => Some(false),
        Hermetic::Tree2024 => Some(true),
    }
}

fn rules(
    context: &Context,
    tracked: Option<BTreeSet<Utf8PathBuf>>,
    older_rules: bool,
) -> package_tree::Hermetic {
    if tracked.is_none() && !context.verbosity.quiet {
        render::note("this is no git repository: a hermetic build gets all files");
    }
    package_tree::Hermetic {
        tracked,
        older_rules,
    }
}

/// Returns the rules for builds from what lies in a directory, whose files are known relative to it.
fn of_directory(
    context: &Context,
    directory: &Utf8Path,
) -> Result<Option<package_tree::Hermetic>, Failure> {
    let Some(older_rules) = older_rules(context) else {
        return Ok(None);
    };
    let tracked = wait::block_on(async {
        let mut interrupted = wait::watch();
        Ok(wait::unless(&mut interrupted, git::tracked(directory)).await??)
    })?;
    Ok(Some(rules(context, tracked, older_rules)))
}

/// Refuses a plan that the runtime cannot build so.
pub(super) fn check(
    hermetic: &package_tree::Hermetic,
    plan: &Plan,
    selected: &Selected,
) -> Result<(), Failure> {
    check_for(hermetic, plan, selected.runtime(), &selected.ready)
}

/// Refuses a plan that a runtime, called `name`, cannot build so.
pub(super) fn check_for(
    hermetic: &package_tree::Hermetic,
    plan: &Plan,
    name: &str,
    ready: &Ready,
) -> Result<(), Failure> {
    let capabilities = &ready.capabilities;
    let denial = Denial {
        run: capabilities.dialect.run_network,
        build: capabilities.offline_builds,
    };
    let checked = hermetic.check(plan, denial, name);
    checked.map_err(|problems| {
        let pair = |problem: Problem| (problem.to_string(), problem.hint);
        Failure::of(ErrorKind::Package, problems.0.into_iter().map(pair))
    })
}

/// Prepares the recipe of one image, and returns the rules for its build. Where its context is a package's directory, its
/// sources and exceptions are the package's; elsewhere it has none.
pub(super) fn of_recipe(
    context: &Context,
    recipe: &mut Recipe,
) -> Result<Option<package_tree::Hermetic>, Failure> {
    let directory = recipe.root.join(&recipe.context);
    let Some(rules) = of_directory(context, &directory)? else {
        return Ok(None);
    };
    let mut kept = rules
        .older_rules
        .then(|| FETCH.to_owned())
        .into_iter()
        .collect();
    let within: Utf8PathBuf = recipe
        .context
        .components()
        .filter(|part| part.as_str() != ".")
        .collect();
    if within.starts_with("packages") {
        let tree = super::tree::open(context)?;
        let of_target = |output: &&package_tree::Output| output.context == within;
        if let Some(output) = tree.outputs().find(of_target) {
            kept = rules.excepted(output);
            let given = match recipe.contexts.get(FETCH) {
                Some(Named::Directory(directory)) => directory.clone(),
                _ => within.join(FETCH),
            };
            recipe.contexts.insert(FETCH.to_owned(), Named::Sources);
            recipe.sources = Sources::Checked {
                directory: given,
                sources: output.sources.to_vec(),
                // The command line names what each context is.
                seeds: Vec::new(),
            };
            recipe.context = within;
        }
    }
    recipe.keep_network = Some(kept);
    Ok(Some(rules))
}
