//! What `stagex publish` says: who is not verified, and what came of each package in each registry.

use documents::{PublishOutcome, PublishedPackage, PublishedTo, Verify, Version};

use super::work::{How, Item};
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, print_problem};
use crate::options::Format;
use crate::render;

/// Returns the failure of packages that are not verified, if there are some.
pub(super) fn unverified(judged: &Verify) -> Option<Failure> {
    let problems = crate::command::trust::unverified(judged);
    let hint = "`stagex verify` says more; nothing is published. Private registries may have what is not verified: \
                --without-quorum";
    let count = problems.len();
    let problems = problems.into_iter().enumerate();
    let problems = problems.map(|(place, message)| {
        let hint = (place + 1 == count).then(|| hint.to_owned());
        (message, hint)
    });
    (count > 0).then(|| Failure::of(ErrorKind::NotVerified, problems))
}

/// Returns what came of packages in a registry.
pub(super) fn published(registry: String, items: &[Item], how: How) -> PublishedTo {
    let package = |item: &Item| {
        let repository = item.publication.repository();
        let tag = item.publication.tag();
        PublishedPackage {
            package: item.package.clone(),
            image: tag.map_or_else(
                || repository.to_string(),
                |tag| format!("{repository}:{tag}"),
            ),
            digest: item.publication.digest().into(),
            outcome: item.outcome(how),
        }
    };
    let packages: Vec<_> = items.iter().map(package).collect();
    let is_there = |package: &PublishedPackage| match package.outcome {
        PublishOutcome::Unchanged => true,
        PublishOutcome::Published { .. } => !how.dry_run,
        PublishOutcome::Unpublished { .. } | PublishOutcome::Failed { .. } => false,
    };
    PublishedTo {
        registry,
        complete: packages.iter().all(is_there),
        packages,
    }
}

/// Prints what came of all of it.
pub(super) fn tell(context: &Context, document: &documents::Publish) {
    match context.format {
        Format::Json => render::json(document),
        Format::Human => {
            for registry in &document.registries {
                let lines = registry.packages.iter();
                let lines = lines.filter_map(|package| line(package, document.dry_run));
                lines.for_each(|line| render::result(&line));
            }
        }
    }
    for registry in &document.registries {
        for package in &registry.packages {
            if let PublishOutcome::Failed { message, hint, .. } = &package.outcome {
                print_problem(
                    "error",
                    &format!("{}: {message}", package.package),
                    hint.as_deref(),
                );
            }
        }
        if !context.verbosity.quiet {
            render::note(&summary(registry, document.dry_run));
        }
    }
    if !document.quorum {
        render::note("without a quorum: what is published may be signed by nobody");
    }
}

/// Returns the line of a package that is not as it was before.
fn line(package: &PublishedPackage, dry_run: bool) -> Option<String> {
    let said = match package.outcome {
        PublishOutcome::Published { .. } if dry_run => "would be published",
        PublishOutcome::Published { .. } => "published",
        PublishOutcome::Unchanged => "unchanged",
        PublishOutcome::Unpublished { .. } => "not published",
        PublishOutcome::Failed { .. } => return None,
    };
    Some(format!("{} {} {said}", package.image, package.digest))
}

fn summary(registry: &PublishedTo, dry_run: bool) -> String {
    let count = |is_one: fn(&PublishOutcome) -> bool| {
        let packages = registry.packages.iter();
        packages.filter(|package| is_one(&package.outcome)).count()
    };
    let new = count(|outcome| matches!(outcome, PublishOutcome::Published { .. }));
    let same = count(|outcome| matches!(outcome, PublishOutcome::Unchanged));
    let other = registry.packages.len() - new - same;
    let would = if dry_run { " would be" } else { "" };
    let state = if registry.complete {
        "complete"
    } else {
        "not complete"
    };
    let name = &registry.registry;
    let packages = render::count(new, "package");
    format!("{name}: {packages}{would} published, {same} unchanged, {other} not published: {state}")
}

/// Makes the document.
pub(super) fn document(
    how: How,
    quorum: bool,
    interrupted: bool,
    registries: Vec<PublishedTo>,
) -> documents::Publish {
    documents::Publish {
        version: Version,
        dry_run: how.dry_run,
        quorum,
        interrupted,
        registries,
    }
}
