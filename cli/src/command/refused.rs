//! What of a plan the runtime that builds would refuse: said before anything is built.

use std::collections::BTreeSet;

use backend_api::{Capabilities, Dialect, LayerRecord};
use build::{Chosen, Refusals};
use package_tree::{Hermetic, Plan};

use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::render;
use crate::wait;

/// What a runtime can do that has nothing beyond what all have.
const NOTHING: Capabilities = Capabilities {
    dialect: Dialect::NONE,
    offline_builds: false,
    host_network: false,
    layers: LayerRecord::Touched,
    platforms: Vec::new(),
    leaves_mount_points: true,
    varies: BTreeSet::new(),
};

/// Returns what a runtime of a name would refuse of all packages of a plan.
pub(super) fn of(
    context: &Context,
    plan: &Plan,
    hermetic: Option<&Hermetic>,
    (runtime, capabilities): (&str, &Capabilities),
) -> Result<Refusals, Failure> {
    let directories = place::directories(context)?;
    let chosen = Chosen {
        runtime,
        capabilities,
        network: context.settings.network.value.into(),
    };
    let packages: Vec<_> = plan.packages.iter().collect();
    Ok(make::refusals(
        &|recipe| build::refusals(&chosen, recipe),
        context.settings.profile.value,
        &directories,
        &packages,
        hermetic,
    ))
}

/// Says what the runtime that would build would refuse of those packages that would be built: all where the tree is
/// cleaned first.
pub(super) fn of_dry_run(context: &Context, plan: &Plan, is_clean: bool) -> Result<(), Failure> {
    let exceptions = super::hermetic::exceptions(context);
    // No runtime is looked for where none would refuse anything.
    if of(context, plan, exceptions.as_ref(), ("", &NOTHING))?.is_empty() {
        return Ok(());
    }
    let selected = wait::block_on(async {
        let mut interrupted = wait::watch();
        context.select_silently(&mut interrupted).await
    });
    let selected = match selected {
        Ok(selected) => selected,
        Err(failure) if failure.kind() == ErrorKind::NoRuntime => {
            if !context.verbosity.quiet {
                render::note("no runtime is ready, so nobody can say what it would refuse");
            }
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    let chosen = (selected.runtime(), &selected.ready.capabilities);
    let mut refusals = of(context, plan, exceptions.as_ref(), chosen)?;
    if !refusals.is_empty() && !is_clean {
        // What is up to date is not built.
        let explained = make::explain(
            context.settings.profile.value,
            &place::directories(context)?,
            plan,
            false,
            super::hermetic::of_tree(context)?.as_ref(),
        )?;
        let stale = explained.iter().filter(|each| !each.reasons.is_empty());
        let stale: BTreeSet<&str> = stale.map(|each| each.name.as_str()).collect();
        refusals.retain(|package| stale.contains(package));
    }
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(selected.runtime(), &refusals))
}
