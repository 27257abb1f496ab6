//! What several steps of a release need to know, each found out once, when the first of them asks for it.
//!
//! It knows where to ask. It does not know what follows from the answers.

use std::cell::OnceCell;

use documents::{Verify, rfc3339};
use git::CheckedOut;
use package_tree::{Plan, PlannedPackage, Tree};
use state::Digests;
use trust::{ReleaseNumber, Releases, SignedRelease};

use super::found::Words;
use crate::arguments;
use crate::clock::now;
use crate::command::trust::{Believed, believed, judged_by};
use crate::context::Context;
use crate::failure::Failure;
use crate::settings::Source;
use crate::wait;

/// What several steps need to know.
pub(super) struct Facts<'a> {
    pub(super) context: &'a Context,
    pub(super) arguments: &'a arguments::Release,
    checked_out: OnceCell<Option<CheckedOut>>,
    believed: OnceCell<(Believed, Option<Releases>)>,
    releases: OnceCell<Vec<SignedRelease>>,
    number: OnceCell<ReleaseNumber>,
    planned: OnceCell<(Tree, Plan, Digests)>,
    judged: OnceCell<Verify>,
    published: OnceCell<documents::Publish>,
}

/// Returns what is known already, or finds it out.
fn once<T>(cell: &OnceCell<T>, find: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let found = find()?;
    Ok(cell.get_or_init(|| found))
}

/// Waits for what git says, unless the user interrupts it.
pub(super) fn ask<T, E>(asking: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    wait::block_on(async {
        let mut interrupted = wait::watch();
        Ok(wait::unless(&mut interrupted, asking).await??)
    })
}

impl<'a> Facts<'a> {
    /// Nothing is known yet.
    pub(super) fn new(context: &'a Context, arguments: &'a arguments::Release) -> Self {
        Self {
            context,
            arguments,
            checked_out: OnceCell::new(),
            believed: OnceCell::new(),
            releases: OnceCell::new(),
            number: OnceCell::new(),
            planned: OnceCell::new(),
            judged: OnceCell::new(),
            published: OnceCell::new(),
        }
    }

    /// Returns what is checked out.
    pub(super) fn checked_out(&self) -> Result<Option<&CheckedOut>, Failure> {
        let root = &self.context.directory;
        let found = once(&self.checked_out, || ask(git::checked_out(root)))?;
        Ok(found.as_ref())
    }

    /// Returns the commit that is checked out, which the first step has seen.
    pub(super) fn head(&self) -> Result<&str, Failure> {
        let outside = || git::Error::Outside(self.context.directory.clone());
        let found = self.checked_out()?.ok_or_else(outside)?;
        Ok(&found.commit)
    }

    /// Returns who is believed, and apart from that which releases the policy takes: until the tag is signed, the tree is none.
    pub(super) fn believed(&self) -> Result<&(Believed, Option<Releases>), Failure> {
        once(&self.believed, || {
            let mut believed = believed(self.context, &self.arguments.whom)?;
            let wanted = believed.policy.releases.take();
            Ok((believed, wanted))
        })
    }

    /// Returns the releases that were signed, the lowest first.
    pub(super) fn releases(&self) -> Result<&[SignedRelease], Failure> {
        let (believed, _) = self.believed()?;
        let found = once(&self.releases, || {
            let root = &self.context.directory;
            let of_head = Some(self.head()?);
            let Believed { policy, keyring } = believed;
            // Who adds many tags to the repository cannot hide one of the commit.
            let all = ask(trust::signed_releases(root, None, policy, keyring, now()))?;
            let own = ask(trust::signed_releases(
                root,
                of_head,
                policy,
                keyring,
                now(),
            ))?;
            let mut releases: Vec<SignedRelease> = own.into_iter().chain(all).collect();
            releases.sort_by(|one, other| {
                (&one.number, &one.commit).cmp(&(&other.number, &other.commit))
            });
            releases.dedup();
            Ok(releases)
        })?;
        Ok(found)
    }

    /// Returns the number of the release: that which was named, that of a tag of what is checked out, or the next one.
    pub(super) fn number(&self) -> Result<&ReleaseNumber, Failure> {
        if let Some(number) = &self.arguments.number {
            return Ok(number);
        }
        let releases = self.releases()?;
        once(&self.number, || {
            let head = self.head()?;
            let mut of_head = releases.iter().filter(|release| release.commit == head);
            let newest = releases.last().map(|release| &release.number);
            let next = || next(newest, &rfc3339(now()));
            Ok(of_head
                .next_back()
                .map_or_else(next, |release| release.number.clone()))
        })
    }

    /// Returns the number, if it is known.
    pub(super) fn known_number(&self) -> Option<&ReleaseNumber> {
        self.arguments.number.as_ref().or_else(|| self.number.get())
    }

    /// Returns the release with the number that is a tag of what is checked out, if it is signed.
    pub(super) fn own(&self) -> Result<Option<&SignedRelease>, Failure> {
        let (number, head) = (self.number()?, self.head()?);
        let mut releases = self.releases()?.iter();
        Ok(releases.find(|release| release.number == *number && release.commit == head))
    }

    /// Returns the tree, all packages of it, and what is recorded of them.
    pub(super) fn planned(&self) -> Result<&(Tree, Plan, Digests), Failure> {
        once(&self.planned, || {
            let tree = crate::command::tree::open(self.context)?;
            let plan = crate::command::tree::plan(self.context, &tree, &[])?;
            Ok((tree, plan, Digests::read(&self.context.directory)?))
        })
    }

    /// Returns who has signed what is recorded.
    pub(super) fn judged(&self) -> Result<&Verify, Failure> {
        once(&self.judged, || {
            let (_, plan, recorded) = self.planned()?;
            let (believed, _) = self.believed()?;
            let packages: Vec<&PlannedPackage> = plan.packages.iter().collect();
            let whom = &self.arguments.whom;
            judged_by(self.context, believed, whom, false, (&packages, recorded))
        })
    }

    /// Returns what all registries have.
    pub(super) fn published(&self) -> Result<&documents::Publish, Failure> {
        once(&self.published, || {
            let (_, plan, recorded) = self.planned()?;
            let arguments = arguments::Publish {
                targets: Vec::new(),
                to: self.arguments.to.clone(),
                latest: true,
                dry_run: true,
                without_quorum: false,
                now: false,
                whom: self.arguments.whom.clone(),
            };
            let judged = self.judged()?;
            crate::command::publish::publish(
                self.context,
                &arguments,
                (plan, recorded),
                Some(judged),
            )
        })
    }

    /// Returns a command of this program in this tree.
    pub(super) fn stagex(&self, words: &[&str]) -> Words {
        let mut all = vec!["stagex".to_owned()];
        self.in_tree(&mut all);
        let settings = &self.context.settings;
        if let (Some(out), Source::Flag(_)) = (&settings.out.value, &settings.out.source) {
            all.extend(["--out".to_owned(), out.to_string()]);
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all
    }

    /// Returns a command of git in this tree.
    pub(super) fn git(&self, words: &[&str]) -> Words {
        let mut all = vec!["git".to_owned()];
        self.in_tree(&mut all);
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all
    }

    fn in_tree(&self, words: &mut Words) {
        let directory = &self.context.directory;
        if directory != "." {
            words.extend(["-C".to_owned(), directory.to_string()]);
        }
    }

    /// Returns the options that say who is believed, as they were given; with `signatures`, also where those lie and how many
    /// are needed.
    pub(super) fn whom(&self, signatures: bool) -> Words {
        let whom = &self.arguments.whom;
        let mut words = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        add("--policy", whom.policy.as_ref().map(ToString::to_string));
        add("--keyring", whom.keyring.as_ref().map(ToString::to_string));
        if signatures {
            add("--signatures", whom.signatures.clone());
            add(
                "--threshold",
                whom.threshold.map(|number| number.to_string()),
            );
        }
        for fingerprint in &whom.fingerprints {
            add("--fingerprint", Some(fingerprint.to_string()));
        }
        add(
            "--registry",
            whom.registry.as_ref().map(ToString::to_string),
        );
        words
    }
}

/// Returns the number of the next release of the month of `today`.
fn next(newest: Option<&ReleaseNumber>, today: &str) -> ReleaseNumber {
    let mut parts = today.split('-').map_while(|part| part.parse().ok());
    let (year, month) = (parts.next().unwrap_or(0), parts.next().unwrap_or(1));
    let last = match newest.and_then(ReleaseNumber::dated) {
        Some((of_year, of_month, last)) if (of_year, of_month) == (year, month) => last + 1,
        _ => 0,
    };
    ReleaseNumber::of_month(year, month, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_release_is_that_of_the_month() {
        let next = |newest: Option<&str>| {
            let newest = newest.map(|newest| newest.parse().unwrap());
            next(newest.as_ref(), "2026-03-13T10:00:00Z").to_string()
        };
        assert_eq!(next(None), "2026.03.0");
        assert_eq!(next(Some("2026.02.7")), "2026.03.0");
        assert_eq!(next(Some("2026.03.9")), "2026.03.10");
        assert_eq!(next(Some("2027.03.0")), "2026.03.0");
    }
}
