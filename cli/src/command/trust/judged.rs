//! Which images of packages enough people have signed: what is recorded, signed, built and released is compared.
//!
//! It says what could not be looked at. It does not know how the verdict is printed.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use documents::{
    AttemptVerdict, Digest, VerifiedPackage, VerifiedRelease, VerifiedSignature, Version, rfc3339,
};
use ledger::Ledger;
use package_tree::PlannedPackage;
use state::Digests;
use trust::{
    Doubted, Judged, Judgement, Place, Policy, Refusal, Release, Releases, Reproduced,
    STATEMENTS_LIMIT, StoredSignatures, Wanted, judge_all,
};

use super::signatures::{Source, signatures, source};
use super::whom::{Believed, believed};
use crate::arguments::Whom;
use crate::clock::now;
use crate::context::Context;
use crate::failure::{Failure, chain, print_problem};
use crate::place;
use crate::render;
use crate::wait;

/// What this machine has reproduced: packages, each with the platform that is not its first, and the digest.
type Images = BTreeSet<(String, Option<String>, Digest)>;

/// What is known of an image before its signatures are.
struct Subject<'a> {
    /// The package's full name.
    name: &'a str,
    /// Its version, as its image is tagged; without it, any counts.
    tag: Option<&'a str>,
    /// The platform, if it is not the package's first.
    platform: Option<&'a str>,
    /// Where the signatures of the recorded digest lie, if one is recorded.
    place: Option<Place>,
    /// What speaks against it.
    problems: Vec<String>,
    /// What does not count.
    notes: Vec<String>,
    /// What lies there.
    found: StoredSignatures,
    /// When somebody else has seen signatures, by their numbers.
    seen: BTreeMap<u32, i64>,
}

/// The release that a tree is; or why it is none that counts.
pub(in crate::command) type Released = Result<Release, String>;

/// An image of a package that somebody names by its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::command) struct Pinned {
    /// The package's full name.
    pub(in crate::command) name: String,
    /// Its version, if it is named too.
    pub(in crate::command) tag: Option<String>,
    pub(in crate::command) digest: Digest,
}

/// Judges images that are named by their digests, whatever a tree has. What the policy asks of releases is said to be
/// of trees.
pub(in crate::command) fn judged_pinned(
    context: &Context,
    images: &[Pinned],
) -> Result<Vec<VerifiedPackage>, Failure> {
    let whom = Whom::default();
    let believed = believed(context, &whom)?;
    let source = source(context, &whom)?;
    if believed.policy.releases.is_some() && !context.verbosity.quiet {
        render::note("[releases] of the policy is about trees: a digest alone is of no release");
    }
    let registry = &believed.policy.registry;
    let subjects = images.iter().map(|image| Subject {
        name: &image.name,
        tag: image.tag.as_deref(),
        platform: None,
        place: Some(place_of(registry, &image.name, image.digest.clone())),
        problems: Vec::new(),
        notes: Vec::new(),
        found: StoredSignatures::default(),
        seen: BTreeMap::new(),
    });
    conclude(&believed, &source, false, subjects.collect())
}

/// Returns where the signatures of a package's digest lie.
pub(super) fn place_of(registry: &trust::Registry, name: &str, digest: Digest) -> Place {
    Place::new(registry, name, digest).expect("a package has the name of one")
}

/// Judges all `recorded` images of packages. With `only_now` nothing but a key that is good now counts.
pub(in crate::command) fn judged(
    context: &Context,
    whom: &Whom,
    only_now: bool,
    packages: &[&PlannedPackage],
    recorded: &Digests,
) -> Result<documents::Verify, Failure> {
    let believed = believed(context, whom)?;
    judged_by(context, &believed, whom, only_now, (packages, recorded))
}

/// Does the same by who is believed already; `whom` says where signatures lie.
pub(in crate::command) fn judged_by(
    context: &Context,
    believed: &Believed,
    whom: &Whom,
    only_now: bool,
    (packages, recorded): (&[&PlannedPackage], &Digests),
) -> Result<documents::Verify, Failure> {
    let Believed { policy, .. } = believed;
    let source = source(context, whom)?;
    let released = policy.releases.as_ref();
    let released = released.map(|wanted| released_as(context, believed, wanted, now()));
    let released = released.transpose()?;
    let subjects = subjects(context, policy, (packages, recorded), released.as_ref())?;
    let packages = conclude(believed, &source, only_now, subjects)?;
    let release = released
        .and_then(Result::ok)
        .map(|release| VerifiedRelease {
            name: printable::line(&release.name).into_owned(),
            person: release.person,
            made: rfc3339(release.made),
        });
    Ok(documents::Verify {
        version: Version,
        registry: policy.registry.to_string(),
        threshold: policy.threshold.get(),
        release,
        packages,
    })
}

/// Returns for each package that is not verified why that is.
pub(in crate::command) fn unverified(judged: &documents::Verify) -> Vec<String> {
    let mut problems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for image in judged.packages.iter().filter(|image| !image.verified) {
        let problems = problems.entry(&image.name).or_default();
        if image.missing > 0 {
            let (have, threshold) = (image.people.len(), judged.threshold);
            problems.push(format!("signed by {have} of {threshold} people"));
        }
        problems.extend(image.problems.iter().cloned());
    }
    let problem = |(name, why): (&str, Vec<String>)| {
        let message = format!("{name} is not verified: {}", why.join("; "));
        printable::line(&message).into_owned()
    };
    problems.into_iter().map(problem).collect()
}

/// Reads the signatures of images, and judges them.
fn conclude(
    believed: &Believed,
    source: &Source,
    only_now: bool,
    mut subjects: Vec<Subject<'_>>,
) -> Result<Vec<VerifiedPackage>, Failure> {
    let Believed { policy, .. } = believed;
    let now = now();
    let places = subjects.iter().filter_map(|subject| subject.place.clone());
    let mut found = signatures(source, places.collect())?.into_iter();
    for subject in subjects
        .iter_mut()
        .filter(|subject| subject.place.is_some())
    {
        subject.found = found.next().unwrap_or_default();
    }
    let mut judgements = judge(believed, &subjects, now);
    if !only_now
        && let Source::Directory(directory) = source
        && look_for_evidence(directory.path(), believed, &mut subjects, &judgements, now)?
    {
        judgements = judge(believed, &subjects, now);
    }
    let reproduced = reproduced()?;
    let packages = subjects.iter_mut().zip(judgements);
    let packages = packages.map(|(subject, judgement)| {
        let judgement = judgement.unwrap_or_else(|| nobody(policy));
        let said = statements(believed, source, subject, &judgement, now);
        verified(subject, judgement, policy, &reproduced, said)
    });
    Ok(packages.collect())
}

/// Finds out which release is checked out.
pub(in crate::command) fn released_as(
    context: &Context,
    believed: &Believed,
    wanted: &Releases,
    now: i64,
) -> Result<Released, Failure> {
    let Believed { policy, keyring } = believed;
    let root = &context.directory;
    let found = wait::block_on(async {
        let mut interrupted = wait::watch();
        let looking = async {
            let Some(head) = git::checked_out(root).await? else {
                return Ok(Err(
                    "the tree is no clone of git, so that it is no release".to_owned()
                ));
            };
            let release =
                trust::release(root, (policy, wanted), keyring, &head.commit, now).await?;
            Ok::<_, git::Error>(release.map_err(|why| why.to_string()))
        };
        wait::unless(&mut interrupted, looking).await
    })?;
    Ok(found?)
}

/// Compares what is `recorded` with what lies in `out/`, for each platform of each package.
fn subjects<'a>(
    context: &Context,
    policy: &Policy,
    (packages, recorded): (&[&'a PlannedPackage], &Digests),
    released: Option<&Released>,
) -> Result<Vec<Subject<'a>>, Failure> {
    let released = released.map(Result::as_ref);
    let of_release = match released {
        Some(Ok(release)) => Some(Digests::of_texts(&release.digests)?),
        _ => None,
    };
    let names = packages
        .iter()
        .map(|package| (package.stage.as_str(), package.name.as_str()));
    let directories = place::directories(context)?;
    // What keeps all images from being read is no fault of one.
    directories.open_out()?;
    let (built, damaged) = Digests::of_each_output(&directories, names, false);
    let subject = |package: &'a PlannedPackage, platform: Option<&'a str>| {
        let (stage, name) = (&package.stage, &package.name);
        let mut problems = Vec::new();
        let digest = recorded.of(stage, name, platform);
        if digest.is_none() {
            problems.push("no digest is recorded in digests/".to_owned());
        }
        match released {
            Some(Err(why)) => problems.push(why.clone()),
            Some(Ok(release))
                if of_release
                    .as_ref()
                    .and_then(|of| of.of(stage, name, platform))
                    != digest =>
            {
                let release = printable::line(&release.name);
                problems.push(format!(
                    "the release {release} has another digest of it in digests/, or none"
                ));
            }
            _ => {}
        }
        if let Some(error) = damaged.get(name) {
            let why = chain(error);
            problems.push(format!("the image in out/ cannot be read: {why}"));
        }
        if let Some(built) = built.of(stage, name, platform)
            && Some(built) != digest
        {
            problems.push(format!("the image in out/ has another digest, {built}"));
        }
        let place = digest.map(|digest| place_of(&policy.registry, name, digest.into()));
        Subject {
            name,
            tag: Some(package.tag()),
            platform,
            place,
            problems,
            notes: Vec::new(),
            found: StoredSignatures::default(),
            seen: BTreeMap::new(),
        }
    };
    let of_package = |package: &&'a PlannedPackage| {
        let package = *package;
        let platforms = package.platforms.iter().enumerate();
        let subjects = platforms.map(|(place, platform)| {
            subject(package, Some(platform.as_str()).filter(|_| place > 0))
        });
        subjects.collect::<Vec<_>>()
    };
    Ok(packages.iter().flat_map(of_package).collect())
}

/// Judges the signatures of each image that has a digest.
fn judge(believed: &Believed, subjects: &[Subject<'_>], now: i64) -> Vec<Option<Judgement>> {
    let wanted = subjects.iter().filter_map(|subject| {
        Some(Wanted {
            place: subject.place.as_ref()?,
            tag: subject.tag,
            signatures: &subject.found.signatures,
            seen: &subject.seen,
        })
    });
    let wanted: Vec<_> = wanted.collect();
    let mut judged = judge_all(&believed.policy, &believed.keyring, &wanted, now).into_iter();
    let each = subjects.iter().map(|subject| subject.place.as_ref());
    each.map(|place| place.and_then(|_| judged.next()))
        .collect()
}

/// Looks for tags of others that show how old signatures are whose keys are good no longer. Tells whether there are some.
fn look_for_evidence(
    directory: &Utf8Path,
    believed: &Believed,
    subjects: &mut [Subject<'_>],
    judgements: &[Option<Judgement>],
    now: i64,
) -> Result<bool, Failure> {
    let (mut doubted, mut whose) = (Vec::new(), Vec::new());
    for (place, (subject, judgement)) in subjects.iter().zip(judgements).enumerate() {
        let judged = judgement.iter().flat_map(|judgement| &judgement.signatures);
        for one in judged.filter(|one| matches!(one.refusal, Some(Refusal::Lapsed { .. }))) {
            let mut signatures = subject.found.signatures.iter();
            let bytes = signatures.find(|(number, _)| *number == one.number);
            if let (Some((number, bytes)), Some(of), Some(person)) =
                (bytes, &subject.place, &one.person)
            {
                let (bytes, person) = (bytes.clone(), person.clone());
                let path = of.path().join(trust::file_name(*number));
                doubted.push(Doubted {
                    path,
                    bytes,
                    person,
                });
                whose.push((place, *number));
            }
        }
    }
    if doubted.is_empty() {
        return Ok(false);
    }
    let Believed { policy, keyring } = believed;
    let seen = wait::block_on(async {
        let mut interrupted = wait::watch();
        let looking = trust::evidence(directory, policy, keyring, &doubted, now);
        wait::unless(&mut interrupted, looking).await
    })?;
    let seen = seen.unwrap_or_else(|error| {
        let message = format!("cannot look for tags that show how old signatures are: {error}");
        print_problem("warning", &message, error.hint());
        Vec::new()
    });
    for ((place, number), seen) in whose.into_iter().zip(&seen) {
        if let Some(seen) = seen {
            subjects[place].seen.insert(number, *seen);
        }
    }
    Ok(seen.iter().any(Option::is_some))
}

/// Returns what this machine has reproduced.
fn reproduced() -> Result<Images, Failure> {
    let (state, secret) = place::state()?;
    let ledger = Ledger::open(&state, &secret)?;
    let attempts = ledger.attempts().iter().filter(|attempt| {
        attempt.verdict == AttemptVerdict::Reproduced && attempt.machine.whose.is_none()
    });
    let images = attempts.filter_map(|attempt| {
        let digest = attempt.digest.clone()?;
        Some((attempt.package.clone(), attempt.platform.clone(), digest))
    });
    Ok(images.collect())
}

/// Returns what came of no signatures.
fn nobody(policy: &Policy) -> Judgement {
    Judgement {
        signatures: Vec::new(),
        people: Vec::new(),
        missing: policy.threshold.get(),
    }
}

/// Reads what the people who count say of how they have reproduced a package. What is wrong with it is noted.
fn statements(
    believed: &Believed,
    source: &Source,
    subject: &mut Subject<'_>,
    judgement: &Judgement,
    now: i64,
) -> Reproduced {
    let mut said = Reproduced::default();
    let (Source::Directory(directory), Some(place)) = (source, &subject.place) else {
        return said;
    };
    for judged in judgement
        .signatures
        .iter()
        .filter(|one| one.refusal.is_none())
    {
        let Some(signed) = &judged.signed else {
            continue;
        };
        let path = place.attestation(judged.number);
        let wrong = match directory.read_text(&path, STATEMENTS_LIMIT) {
            Ok(lines) => said.add(&believed.keyring, place, &signed.certificate, &lines, now),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => vec![format!("it cannot be read: {error}")],
        };
        let noted = wrong.into_iter().map(|why| format!("{path}: {why}"));
        subject.notes.extend(noted);
    }
    said
}

fn verified(
    subject: &Subject<'_>,
    judgement: Judgement,
    policy: &Policy,
    reproduced: &Images,
    said: Reproduced,
) -> VerifiedPackage {
    let name = subject.name;
    let platform = subject.platform.map(str::to_owned);
    let digest = subject.place.as_ref().map(|place| place.digest().clone());
    let lacks = policy.diversity.missing(&said);
    let strays = subject.found.strays.iter().map(ToString::to_string);
    VerifiedPackage {
        verified: judgement.missing == 0 && subject.problems.is_empty() && lacks.is_empty(),
        reproduced: digest.as_ref().is_some_and(|digest| {
            reproduced.contains(&(name.to_owned(), platform.clone(), digest.clone()))
        }),
        problems: subject
            .problems
            .iter()
            .cloned()
            .chain(lacks)
            .chain(subject.notes.iter().cloned())
            .chain(strays)
            .collect(),
        cpu_vendors: said.cpu_vendors.into_iter().collect(),
        runtimes: said.runtimes.into_iter().collect(),
        people: judgement.people,
        missing: judgement.missing,
        signatures: judgement.signatures.iter().map(signature).collect(),
        name: name.to_owned(),
        platform,
        digest,
    }
}

fn signature(judged: &Judged) -> VerifiedSignature {
    let signed = judged.signed.as_ref();
    VerifiedSignature {
        number: judged.number,
        certificate: signed.map(|signed| signed.certificate.to_string()),
        key: signed.map(|signed| signed.key.to_string()),
        made: signed.map(|signed| rfc3339(signed.made)),
        person: judged.person.clone(),
        refusal: judged.refusal.as_ref().map(Refusal::kind),
        message: judged.refusal.as_ref().map(ToString::to_string),
    }
}
