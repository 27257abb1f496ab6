//! `stagex preseed`: takes published images instead of building packages, if enough people have signed them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};

use build::Error;
use documents::{
    Preseed, PreseedOutcome, PreseedPackage, SignedBy, VerifiedPackage, Verify, Version,
};
use make::{Given, Keys, Profile, substitute};
use package_tree::{Hermetic, Plan, PlannedPackage};
use reproduce::{Missing, Origin, RecordedImages};
use state::{Access, Digests, Directories, Outputs, Trust};
use tokio::sync::watch;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::options::Format;
use crate::place;
use crate::render;
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Preseed) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let plan = super::tree::plan(context, &tree, &arguments.targets)?;
    let wanted = |package: &&PlannedPackage| !(arguments.needed && package.requested);
    let packages: Vec<&PlannedPackage> = plan.packages.iter().filter(wanted).collect();
    let recorded = Digests::read(&context.directory)?;
    let judged = super::trust::judged(context, &arguments.whom, false, &packages, &recorded)?;
    let packages = told(&packages, &judged);
    let is_open = packages
        .iter()
        .any(|(told, _)| told.outcome == PreseedOutcome::ToBuild);
    let taken = if arguments.dry_run {
        None
    } else {
        let missing = packages.iter().filter_map(|(_, missing)| missing.clone());
        let missing: Vec<Missing> = missing.collect();
        Some(wait::block_on(async {
            let mut interrupted = wait::watch();
            take(context, arguments, &plan, missing, &mut interrupted).await
        })?)
    };
    let outcome = |told: PreseedPackage| match &taken {
        Some(taken) if told.outcome == PreseedOutcome::Trusted => PreseedPackage {
            outcome: if taken.contains(&told.name) {
                PreseedOutcome::Taken
            } else {
                PreseedOutcome::There
            },
            ..told
        },
        _ => told,
    };
    let document = Preseed {
        version: Version,
        packages: packages
            .into_iter()
            .map(|(told, _)| outcome(told))
            .collect(),
    };
    report(context, &document);
    Ok(if is_open {
        ErrorKind::NotVerified.into()
    } else {
        Exit::Success
    })
}

/// Returns what is said of each package, and the images that have to be found if it can be trusted: the very digests that
/// were verified.
fn told(packages: &[&PlannedPackage], judged: &Verify) -> Vec<(PreseedPackage, Option<Missing>)> {
    let of_package = judged.by_package();
    let packages = packages.iter().filter_map(|package| {
        let images = of_package.get(package.name.as_str())?;
        let signed = SignedBy::all(images.iter().copied())?;
        let missing = signed.verified.then(|| missing(package, images));
        let digests = images.iter().filter_map(|image| image.digest.clone());
        let problems = images.iter().flat_map(|image| image.problems.clone());
        let told = PreseedPackage {
            name: package.name.clone(),
            outcome: if signed.verified {
                PreseedOutcome::Trusted
            } else {
                PreseedOutcome::ToBuild
            },
            digests: digests.collect(),
            problems: problems.collect(),
            signed,
        };
        Some((told, missing))
    });
    packages.collect()
}

fn missing(package: &PlannedPackage, images: &[&VerifiedPackage]) -> Missing {
    let images = package.platforms.iter().zip(images);
    let recorded = images.filter_map(|(platform, image)| {
        let digest = image.digest.as_ref()?.as_str().parse().ok()?;
        Some((platform.clone(), digest))
    });
    Missing {
        package: package.name.clone(),
        recorded: recorded.collect(),
        instead: Vec::new(),
        kept: None,
    }
}

/// Prints what is taken, on whose word, and what has to be built.
fn report(context: &Context, document: &Preseed) {
    match context.format {
        Format::Json => render::json(document),
        Format::Human => {
            let line = |package: &PreseedPackage| {
                let PreseedPackage { name, signed, .. } = package;
                let verdict = package.outcome.word();
                let said = [format!("{verdict:<9} {name} signed by {signed}")];
                let said: Vec<String> = said.into_iter().chain(package.problems.clone()).collect();
                printable::line(&said.join("; ")).into_owned()
            };
            let lines: Vec<String> = document.packages.iter().map(line).collect();
            render::result(&lines.join("\n"));
        }
    }
}

/// Finds the images of packages, pulls those that are nowhere, and puts them into `out/`. Returns the packages that were
/// not there.
async fn take(
    context: &Context,
    arguments: &arguments::Preseed,
    plan: &Plan,
    missing: Vec<Missing>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<BTreeSet<String>, Failure> {
    let directories = place::directories(context)?;
    let recorded = Digests::read(&context.directory)?;
    let origins = [
        Origin::Tree(directories.clone()),
        Origin::Pulled(directories.of_pulled()),
    ];
    let mut found = RecordedImages::nothing_of(missing);
    let looking = build::blocking(move || {
        found.find(&origins);
        found
    });
    let mut found = wait::unless(interrupted, looking).await?;
    if !found.missing.is_empty() {
        super::pull::bring(
            context,
            &arguments.from,
            &directories,
            &mut found,
            interrupted,
        )
        .await?;
    }
    let hint = "name a registry that has it with --from";
    let given = found.give();
    let given = given.map_err(|missing| super::pull::not_found(&missing, hint))?;
    let hermetic = super::hermetic::of_tree_async(context, interrupted).await?;
    let profile = context.settings.profile.value;
    let work = Work {
        directories,
        profile,
        plan: plan.clone(),
        hermetic,
        given,
        recorded,
        interrupted: interrupted.clone(),
    };
    // What was begun is finished: a package is there whole.
    Ok(build::blocking(move || work.put()).await?)
}

/// How many packages are put into `out/` at once: what takes time is that they reach the disk.
const AT_ONCE: usize = 8;

/// Does something with each package, with several at once, as far as there are threads. Nothing more is begun when
/// something has failed.
fn several(
    packages: &[PlannedPackage],
    work: impl Fn(&PlannedPackage) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let (packages, failed) = (Mutex::new(packages.iter()), AtomicBool::new(false));
    let next = || {
        let mut packages = packages.lock().unwrap_or_else(PoisonError::into_inner);
        packages.next().filter(|_| !failed.load(Ordering::Relaxed))
    };
    let one_by_one = || {
        while let Some(package) = next() {
            work(package).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let start = |_| Builder::new().spawn_scoped(scope, one_by_one).ok();
        let others: Vec<_> = (1..AT_ONCE).filter_map(start).collect();
        let own = one_by_one();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(done) => done,
            Err(panicked) => resume_unwind(panicked),
        });
        others.fold(own, Result::and)
    })
}

/// Images that were found, on their way into `out/`.
struct Work {
    directories: Directories,
    profile: &'static Profile,
    plan: Plan,
    hermetic: Option<Hermetic>,
    given: Given,
    recorded: Digests,
    interrupted: watch::Receiver<bool>,
}

impl Work {
    /// Puts each where it belongs. Returns the packages of which there was another image, or none.
    fn put(&self) -> Result<BTreeSet<String>, Error> {
        let mut waiting = |_| render::note("waiting for another stagex in this tree");
        let _tree = self.directories.open(Access::Alone, &mut waiting)?;
        let outputs = Outputs::of_tree(&self.directories, Trust::FileSystem);
        let hermetic = self.hermetic.as_ref();
        let keys = Keys::of_plan(self.profile, &self.directories, &self.plan, hermetic)?;
        let packages = self.plan.packages.iter();
        let by_name: BTreeMap<&str, &PlannedPackage> = packages
            .map(|package| (package.name.as_str(), package))
            .collect();
        let (taken, open) = (Mutex::default(), Mutex::default());
        let note = |names: &Mutex<BTreeSet<String>>, package: &PlannedPackage| {
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(package.name.clone());
        };
        several(&self.plan.packages, |package| {
            let Some(image) = self.given.image(&package.name) else {
                return Ok(());
            };
            if *self.interrupted.borrow() {
                return Err(Error::Interrupted);
            }
            let needed = package.dependencies().map(|name| {
                let needed = by_name.get(name)?;
                Some((name.to_owned(), self.digest(needed)?))
            });
            let Some(needed) = needed.collect::<Option<BTreeMap<_, _>>>() else {
                note(&open, package);
                return Ok(());
            };
            let places = (&self.directories, &outputs);
            if substitute(places, &keys, package, &needed, image)? {
                note(&taken, package);
            }
            Ok(())
        })?;
        for name in open.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let message = format!("{name} cannot be taken: what it needs is not recorded");
            let hint = "it is built by `stagex make`";
            print_problem("warning", &message, Some(hint));
        }
        Ok(taken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the digest that what is built on a package has to be built on. What is not taken has to come out as it is
    /// recorded, or that is built again.
    fn digest(&self, package: &PlannedPackage) -> Option<images::Digest> {
        if let Some(image) = self.given.image(&package.name) {
            return Some(image.digest);
        }
        match self.recorded.of_package(package)?.as_slice() {
            [(_, only)] => Some(*only),
            // Its index is not recorded.
            _ => None,
        }
    }
}
