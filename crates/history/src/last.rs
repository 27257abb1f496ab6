//! Which release comes before a commit.
//!
//! A release is often a merge that nobody merges back: then what it has merged comes before the commit, and was released
//! with it. It does not know which commits are releases.

use std::collections::BTreeSet;

use camino::Utf8Path;
use trust::Repository;

use crate::commit::Commit;
use crate::error::Error;
use crate::graph::Graph;

/// Returns which of the commits `releases` leads to `head`, the first one that does, with the commit to begin a range
/// with: that one, or a parent of it that leads to `head` where it does not itself. `head` itself does not count.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn last(
    root: &Utf8Path,
    head: &str,
    releases: &[&str],
) -> Result<Option<(usize, String)>, Error> {
    let tips: BTreeSet<String> = releases
        .iter()
        .chain([&head])
        .map(|name| (*name).to_owned())
        .collect();
    let graph = Graph::read(root, &tips).await?;
    let Some(tip) = graph.place(head) else {
        return Err(Error::NoCommit(head.to_owned()));
    };
    let mut before = BTreeSet::new();
    graph.follow(tip, &mut before);
    before.remove(&tip);
    let of = |release: &&str| {
        let place = graph.place(release)?;
        if before.contains(&place) {
            return Some((*release).to_owned());
        }
        let parents = graph.nodes[place].parents.iter().flatten();
        // Each stands behind what leads to it.
        let parent = parents.filter(|parent| before.contains(parent)).max()?;
        (place != tip).then(|| graph.nodes[*parent].name.clone())
    };
    let mut releases = releases.iter().enumerate();
    Ok(releases.find_map(|(number, release)| Some((number, of(release)?))))
}

/// Returns the parents of a commit, by its bytes; none of one that is not there.
///
/// # Errors
///
/// Whatever keeps git from answering.
pub async fn parents(root: &Utf8Path, commit: &str) -> Result<Vec<String>, Error> {
    let mut repository = Repository::new(root);
    let mut read = repository
        .read("commit", [commit.to_owned()].into())
        .await?;
    let bytes = read.remove(commit);
    let commit = bytes.and_then(|bytes| Commit::read(bytes, commit.len()));
    Ok(commit.map(|commit| commit.parents).unwrap_or_default())
}
