//! Evidence of age: a signature is in the tree of a tag that somebody else signed, before its key was retired or
//! expired.
//!
//! It does not know what follows for a quorum.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::keyring::Keyring;
use crate::policy::Policy;
use crate::repository::{Repository, entry, name_of, signed_tags, tree_of};

/// A signature whose age is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubted {
    /// Where it lies, beneath the directory that has all signatures.
    pub path: Utf8PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whose it is: what they say themselves is no evidence.
    pub person: String,
}

/// Returns for each signature the earliest time at which somebody else has signed a tag that has it, if anybody has.
/// `directory` is the one that has all signatures.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn evidence(
    directory: &Utf8Path,
    policy: &Policy,
    keyring: &Keyring,
    doubted: &[Doubted],
    now: i64,
) -> Result<Vec<Option<i64>>, git::Error> {
    let mut seen = vec![None; doubted.len()];
    let tags = signed_tags(directory, None, policy, keyring, now).await?;
    let mut repository = Repository::new(directory);
    for tag in &tags {
        // A level of the tree at a time, of all signatures together.
        let commit = repository
            .read("commit", [tag.commit.clone()].into())
            .await?;
        let tree = commit.values().next().and_then(|bytes| tree_of(bytes));
        let Some(tree) = tree else { continue };
        let open = |(number, one): (usize, &Doubted)| {
            (seen[number].is_none() && one.person != tag.person).then_some(number)
        };
        let mut at: BTreeMap<usize, String> = doubted
            .iter()
            .enumerate()
            .filter_map(open)
            .map(|number| (number, tree.clone()))
            .collect();
        let prefix = repository.prefix().await?;
        let depth = |number: usize| prefix.join(&doubted[number].path);
        for level in 0.. {
            at.retain(|number, _| depth(*number).components().nth(level).is_some());
            if at.is_empty() {
                break;
            }
            let trees = repository
                .read("tree", at.values().cloned().collect())
                .await?;
            let mut next = BTreeMap::new();
            for (number, tree) in &at {
                let path = depth(*number);
                let mut names = path.components().skip(level);
                let (Some(name), rest) = (names.next(), names.next()) else {
                    continue;
                };
                let found = trees
                    .get(tree)
                    .and_then(|bytes| entry(bytes, name.as_str(), tree.len()));
                let Some(found) = found else { continue };
                if rest.is_some() {
                    next.insert(*number, found);
                } else if name_of("blob", &doubted[*number].bytes, found.len()) == Some(found) {
                    seen[*number] = Some(tag.made);
                }
            }
            at = next;
        }
    }
    Ok(seen)
}
