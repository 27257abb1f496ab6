//! What a user may sign: the recorded image of a package that their own machine has reproduced, from the inputs that
//! the tree has now.
//!
//! It knows records and attempts, and neither keys nor files.

use std::collections::BTreeSet;
use std::fmt;

use documents::{Attempt, AttemptVerdict, Digest};
use package_tree::PlannedPackage;
use state::Digests;
use trust::{InvalidName, Payload, Place, Registry};

/// Whether a package's recorded images are on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// They are.
    There,
    /// None is.
    Missing,
    /// Others are, in `out/`.
    Differs,
}

/// What is known of packages.
pub struct Facts<'a> {
    /// Where images are published.
    pub registry: &'a Registry,
    /// What is recorded.
    pub recorded: &'a Digests,
    /// All attempts, in the order in which they were made.
    pub attempts: &'a [Attempt],
    /// The name of the encoding of images.
    pub profile: &'a str,
    /// How many different runtimes have to have reproduced a package.
    pub runtimes: usize,
    /// Why packages are signed that were not reproduced, if they are to be.
    pub forced: Option<&'a str>,
    /// Tells whether an attempt was made from what the tree has now.
    pub is_current: &'a dyn Fn(&PlannedPackage, &Attempt) -> bool,
    /// Tells whether the file with a package's recorded digest is one that git tracks.
    pub is_tracked: &'a dyn Fn(&PlannedPackage) -> bool,
    /// Tells whether the recorded images of a package are there.
    pub image: &'a dyn Fn(&PlannedPackage) -> Image,
}

/// What may be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The package's full name.
    pub package: String,
    /// The platform, if it is not the package's first.
    pub platform: Option<String>,
    /// What is signed.
    pub payload: Payload,
    /// Where signatures of it lie.
    pub place: Place,
    /// The attempts that reproduced it, the last of each runtime.
    pub reproduced: Vec<Attempt>,
    /// Why it is signed though something speaks against that.
    pub forced: Option<Forced>,
}

/// Why something is signed though something speaks against that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// What somebody says.
    pub reason: String,
    /// What speaks against it.
    pub against: String,
}

/// What may not be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The package's full name.
    pub package: String,
    /// The platform, if it is not the package's first.
    pub platform: Option<String>,
    /// Why not.
    pub why: Refusal,
}

/// Why something may not be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No digest of it is recorded.
    NotRecorded,
    /// The file with its digest is in no commit.
    NotTracked,
    /// This machine never tried to reproduce it.
    NeverTried,
    /// The last attempt did not come out as recorded.
    NotReproduced {
        /// What came of it.
        verdict: AttemptVerdict,
        /// The runtime.
        runtime: String,
    },
    /// It was reproduced as another digest, which was recorded then.
    OtherRecord,
    /// It was reproduced in a tree with changes that are not committed.
    Dirty,
    /// It was reproduced from other inputs.
    OtherInputs,
    /// Too few different runtimes reproduced it.
    TooFewRuntimes {
        /// Those that did.
        found: Vec<String>,
        /// How many have to.
        needed: usize,
    },
    /// What was signed is not what is recorded.
    NotTheRecord,
    /// Its image is not on this machine.
    NoImage,
    /// Another image of it is in `out/`.
    OtherImage,
    /// It has no name that can be signed.
    Name(InvalidName),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRecorded => f.write_str("no digest of it is recorded"),
            Self::NotTracked => f.write_str("git does not track the file with its digest"),
            Self::NeverTried => f.write_str("this machine has not reproduced it"),
            Self::NotReproduced { verdict, runtime } => {
                let word = verdict.word();
                write!(
                    f,
                    "the last attempt to reproduce it, with {runtime}: {word}"
                )
            }
            Self::OtherRecord => {
                f.write_str("what this machine has reproduced is not what is recorded now")
            }
            Self::Dirty => {
                f.write_str("it was reproduced in a tree with changes that are not committed")
            }
            Self::OtherInputs => f.write_str("it has changed since this machine reproduced it"),
            Self::TooFewRuntimes { found, needed } => {
                let found = found.join(", ");
                write!(
                    f,
                    "it has to be reproduced by {needed} runtimes, and was by: {found}"
                )
            }
            Self::NotTheRecord => {
                f.write_str("what was signed elsewhere is not what is recorded now")
            }
            Self::NoImage => f.write_str("its recorded image is not on this machine"),
            Self::OtherImage => f.write_str("the image in out/ is not the recorded one"),
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl Refusal {
    /// Returns what can be done about it, for the package `name`.
    pub fn hint(&self, name: &str) -> Option<String> {
        let hint = match self {
            Self::NotRecorded => "`stagex digests` records what is in out/".to_owned(),
            Self::NotTracked => {
                "commit digests/*.txt: what is signed is what others find in the commit".to_owned()
            }
            Self::NotReproduced { .. } => format!("`stagex ledger {name}` says more"),
            Self::NeverTried | Self::OtherRecord | Self::OtherInputs | Self::NoImage => {
                format!("stagex reproduce {name}")
            }
            Self::Dirty => {
                format!("commit or undo the changes, then: stagex reproduce --clean {name}")
            }
            Self::TooFewRuntimes { .. } => {
                format!("stagex reproduce --runtimes podman,native {name}")
            }
            Self::NotTheRecord => "check out what was signed, or export it again".to_owned(),
            Self::OtherImage => format!("stagex make {name}, and compare: stagex digests --check"),
            Self::Name(_) => return None,
        };
        Some(hint)
    }

    /// Tells whether a reason can be given to sign it nevertheless: nothing speaks for its image, and nothing that was
    /// made from what the tree has now speaks against it.
    fn can_be_forced(&self) -> bool {
        match self {
            Self::NeverTried
            | Self::NotTracked
            | Self::OtherRecord
            | Self::Dirty
            | Self::OtherInputs => true,
            Self::NotReproduced { verdict, .. } => *verdict == AttemptVerdict::Failed,
            Self::NotRecorded
            | Self::TooFewRuntimes { .. }
            | Self::NotTheRecord
            | Self::NoImage
            | Self::OtherImage
            | Self::Name(_) => false,
        }
    }
}

/// Returns what is signed of a payload that was signed elsewhere: by whom it was reproduced here, this machine's own
/// attempts say, and nothing that was carried back.
///
/// # Errors
///
/// It is not what is recorded.
pub fn signed_elsewhere(
    recorded: &Digests,
    attempts: &[Attempt],
    payload: Payload,
    platform: Option<String>,
    forced: Option<String>,
) -> Result<Subject, Refused> {
    let package = payload.package().to_owned();
    let stage = package.split_once('-').map_or("", |(stage, _)| stage);
    let digest = recorded.of(stage, &package, platform.as_deref());
    if digest.map(Digest::from).as_ref() != Some(payload.digest()) {
        let why = Refusal::NotTheRecord;
        return Err(Refused {
            package,
            platform,
            why,
        });
    }
    let mut runtimes = BTreeSet::new();
    let own = attempts.iter().rev().filter(|attempt| {
        attempt.machine.whose.is_none()
            && attempt.verdict == AttemptVerdict::Reproduced
            && attempt.package == package
            && attempt.platform == platform
            && attempt.digest.as_ref() == Some(payload.digest())
            && runtimes.insert(&attempt.runtime.name)
    });
    let reproduced: Vec<Attempt> = own.cloned().collect();
    let forced = reproduced.is_empty().then(|| Forced {
        reason: forced.unwrap_or_else(|| "it was signed on another machine".to_owned()),
        against: Refusal::NeverTried.to_string(),
    });
    Ok(Subject {
        place: Place::of(&payload),
        package,
        platform,
        payload,
        reproduced,
        forced,
    })
}

/// Returns for each platform of a package what may be signed of it, or why it may not.
pub fn subjects(facts: &Facts<'_>, package: &PlannedPackage) -> Vec<Result<Subject, Refused>> {
    let platforms = package.platforms.iter().enumerate();
    let of = |(place, platform): (usize, &String)| {
        let platform = Some(platform.clone()).filter(|_| place > 0);
        subject(facts, package, platform.as_deref()).map_err(|why| Refused {
            package: package.name.clone(),
            platform,
            why,
        })
    };
    platforms.map(of).collect()
}

fn subject(
    facts: &Facts<'_>,
    package: &PlannedPackage,
    platform: Option<&str>,
) -> Result<Subject, Refusal> {
    let recorded = facts.recorded.of(&package.stage, &package.name, platform);
    let digest: Digest = recorded.ok_or(Refusal::NotRecorded)?.into();
    let payload = Payload::new(facts.registry, &package.name, package.tag(), digest.clone());
    let payload = payload.map_err(Refusal::Name)?;
    let found = if (facts.is_tracked)(package) {
        reproduced(facts, package, platform, &digest)
    } else {
        Err(Refusal::NotTracked)
    };
    let (reproduced, forced) = match found {
        Ok(attempts) => (attempts, None),
        Err(why) => match facts.forced {
            Some(reason) if why.can_be_forced() => {
                let (reason, against) = (reason.to_owned(), why.to_string());
                (Vec::new(), Some(Forced { reason, against }))
            }
            _ => return Err(why),
        },
    };
    match (facts.image)(package) {
        Image::There => {}
        Image::Missing => return Err(Refusal::NoImage),
        Image::Differs => return Err(Refusal::OtherImage),
    }
    Ok(Subject {
        package: package.name.clone(),
        platform: platform.map(str::to_owned),
        place: Place::of(&payload),
        payload,
        reproduced,
        forced,
    })
}

/// Returns the attempts that reproduced an image, the last of each runtime, if the last of all is one.
fn reproduced(
    facts: &Facts<'_>,
    package: &PlannedPackage,
    platform: Option<&str>,
    digest: &Digest,
) -> Result<Vec<Attempt>, Refusal> {
    let own = facts.attempts.iter().rev().filter(|attempt| {
        attempt.machine.whose.is_none()
            && attempt.profile == facts.profile
            && attempt.package == package.name
            && attempt.platform.as_deref() == platform
    });
    let mut found: Vec<Attempt> = Vec::new();
    let mut last_of: BTreeSet<&str> = BTreeSet::new();
    let mut why = Refusal::NeverTried;
    for attempt in own {
        // That it could not be built says nothing of an image.
        if attempt.verdict == AttemptVerdict::Failed {
            if why == Refusal::NeverTried {
                why = of_verdict(attempt);
            }
            continue;
        }
        // What a runtime made before its last attempt does not count.
        if !last_of.insert(&attempt.runtime.name) {
            continue;
        }
        match fault(facts, package, attempt, digest) {
            None => found.push(attempt.clone()),
            // Another image came out of what the tree has now.
            Some(fault @ Refusal::NotReproduced { .. }) if (facts.is_current)(package, attempt) => {
                return Err(fault);
            }
            Some(fault) if why == Refusal::NeverTried => why = fault,
            Some(_) => {}
        }
    }
    if found.is_empty() {
        return Err(why);
    }
    let engine = |attempt: &Attempt| {
        let name = attempt.runtime.name.as_str();
        name.split_once('@')
            .map_or(name, |(engine, _)| engine)
            .to_owned()
    };
    let engines: BTreeSet<String> = found.iter().map(engine).collect();
    if engines.len() < facts.runtimes {
        return Err(Refusal::TooFewRuntimes {
            found: engines.into_iter().collect(),
            needed: facts.runtimes,
        });
    }
    Ok(found)
}

/// Returns what keeps an attempt from speaking for a digest.
fn fault(
    facts: &Facts<'_>,
    package: &PlannedPackage,
    attempt: &Attempt,
    digest: &Digest,
) -> Option<Refusal> {
    if attempt.verdict != AttemptVerdict::Reproduced {
        return Some(of_verdict(attempt));
    }
    if attempt.digest.as_ref() != Some(digest) || attempt.recorded.as_ref() != Some(digest) {
        return Some(Refusal::OtherRecord);
    }
    if attempt.tree.dirty || attempt.tree.commit.is_none() {
        return Some(Refusal::Dirty);
    }
    (!(facts.is_current)(package, attempt)).then_some(Refusal::OtherInputs)
}

fn of_verdict(attempt: &Attempt) -> Refusal {
    Refusal::NotReproduced {
        verdict: attempt.verdict,
        runtime: attempt.runtime.name.clone(),
    }
}
