//! What came of a reproduction: of each image what each runtime made of it, whether they agree with what is recorded
//! and with one another, and what may be said of the tree.

use std::collections::BTreeSet;

use documents::{Attempt, AttemptVerdict, DependencyOrigin, ErrorKind};
use oci_image::Digest;
use package_tree::Plan;

/// What came of a reproduction.
#[derive(Debug, Clone)]
pub struct Report {
    /// The images, in the order of the plan.
    pub images: Vec<Image>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// An image, and what came of it.
#[derive(Debug, Clone)]
pub struct Image {
    /// The package's full name.
    pub package: String,
    /// The platform, if it is not the package's first.
    pub platform: Option<String>,
    /// The recorded digest, if one is.
    pub recorded: Option<Digest>,
    /// What each runtime made of it, in the order in which they were asked for.
    pub runtimes: Vec<OfRuntime>,
    /// How many runtimes have to make one image of it, if not all of them.
    pub agree: Option<usize>,
}

/// What a runtime made of an image.
#[derive(Debug, Clone)]
pub struct OfRuntime {
    /// The runtime's label.
    pub runtime: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an image with one runtime.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was tried: now, or before from the same inputs.
    Tried {
        /// The attempt.
        attempt: Box<Attempt>,
        /// Whether it was made in this run.
        now: bool,
    },
    /// It was not tried: something that it needs failed, or the work was stopped before.
    Skipped,
}

impl Outcome {
    /// Returns the attempt, if there was one.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Tried { attempt, .. } => Some(attempt),
            Self::Skipped => None,
        }
    }
}

impl Image {
    /// Returns the digests that runtimes made, each once.
    pub fn digests(&self) -> BTreeSet<&documents::Digest> {
        let attempts = self.runtimes.iter();
        let attempts = attempts.filter_map(|of| of.outcome.attempt());
        attempts
            .filter_map(|attempt| attempt.digest.as_ref())
            .collect()
    }

    /// Returns the digest that as many runtimes made as have to, if not all of them have to: the recorded one, if one is
    /// recorded.
    pub fn agreed(&self) -> Option<&documents::Digest> {
        let enough = self.agree?;
        let recorded = self.recorded.map(documents::Digest::from);
        let made = || {
            let attempts = self.runtimes.iter();
            let attempts = attempts.filter_map(|of| of.outcome.attempt());
            attempts.filter_map(|attempt| attempt.digest.as_ref())
        };
        let has_enough = |digest: &&documents::Digest| {
            made().filter(|other| other == digest).count() >= enough
                && recorded.as_ref().is_none_or(|recorded| recorded == *digest)
        };
        let mut agreed = self.digests().into_iter().filter(has_enough);
        // Two that many agree on are none.
        agreed.next().filter(|_| agreed.next().is_none())
    }

    /// Tells whether runtimes made different images of it.
    pub fn disagree(&self) -> bool {
        self.digests().len() > 1
    }

    /// Tells whether every runtime made the recorded image of it, or as many as have to.
    pub fn is_reproduced(&self) -> bool {
        if self.agree.is_some() {
            return self.recorded.is_some() && self.agreed().is_some();
        }
        self.has_only(|verdict| verdict == AttemptVerdict::Reproduced)
    }

    /// Tells whether something that was made is not what it should be.
    pub fn differs(&self) -> bool {
        if self.agreed().is_some() {
            return false;
        }
        let differs =
            |verdict| matches!(verdict, AttemptVerdict::Differs | AttemptVerdict::Unstable);
        self.disagree() || self.verdicts().any(differs) || self.seeds_differ()
    }

    /// Tells whether the seeds of the package gave a runtime different images.
    fn seeds_differ(&self) -> bool {
        let attempts = self.runtimes.iter();
        let mut attempts = attempts.filter_map(|of| of.outcome.attempt());
        attempts.any(|attempt| {
            let failure = attempt.failure.as_ref();
            failure.is_some_and(|failure| failure.kind == ErrorKind::Differs)
        })
    }

    /// Tells whether it was compared with something: what is recorded, another runtime, or another round.
    pub fn is_compared(&self) -> bool {
        let tried = || self.runtimes.iter().filter_map(|of| of.outcome.attempt());
        let built = tried().filter(|attempt| attempt.digest.is_some()).count();
        let rounds = tried().any(|attempt| attempt.rounds.len() > 1);
        built > 1 || rounds || (built > 0 && self.recorded.is_some()) || self.differs()
    }

    fn has_only(&self, is: impl Fn(AttemptVerdict) -> bool) -> bool {
        let all = self.runtimes.iter();
        let verdicts = all.map(|of| of.outcome.attempt().map(|attempt| attempt.verdict));
        let mut verdicts = verdicts.peekable();
        verdicts.peek().is_some() && verdicts.all(|verdict| verdict.is_some_and(&is))
    }

    fn verdicts(&self) -> impl Iterator<Item = AttemptVerdict> {
        let attempts = self.runtimes.iter();
        let attempts = attempts.filter_map(|of| of.outcome.attempt());
        attempts.map(|attempt| attempt.verdict)
    }
}

impl Report {
    /// Tells whether the same command goes on where this one ended: it was interrupted, or what kept a package from
    /// being built is no fault of any package, such as a full disk or an engine that was killed.
    pub fn goes_on(&self) -> bool {
        let attempts = self.images.iter().flat_map(|image| &image.runtimes);
        let mut failures =
            attempts.filter_map(|of| of.outcome.attempt()?.failure.as_ref().map(|why| why.kind));
        let is_of_machine = |kind| matches!(kind, ErrorKind::Environment | ErrorKind::Transient);
        self.interrupted || failures.any(is_of_machine)
    }

    /// Returns of which kind the failure is that it ends with; nothing where everything that was compared is equal.
    ///
    /// A difference is said before a package that could not be built.
    pub fn failure(&self) -> Option<ErrorKind> {
        if self.interrupted {
            return Some(ErrorKind::Interrupted);
        }
        if self.images.iter().any(Image::differs) {
            return Some(ErrorKind::Differs);
        }
        let images = self.images.iter();
        let attempts = images.filter(|image| image.agreed().is_none());
        let outcomes = attempts
            .flat_map(|image| &image.runtimes)
            .map(|of| &of.outcome);
        let failures = outcomes
            .clone()
            .filter_map(|outcome| outcome.attempt()?.failure.as_ref());
        let kinds: Vec<ErrorKind> = failures.map(|failure| failure.kind).collect();
        if let Some(first) = kinds.first() {
            let of_package =
                |kind: &ErrorKind| !matches!(kind, ErrorKind::Environment | ErrorKind::Transient);
            return Some(
                kinds
                    .iter()
                    .copied()
                    .find(of_package)
                    .map_or(*first, |_| ErrorKind::Package),
            );
        }
        if outcomes
            .clone()
            .any(|outcome| matches!(outcome, Outcome::Skipped))
        {
            return Some(ErrorKind::Package);
        }
        // Where nobody differs and nobody failed, too few may have made it all the same: they made nothing alike.
        let is_open = |image: &Image| image.agree.is_some() && image.agreed().is_none();
        if self.images.iter().any(is_open) {
            return Some(ErrorKind::Differs);
        }
        let compared = self.images.iter().any(Image::is_compared);
        (!compared).then_some(ErrorKind::NotCompared)
    }
}

/// Returns the packages of a plan that were taken as they are recorded: those that nobody built again, with the tree as
/// it is now, of this user's own attempts or those of `report`.
pub fn assumed(
    plan: &Plan,
    report: &Report,
    attempts: &[Attempt],
    commit: Option<&str>,
) -> Vec<String> {
    let now = report.images.iter().filter(|image| image.is_reproduced());
    let mut reproduced: BTreeSet<&str> = now.map(|image| image.package.as_str()).collect();
    let before = attempts.iter().filter(|attempt| {
        attempt.machine.whose.is_none()
            && attempt.verdict == AttemptVerdict::Reproduced
            && attempt.dependencies == DependencyOrigin::Recorded
            && !attempt.tree.dirty
            && commit.is_some()
            && attempt.tree.commit.as_deref() == commit
    });
    reproduced.extend(before.map(|attempt| attempt.package.as_str()));
    let packages = plan.packages.iter();
    packages
        .filter(|package| !reproduced.contains(package.name.as_str()))
        .map(|package| package.name.clone())
        .collect()
}
