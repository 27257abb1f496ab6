//! What engines leave behind in a layer although the build did not make it: empty files and
//! directories on which something was mounted while a RUN ran.
//!
//! It knows names and shapes. Which steps of which engine leave something is for the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::archive::InodeId;
use super::content::Content;
use super::tree::Tree;
use crate::entry::{Inode, Kind};
use crate::path::{InvalidPath, TreePath};

/// Something that an engine may have left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it may be.
    pub path: TreePath,
    /// What it is if it is a leftover.
    pub kind: LeftoverKind,
}

/// The shape of what an engine leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftoverKind {
    /// A regular file without content.
    EmptyFile,
    /// A directory with nothing in it but other leftovers.
    Directory,
}

/// The files that engines mount into a RUN.
const FILES: [&str; 5] = [
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
    "run/.containerenv",
    "dev/console",
];

/// The directories that engines mount on or make for the files. (`dev`, `proc` and `sys` themselves
/// are left behind by `BuildKit` as well: they belong to a canonical layer.)
const DIRECTORIES: [&str; 9] = [
    "dev/mqueue",
    "dev/pts",
    "dev/shm",
    "etc",
    "run",
    "run/pipes",
    "run/secrets",
    "sys/fs",
    "sys/fs/cgroup",
];

/// Returns what a RUN may leave behind, where the root of the step's file system has since
/// become the directory `prefix`: the root itself in the step's own layer, the destination in the
/// layer of a COPY.
pub fn leftovers_of_run(prefix: &str) -> Result<Vec<Leftover>, InvalidPath> {
    let below = |name: &str| {
        TreePath::parse(
            format!("{prefix}/{name}")
                .trim_start_matches('/')
                .as_bytes(),
        )
    };
    let files = FILES.iter().map(|name| (name, LeftoverKind::EmptyFile));
    let directories = DIRECTORIES
        .iter()
        .map(|name| (name, LeftoverKind::Directory));
    files
        .chain(directories)
        .map(|(name, kind)| {
            Ok(Leftover {
                path: below(name)?,
                kind,
            })
        })
        .collect()
}

/// Takes leftovers out of `names` and returns them: what is not there below, and has the shape.
pub(crate) fn remove(
    names: &mut BTreeMap<TreePath, InodeId>,
    inodes: &[Arc<Inode<Content>>],
    lower: &Tree,
    leftovers: &[Leftover],
) -> BTreeSet<TreePath> {
    let mut removed = BTreeSet::new();
    // What is in a directory goes before the directory.
    let mut candidates: Vec<_> = leftovers.iter().collect();
    candidates.sort_by(|a, b| b.path.cmp(&a.path));
    for Leftover { path, kind } in candidates {
        let Some(inode) = names.get(path).map(|id| &inodes[*id]) else {
            continue;
        };
        let next = names
            .range::<TreePath, _>((Bound::Excluded(path), Bound::Unbounded))
            .next();
        let shaped = match (kind, &inode.kind) {
            (LeftoverKind::EmptyFile, Kind::File { size, .. }) => *size == 0,
            (LeftoverKind::Directory, Kind::Directory) => {
                !next.is_some_and(|(name, _)| name.is_below(path))
            }
            _ => false,
        };
        if shaped && lower.get(path).is_none() {
            names.remove(path);
            removed.insert(path.clone());
        }
    }
    removed
}
