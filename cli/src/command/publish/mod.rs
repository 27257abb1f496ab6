//! `stagex publish`: the recorded images of packages into registries, if enough people have signed them.

mod gathered;
mod told;
mod work;

use documents::{PublishOutcome, Verify};
use package_tree::Plan;
use state::Digests;
use tokio::sync::watch;

use gathered::{Gathered, gather};
use work::{How, Item};

use super::pull::client;
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Publish) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    super::tree::warn(context, &tree, &arguments.targets);
    let plan = super::tree::plan(context, &tree, &arguments.targets)?;
    // What is published is what was verified, whatever is written there meanwhile.
    let recorded = Digests::read(&context.directory)?;
    let judged = (!arguments.without_quorum).then(|| {
        let packages = plan.packages.iter().filter(|package| package.requested);
        let packages: Vec<_> = packages.collect();
        super::trust::judged(
            context,
            &arguments.whom,
            arguments.now,
            &packages,
            &recorded,
        )
    });
    let judged = judged.transpose()?;
    if let Some(failure) = judged.as_ref().and_then(told::unverified) {
        return Err(failure);
    }
    let document = publish(context, arguments, (&plan, &recorded), judged.as_ref())?;
    told::tell(context, &document);
    Ok(exit(&document))
}

/// Publishes what was `judged`, if that was asked for, or only looks at what registries have.
pub(super) fn publish(
    context: &Context,
    arguments: &arguments::Publish,
    (plan, recorded): (&Plan, &Digests),
    judged: Option<&Verify>,
) -> Result<documents::Publish, Failure> {
    let quorum = judged.is_some();
    let gathered = gather(context, arguments, (plan, recorded), judged)?;
    let how = How {
        latest: arguments.latest,
        dry_run: arguments.dry_run,
        quiet: context.verbosity.quiet,
    };
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut registries = Vec::new();
        let mut is_over = false;
        for to in &arguments.to {
            let mut items = items(&gathered, to)?;
            if !is_over {
                is_over = one(context, &mut items, how, &mut interrupted).await?;
            }
            registries.push(told::published(to.to_string(), &items, how));
        }
        Ok(told::document(how, quorum, is_over, registries))
    })
}

fn items(gathered: &[Gathered], to: &registry::Repository) -> Result<Vec<Item>, Failure> {
    let item = |gathered: &Gathered| {
        let publication = gathered.publication(to)?;
        Ok(Item::new(gathered.package.clone(), publication))
    };
    gathered.iter().map(item).collect()
}

/// Publishes to one registry. Tells whether the user has interrupted it.
async fn one(
    context: &Context,
    items: &mut [Item],
    how: How,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<bool, Failure> {
    let publisher = client(context, "publish")?.publisher();
    let work = work::publish(&publisher, items, how);
    Ok(wait::unless(interrupted, work).await.is_err())
}

/// Returns how the program ends: as the first failure says.
fn exit(document: &documents::Publish) -> Exit {
    let packages = document.registries.iter().flat_map(|to| &to.packages);
    let mut kinds = packages.filter_map(|package| match &package.outcome {
        PublishOutcome::Failed { kind, .. } => Some(*kind),
        _ => None,
    });
    if document.interrupted {
        return ErrorKind::Interrupted.into();
    }
    kinds.next().map_or(Exit::Success, Exit::Error)
}
