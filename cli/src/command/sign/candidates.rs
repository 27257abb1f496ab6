//! What may be signed: what is recorded, what this machine has reproduced, and what of it is still there.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use documents::{Attempt, RecordedSince};
use ledger::Ledger;
use make::Keys;
use package_tree::PlannedPackage;
use sign::{Facts, Refused, Subject, subjects};
use state::Digests;
use tokio::sync::watch;

use crate::arguments;
use crate::command::evidence::Evidence;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, print_problem};
use crate::place;
use crate::wait;

/// How many different runtimes have to have reproduced what is signed without anybody watching.
const FOR_CI: usize = 2;

/// What may be signed, what may not, and since when digests are recorded.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) images: Vec<Result<Subject, Refused>>,
    /// By the line in `digests/*.txt`.
    since: BTreeMap<String, git::Since>,
    /// The directory of each package in the tree, by its full name.
    pub(super) directories: BTreeMap<String, Utf8PathBuf>,
}

impl Candidates {
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.images.iter().filter_map(|image| image.as_ref().ok())
    }

    pub(super) fn refused(&self) -> Vec<&Refused> {
        let images = self.images.iter();
        images.filter_map(|image| image.as_ref().err()).collect()
    }

    pub(super) fn since(&self, subject: &Subject) -> Option<RecordedSince> {
        let since = self.since.get(&line(subject))?;
        Some(RecordedSince {
            commit: since.commit.clone(),
            date: since.date.clone(),
        })
    }
}

/// Returns how an image stands in `digests/*.txt`.
fn line(subject: &Subject) -> String {
    let digest = subject.payload.digest().hex();
    match &subject.platform {
        Some(platform) => format!("{digest} {} {platform}", subject.package),
        None => format!("{digest} {}", subject.package),
    }
}

/// Finds out what may be signed.
pub(super) async fn find(
    context: &Context,
    arguments: &arguments::Sign,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Candidates, Failure> {
    let root = &context.directory;
    let checked_out = wait::unless(interrupted, git::checked_out(root)).await??;
    if checked_out.is_none_or(|found| found.dirty) && arguments.force.is_none() {
        let hint = "commit or undo the changes: what is signed is what others find in the commit";
        let message =
            "the tree is no clone of git, or has changes that are not committed".to_owned();
        return Err(Failure::of(
            ErrorKind::NotVerified,
            [(message, Some(hint.to_owned()))],
        ));
    }
    let tree = crate::command::tree::open(context)?;
    crate::command::tree::warn(context, &tree, &arguments.targets);
    let plan = crate::command::tree::plan(context, &tree, &arguments.targets)?;
    let directories = place::directories(context)?;
    let recorded = Digests::read(root)?;
    let (state, secret) = place::state()?;
    let ledger = Ledger::open(&state, &secret)?;
    let profile = context.settings.profile.value;
    let hermetic = crate::command::hermetic::of_tree_async(context, interrupted).await?;
    let keys = Keys::of_plan(profile, &directories, &plan, hermetic.as_ref())?;
    let evidence = Evidence::find(&plan, &directories, &recorded, ledger.attempts());
    let is_current = |package: &PlannedPackage, attempt: &Attempt| {
        let needed = evidence.needed(package, attempt);
        let is_of = |(needed, key): (_, &String)| keys.is_current(package, &needed, key);
        needed.zip(attempt.key.as_ref()).is_some_and(is_of)
    };
    let image = |package: &PlannedPackage| evidence.image(package);
    let tracked = wait::unless(interrupted, git::tracked(root)).await??;
    let is_tracked = |package: &PlannedPackage| {
        let path = Utf8PathBuf::from(format!("digests/{}.txt", package.stage));
        tracked
            .as_ref()
            .is_some_and(|tracked| tracked.contains(&path))
    };
    let facts = Facts {
        registry: &arguments.registry,
        recorded: &recorded,
        attempts: ledger.attempts(),
        profile: profile.name,
        runtimes: if arguments.ci { FOR_CI } else { 1 },
        forced: arguments.force.as_deref(),
        is_current: &is_current,
        is_tracked: &is_tracked,
        image: &image,
    };
    let packages = plan.packages.iter().filter(|package| package.requested);
    let images: Vec<_> = packages
        .flat_map(|package| subjects(&facts, package))
        .collect();
    let lines: BTreeSet<String> = images.iter().flatten().map(line).collect();
    let since = git::since(root, "digests", &lines);
    let since = wait::unless(interrupted, since).await?;
    let since = since.unwrap_or_else(|error| {
        // It is only shown.
        let message = format!("since when digests are recorded is not known: {error}");
        print_problem("warning", &message, error.hint());
        BTreeMap::new()
    });
    let packages = plan.packages.iter();
    let directories = packages.map(|package| (package.name.clone(), package.context.clone()));
    Ok(Candidates {
        images,
        since,
        directories: directories.collect(),
    })
}
