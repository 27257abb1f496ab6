//! What of a plan the runtime that builds would refuse: said before anything is built.

use std::collections::BTreeSet;

use backend_api::Capabilities;
use build::{Chosen, Refusals};
use package_tree::{Hermetic, Plan, PlannedPackage};

use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::render;
use crate::wait;

/// Returns what a runtime of a name would refuse of packages.
pub(super) fn of(
    context: &Context,
    packages: &[&PlannedPackage],
    hermetic: Option<&Hermetic>,
    (runtime, capabilities): (&str, &Capabilities),
) -> Result<Refusals, Failure> {
    let directories = place::directories(context)?;
    let chosen = Chosen {
        runtime,
        capabilities,
        network: context.settings.network.value.into(),
    };
    Ok(make::refusals(
        &|recipe| build::refusals(&chosen, recipe),
        context.settings.profile.value,
        &directories,
        packages,
        hermetic,
    ))
}

/// Says what the runtime that would build would refuse of those packages that would be built: all where the tree is
/// cleaned first.
pub(super) fn of_dry_run(context: &Context, plan: &Plan, is_clean: bool) -> Result<(), Failure> {
    let exceptions = super::hermetic::exceptions(context);
    // No runtime is looked for where none would refuse anything.
    let may_be = |package: &&PlannedPackage| package.may_be_refused(exceptions.is_some());
    let packages: Vec<_> = plan.packages.iter().filter(may_be).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let selecting = async {
        let mut interrupted = wait::watch();
        context.select_silently(&mut interrupted).await
    };
    let selected = match super::remote::selected(context) {
        Some(selected) => Ok(selected),
        None => wait::block_on(selecting),
    };
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
    let mut refusals = of(context, &packages, exceptions.as_ref(), chosen)?;
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
