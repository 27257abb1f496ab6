//! What is to be published: the recorded images of packages that are here, and what belongs beside them.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Bill, Scope};
use camino::Utf8Path;
use documents::{Digest, Verify};
use images::Digest as Top;
use ledger::Ledger;
use package_tree::{Plan, PlannedPackage};
use registry::{Artifact, Kind, Limits, Publication, Repository};
use state::{Digests, Directories};

use crate::arguments;
use crate::command::evidence::Evidence;
use crate::command::proof::first;
use crate::command::trust::{Beside, beside};
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, chain};
use crate::place;

/// Where blobs are in a layout.
const BLOBS: &str = "blobs/sha256";
/// What a package without a version has for a tag, and only if that is asked for.
const LATEST: &str = "latest";

/// What is to be published of a package.
pub(super) struct Gathered {
    pub(super) package: String,
    version: Option<String>,
    place: Directories,
    top: Top,
    artifacts: Vec<Artifact>,
}

impl Gathered {
    /// Returns it as it is published below `to`.
    pub(super) fn publication(&self, to: &Repository) -> Result<Publication, Failure> {
        let repository = to.join(&self.package).map_err(registry::Error::from)?;
        let out = self.place.open_out()?;
        let path = Utf8Path::new(&self.package).join(BLOBS);
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let blobs = out.ok_or_else(missing).and_then(|out| out.directory(&path));
        let blobs = blobs
            .map_err(|error| place::cannot("read", &self.place.output(&self.package), &error))?;
        let version = self.version.as_deref();
        let mut publication =
            Publication::open(&repository, version, blobs, self.top, &Limits::DEFAULT)?;
        for artifact in &self.artifacts {
            publication.add(artifact.clone())?;
        }
        Ok(publication)
    }
}

/// Finds what is to be published of the packages that were named. `judged` says which signatures count; without it, all
/// are published.
pub(super) fn gather(
    context: &Context,
    arguments: &arguments::Publish,
    (plan, recorded): (&Plan, &Digests),
    judged: Option<&Verify>,
) -> Result<Vec<Gathered>, Failure> {
    let directories = place::directories(context)?;
    let (state, secret) = place::state()?;
    let ledger = Ledger::open(&state, &secret)?;
    let evidence = Evidence::find(plan, &directories, recorded, ledger.attempts());
    let mut gathered = Vec::new();
    let mut problems = Vec::new();
    for package in plan.packages.iter().filter(|package| package.requested) {
        match evidence.place(package) {
            Some(place) => gathered.push((package, found(package, place)?)),
            None => problems.push(missing(package, recorded)),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::of(ErrorKind::Usage, problems));
    }
    let images = gathered.iter().flat_map(|(package, _)| {
        let digests = digests(package, recorded).into_iter();
        digests.map(|digest| (package.name.clone(), digest.into()))
    });
    let images: Vec<(String, Digest)> = images.collect();
    let registry = registry(arguments, judged)?;
    let mut beside = beside(context, &arguments.whom, &registry, &images)?.into_iter();
    let counted = judged.map(counted);
    let mut bills = Bills::new(context, plan, recorded);
    for (package, gathered) in &mut gathered {
        for subject in digests(package, recorded) {
            let digest = Digest::from(subject);
            let counts = |one: &Beside| {
                let of = |counted: &Counted| counted.contains(&(digest.clone(), one.number));
                counted.as_ref().is_none_or(of)
            };
            let found = beside.next().unwrap_or_default().into_iter();
            let artifacts = found.filter(counts).flat_map(|one| artifacts(subject, one));
            gathered.artifacts.extend(artifacts);
        }
        gathered.artifacts.push(Artifact {
            subject: gathered.top,
            kind: Kind::Sbom,
            title: format!("{}.spdx.json", package.name),
            bytes: bills.of(&package.name).into_bytes(),
        });
    }
    Ok(gathered.into_iter().map(|(_, gathered)| gathered).collect())
}

/// Returns where images are published, as signatures say it.
fn registry(
    arguments: &arguments::Publish,
    judged: Option<&Verify>,
) -> Result<trust::Registry, Failure> {
    let said = match (judged, &arguments.whom.registry) {
        (Some(judged), _) => judged.registry.parse(),
        (None, Some(registry)) => return Ok(registry.clone()),
        (None, None) => trust::Policy::DEFAULT_REGISTRY.parse(),
    };
    said.map_err(|error: trust::InvalidName| Failure::new(ErrorKind::Usage, &error, None))
}

/// Signatures that count: the digest, and the number.
type Counted = BTreeSet<(Digest, u32)>;

fn counted(judged: &Verify) -> Counted {
    let packages = judged.packages.iter();
    let signatures = packages.flat_map(|package| {
        let signatures = package.signatures.iter();
        let counted = signatures.filter(|signature| signature.refusal.is_none());
        counted.filter_map(|signature| Some((package.digest.clone()?, signature.number)))
    });
    signatures.collect()
}

fn found(package: &PlannedPackage, place: &Directories) -> Result<Gathered, Failure> {
    let images = place.images(&package.name).map_err(|error| {
        let hint = Some(format!("build it again: `stagex make {}`", package.name));
        Failure::of(ErrorKind::Environment, [(chain(&error), hint)])
    })?;
    let version = Some(package.tag()).filter(|tag| *tag != LATEST);
    Ok(Gathered {
        package: package.name.clone(),
        version: version.map(str::to_owned),
        place: place.clone(),
        top: images.digest(),
        artifacts: Vec::new(),
    })
}

fn missing(package: &PlannedPackage, recorded: &Digests) -> (String, Option<String>) {
    let name = &package.name;
    if recorded.of(&package.stage, name, None).is_none() {
        let message = format!("{name}: no digest is recorded in digests/");
        return (message, Some("`stagex digests` records it".to_owned()));
    }
    let message = format!("{name}: the recorded image is not here");
    let hint = format!("`stagex make {name}` or `stagex reproduce {name}` builds it");
    (message, Some(hint))
}

/// Returns the recorded digest of each platform.
fn digests(package: &PlannedPackage, recorded: &Digests) -> Vec<Top> {
    let platforms = recorded.of_package(package).into_iter().flatten();
    platforms.map(|(_, digest)| digest).collect()
}

/// Makes artifacts of a signature and of what belongs to it.
fn artifacts(subject: Top, beside: Beside) -> impl Iterator<Item = Artifact> {
    let Beside {
        number,
        signature,
        statements,
    } = beside;
    let artifact = move |kind, title, bytes| Artifact {
        subject,
        kind,
        title,
        bytes,
    };
    let title = trust::file_name(number);
    let signature = artifact(Kind::Signature, title, signature);
    let statements = statements.map(|lines| {
        let title = format!("attestation-{number}.jsonl");
        artifact(Kind::Attestation, title, lines.into_bytes())
    });
    [signature].into_iter().chain(statements)
}

/// Bills of materials of single packages.
struct Bills {
    plan: documents::Plan,
    recorded: BTreeMap<String, Digest>,
    registry: &'static str,
    epoch: i64,
}

impl Bills {
    fn new(context: &Context, plan: &Plan, recorded: &Digests) -> Self {
        let profile = context.settings.profile.value;
        Self {
            plan: plan.into(),
            recorded: first(plan, recorded),
            registry: profile.registry,
            epoch: profile.epoch,
        }
    }

    /// Returns what `stagex sbom` prints of a package.
    fn of(&mut self, name: &str) -> String {
        for package in &mut self.plan.packages {
            package.requested = package.name == name;
        }
        let bill = Bill::new(
            &self.plan,
            Scope::Package,
            &self.recorded,
            self.registry,
            self.epoch,
            env!("CARGO_PKG_VERSION"),
        );
        format!("{}\n", attest::spdx(&bill).trim_end())
    }
}
