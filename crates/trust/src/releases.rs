//! The release that a tree is: a tag that a person of the policy has signed, of the commit that is checked out, with the
//! digests that it has. It must be no older than the policy allows, by its number and by its date.
//!
//! It knows tags and files of digests as text. It does not know what stands in those.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use camino::Utf8Path;

use crate::keyring::Keyring;
use crate::policy::Policy;
use crate::release_number::{ReleaseNumber, Releases};
use crate::repository::{Repository, entries, entry, signed_tags, tree_of};

/// How many seconds a day has.
const DAY: i64 = 86_400;

/// Where a tree has its digests.
const DIGESTS: &str = "digests";

/// A release that somebody has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What it is called.
    pub name: String,
    /// Who has signed it.
    pub person: String,
    /// When they say that they did, in seconds since 1970.
    pub made: i64,
    /// The text of each `digests/<stage>.txt`, by stage.
    pub digests: BTreeMap<String, String>,
}

/// A tag that is called as a release of StageX's is, and that somebody of the policy has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    /// Its number, as the signed tag has it.
    pub number: ReleaseNumber,
    /// Who has signed it.
    pub person: String,
    /// The commit.
    pub commit: String,
}

/// Returns the releases that people of a policy have signed with keys that are good now, the lowest first: those of the
/// commit `of`, or of any. What git calls a tag is not looked at.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn signed_releases(
    root: &Utf8Path,
    of: Option<&str>,
    policy: &Policy,
    keyring: &Keyring,
    now: i64,
) -> Result<Vec<SignedRelease>, git::Error> {
    let tags = signed_tags(root, of, policy, keyring, now).await?;
    let releases = tags.into_iter().filter_map(|tag| {
        let number: ReleaseNumber = tag.name.parse().ok()?;
        number.dated()?;
        Some(SignedRelease {
            number,
            person: tag.person,
            commit: tag.commit,
        })
    });
    let mut releases: Vec<_> = releases.collect();
    releases.sort_by(|one, other| one.number.cmp(&other.number));
    Ok(releases)
}

/// Why what is checked out is no release that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRelease {
    /// Nobody of the policy has signed a tag of the commit.
    #[error(
        "nobody of the policy has signed a tag of the commit that is checked out (with OpenPGP, and a key that is good now)"
    )]
    NotSigned,
    /// The policy asks for a number, and the tag has none.
    #[error(
        "the tag {0} is not called by the number of a release, and the policy has a lowest one"
    )]
    NoNumber(String),
    /// It is before the lowest.
    #[error("the release {name} is before {lowest}, the lowest of the policy")]
    TooLow {
        /// The release.
        name: String,
        /// The lowest.
        lowest: ReleaseNumber,
    },
    /// It is too old.
    #[error(
        "the release {name} was signed {days} days ago, and {longest} are the most of the policy"
    )]
    TooOld {
        /// The release.
        name: String,
        /// How old it is.
        days: i64,
        /// How old it may be.
        longest: NonZero<u32>,
    },
    /// Its digests are not there, or are no text.
    #[error("the release {0} has no digests/ that can be read")]
    NoDigests(String),
}

/// Returns why a release does not count, if it does not.
fn fault(wanted: &Releases, name: &str, made: i64, now: i64) -> Option<NoRelease> {
    if let Some(lowest) = &wanted.lowest {
        match name.parse::<ReleaseNumber>() {
            Err(_) => return Some(NoRelease::NoNumber(printable::line(name).into_owned())),
            Ok(number) if number < *lowest => {
                return Some(NoRelease::TooLow {
                    name: name.to_owned(),
                    lowest: lowest.clone(),
                });
            }
            Ok(_) => {}
        }
    }
    let longest = wanted.longest_age?;
    let age = now.saturating_sub(made);
    (age > i64::from(longest.get()) * DAY).then(|| NoRelease::TooOld {
        name: printable::line(name).into_owned(),
        days: age / DAY,
        longest,
    })
}

/// Returns the release that the commit `commit` of the tree `root` is, by a policy that wants one; of several, the one
/// that was signed last.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn release(
    root: &Utf8Path,
    (policy, wanted): (&Policy, &Releases),
    keyring: &Keyring,
    commit: &str,
    now: i64,
) -> Result<Result<Release, NoRelease>, git::Error> {
    let mut why = None;
    let tags = signed_tags(root, Some(commit), policy, keyring, now).await?;
    for tag in tags.into_iter().rev().filter(|tag| tag.commit == commit) {
        if let Some(fault) = fault(wanted, &tag.name, tag.made, now) {
            why.get_or_insert(fault);
            continue;
        }
        let Some(digests) = digests_of(root, commit).await? else {
            return Ok(Err(NoRelease::NoDigests(
                printable::line(&tag.name).into_owned(),
            )));
        };
        return Ok(Ok(Release {
            name: tag.name,
            person: tag.person,
            made: tag.made,
            digests,
        }));
    }
    Ok(Err(why.unwrap_or(NoRelease::NotSigned)))
}

/// Reads the text of each `digests/<stage>.txt` of a commit, by stage; nothing if one cannot be read.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn digests_of(
    root: &Utf8Path,
    commit: &str,
) -> Result<Option<BTreeMap<String, String>>, git::Error> {
    let mut repository = Repository::new(root);
    let commits = repository
        .read("commit", [commit.to_owned()].into())
        .await?;
    let mut at = commits.get(commit).and_then(|bytes| tree_of(bytes));
    for name in repository.prefix().await?.join(DIGESTS).components() {
        let Some(tree) = at else { return Ok(None) };
        let trees = repository.read("tree", [tree.clone()].into()).await?;
        at = trees
            .get(&tree)
            .and_then(|bytes| entry(bytes, name.as_str(), tree.len()));
    }
    let Some(tree) = at else { return Ok(None) };
    let trees = repository.read("tree", [tree.clone()].into()).await?;
    let listed = trees
        .get(&tree)
        .and_then(|bytes| entries(bytes, tree.len()));
    let Some(listed) = listed else {
        return Ok(None);
    };
    let mut files = BTreeMap::new();
    for entry in listed {
        let is_file = entry.is_file();
        let name = String::from_utf8(entry.name);
        let stage = name
            .ok()
            .and_then(|name| Some(name.strip_suffix(".txt")?.to_owned()));
        if let Some(stage) = stage.filter(|_| is_file) {
            files.insert(stage, entry.object);
        }
    }
    let names: BTreeSet<String> = files.values().cloned().collect();
    let blobs = repository.read("blob", names).await?;
    let text = |(stage, object): (String, String)| {
        Some((stage, String::from_utf8(blobs.get(&object)?.clone()).ok()?))
    };
    Ok(files.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn number(text: &str) -> ReleaseNumber {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::none_of_both(None, None, "x", 0, None)]
    #[case::the_lowest_itself(Some("2026.03.0"), None, "2026.03.0", 0, None)]
    #[case::before_it(Some("2026.03.0"), None, "2025.12.1", 0, Some("is before 2026.03.0"))]
    #[case::no_number(
        Some("2026.03.0"),
        None,
        "newest",
        0,
        Some("is not called by the number")
    )]
    #[case::as_old_as_it_may_be(None, Some(30), "2026.03.0", 30 * DAY, None)]
    #[case::older(None, Some(30), "2026.03.0", 30 * DAY + 1, Some("signed 30 days ago"))]
    fn a_release_may_be_too_low_and_too_old(
        #[case] lowest: Option<&str>,
        #[case] longest: Option<u32>,
        #[case] name: &str,
        #[case] age: i64,
        #[case] expected: Option<&str>,
    ) {
        let wanted = Releases {
            lowest: lowest.map(number),
            longest_age: longest.and_then(NonZero::new),
        };
        let fault = fault(&wanted, name, 1_000_000, 1_000_000 + age);
        let fault = fault.map(|fault| fault.to_string());
        match expected {
            None => assert_eq!(fault, None),
            Some(expected) => assert!(fault.as_ref().unwrap().contains(expected), "{fault:?}"),
        }
    }
}
