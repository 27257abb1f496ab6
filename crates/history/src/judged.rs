//! Who has signed each commit of a range that touches packages, and who has merged it.
//!
//! A commit is merged by the first commit on the line of first parents that leads to it, if that is another one.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use rayon::prelude::*;
use trust::{Keyring, Policy, Repository, Signer, signer};

use crate::changes::Trees;
use crate::commit::Commit;
use crate::error::Error;
use crate::graph::Graph;
use crate::range::Range;

/// How many tags may lead from one to the other to a commit.
const TAGS: usize = 8;

/// What came of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The commit that is not in it any more, and what leads to that.
    pub from: Option<String>,
    /// Its last commit.
    pub to: String,
    /// How many commits there are in it.
    pub commits: usize,
    /// Those that touch packages, the last first.
    pub changes: Vec<Change>,
    /// Commits and trees that are needed and are not there, or are not what their names say.
    pub missing: BTreeSet<String>,
}

/// A commit that touches packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// Whether it is a merge, which touches packages itself.
    pub is_merge: bool,
    /// Who has signed it.
    pub signer: Signer,
    /// The merge that brought it in, if one did.
    pub merged: Option<Merged>,
    /// What speaks against it; nothing if one person has signed it, and another one has merged it.
    pub problem: Option<String>,
}

/// The merge that brought in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its name.
    pub commit: String,
    /// Who has signed it.
    pub signer: Signer,
}

/// Judges the commits of a range, at the moment `now` in seconds since 1970. `root` is the directory of the tree, which
/// may be one in a repository.
///
/// # Errors
///
/// There is no such range, and whatever keeps git from answering.
pub async fn judge(
    root: &Utf8Path,
    range: &Range,
    (policy, keyring): (&Policy, &Keyring),
    now: i64,
) -> Result<History, Error> {
    let to = commit(root, &range.to).await?;
    let from = match &range.from {
        Some(from) => Some(commit(root, from).await?),
        None => None,
    };
    let tips = from.iter().chain([&to]).cloned().collect();
    let graph = Graph::read(root, &tips).await?;
    let place = |name: &String, said: &str| {
        let place = graph.place(name);
        place.ok_or_else(|| Error::NoCommit(said.to_owned()))
    };
    let tip = place(&to, &range.to)?;
    let mut older = BTreeSet::new();
    if let (Some(from), Some(said)) = (&from, &range.from) {
        graph.follow(place(from, said)?, &mut older);
    }
    let within: BTreeSet<usize> = graph.follow(tip, &mut older).into_iter().collect();
    if within.is_empty() {
        let from = range.from.as_deref().unwrap_or_default();
        return Err(Error::Empty(format!("{from}..{}", range.to)));
    }
    let line = graph.line(tip, &within);
    if let Some(said) = &range.from
        && is_beside(&graph, &line, from.as_deref())
    {
        return Err(Error::BesideLine {
            from: said.clone(),
            to: range.to.clone(),
        });
    }
    let mut trees = Trees::new(root).await?;
    if !trees.has_packages(&graph.nodes[tip].commit.tree).await? {
        return Err(Error::NoPackages(to));
    }
    let touched = trees.touched(&graph, &within).await?;
    let mut missing = trees.missing();
    for place in &within {
        let node = &graph.nodes[*place];
        let parents = node.parents.iter().zip(&node.commit.parents);
        let absent = parents.filter(|(place, _)| place.is_none());
        missing.extend(absent.map(|(_, name)| name.clone()));
    }
    let merges = merges(&graph, &line, &within);
    let signers = signers(&graph, &touched, &merges, |commit| {
        let parts = commit.parts();
        match parts {
            Ok(parts) => signer(policy, keyring, &parts.signed, &parts.signature, now),
            Err(refusal) => refusal.into(),
        }
    });
    let changes = touched.iter().rev().map(|place| {
        let node = &graph.nodes[*place];
        let merged = merges.get(place).map(|merge| Merged {
            commit: graph.nodes[*merge].name.clone(),
            signer: signers[merge].clone(),
        });
        let signer = signers[place].clone();
        Change {
            commit: node.name.clone(),
            subject: node.commit.subject(),
            is_merge: node.parents.len() > 1,
            problem: problem(&signer, merged.as_ref()),
            signer,
            merged,
        }
    });
    Ok(History {
        from,
        to,
        commits: within.len(),
        changes: changes.collect(),
        missing,
    })
}

/// Tells whether a line of a range leads to another commit than the older end: then what was merged there was merged into
/// something else. One that is not all there is not known to.
fn is_beside(graph: &Graph, line: &[usize], from: Option<&str>) -> bool {
    let last = line.last().map(|place| &graph.nodes[*place]);
    last.is_some_and(|last| match last.parents.first() {
        Some(None) => false,
        _ => last.commit.parents.first().map(String::as_str) != from,
    })
}

/// Returns for each commit of a range the merge that brought it in. Those of the line itself have none.
fn merges(graph: &Graph, line: &[usize], range: &BTreeSet<usize>) -> BTreeMap<usize, usize> {
    let mut merges = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for merge in line.iter().copied().rev() {
        for place in graph.follow(merge, &mut seen) {
            if place != merge && range.contains(&place) {
                merges.insert(place, merge);
            }
        }
    }
    merges
}

/// Finds out who has signed each commit that touches packages, and each that has merged one, on all cores.
fn signers(
    graph: &Graph,
    touched: &BTreeSet<usize>,
    merges: &BTreeMap<usize, usize>,
    signer: impl Fn(&Commit) -> Signer + Sync,
) -> BTreeMap<usize, Signer> {
    let of_merges = touched.iter().filter_map(|place| merges.get(place));
    let all: BTreeSet<usize> = touched.iter().chain(of_merges).copied().collect();
    let all = all.into_par_iter();
    all.map(|place| (place, signer(&graph.nodes[place].commit)))
        .collect()
}

/// Returns what speaks against a commit.
fn problem(signer: &Signer, merged: Option<&Merged>) -> Option<String> {
    if let Some(refusal) = &signer.refusal {
        return Some(refusal.to_string());
    }
    let Some(merged) = merged else {
        let why = "nobody has merged it: it stands on the line of first parents itself";
        return Some(why.to_owned());
    };
    let name = &merged.commit[..12];
    if let Some(refusal) = &merged.signer.refusal {
        return Some(format!(
            "the merge {name} that brought it in does not count: {refusal}"
        ));
    }
    match (signer.counted(), merged.signer.counted()) {
        (Some(one), Some(other)) if one != other => None,
        (Some(one), Some(_)) => Some(format!("{one} has merged it as well, in {name}")),
        _ => Some("nobody is known to have signed it".to_owned()),
    }
}

/// Returns the commit that a name stands for. Where it is a tag, that is read.
async fn commit(root: &Utf8Path, said: &str) -> Result<String, Error> {
    let none = || Error::NoCommit(said.to_owned());
    let mut name = git::named(root, said).await?.ok_or_else(none)?;
    let mut repository = Repository::new(root);
    for _ in 0..TAGS {
        let read = repository.read("tag", [name.clone()].into()).await?;
        let Some(tag) = read.get(&name) else {
            return Ok(name);
        };
        let line = tag.split(|byte| *byte == b'\n').next();
        let object = line.and_then(|line| line.strip_prefix(b"object "));
        let object = object.and_then(|object| std::str::from_utf8(object).ok());
        object.ok_or_else(none)?.clone_into(&mut name);
    }
    Err(none())
}
