//! What of a plan the runtime that builds would refuse: said before anything is built.

use std::collections::BTreeSet;
use std::sync::Arc;

use backend_api::{Backend, Ready};
use build::Refusals;
use make::Local;
use package_tree::{Hermetic, Plan};

use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::render;
use crate::wait;

/// Returns what a runtime would refuse of all packages of a plan.
pub(super) fn of(
    context: &Context,
    plan: &Plan,
    hermetic: Option<&Hermetic>,
    (backend, ready): (&Arc<dyn Backend>, &Ready),
) -> Result<Refusals, Failure> {
    let directories = place::directories(context)?;
    let network = context.settings.network.value.into();
    let executor = Local::new(Arc::clone(backend), ready.clone(), false, network);
    let packages: Vec<_> = plan.packages.iter().collect();
    let profile = context.settings.profile.value;
    Ok(make::refusals(
        &executor,
        profile,
        &directories,
        &packages,
        hermetic,
    ))
}

/// Says what the runtime that would build would refuse of those packages that would be built: all where the tree is
/// cleaned first.
pub(super) fn of_dry_run(context: &Context, plan: &Plan, is_clean: bool) -> Result<(), Failure> {
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
    let exceptions = super::hermetic::exceptions(context);
    let chosen = (&selected.backend, &selected.ready);
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
