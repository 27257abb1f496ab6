//! Writes down entries in the order and with the company that `BuildKit`'s archiver gives them:
//! directories before what is in them, and one leader for the names of a file.
//!
//! It does not know why an entry is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::archive::InodeId;
use super::content::Content;
use super::error::Problem;
use super::record::{Change, Record};
use super::tree::Tree;
use crate::entry::Inode;
use crate::path::TreePath;

/// Collects records. Entries are given to it in the order of a walk.
pub(crate) struct Emitter<'a> {
    names: &'a BTreeMap<TreePath, InodeId>,
    inodes: &'a [Arc<Inode<Content>>],
    lower: &'a Tree,
    records: Vec<Record>,
    directories: BTreeSet<TreePath>,
    leaders: BTreeMap<InodeId, TreePath>,
    waiting: BTreeMap<InodeId, Vec<TreePath>>,
}

impl<'a> Emitter<'a> {
    /// Starts a layer that has `names` for `inodes`, on top of `lower`.
    pub(crate) fn new(
        names: &'a BTreeMap<TreePath, InodeId>,
        inodes: &'a [Arc<Inode<Content>>],
        lower: &'a Tree,
    ) -> Self {
        Self {
            names,
            inodes,
            lower,
            records: Vec::new(),
            directories: BTreeSet::new(),
            leaders: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Records a deletion.
    pub(crate) fn delete(&mut self, path: &TreePath) -> Result<(), Problem> {
        self.put_directories_of(path)?;
        self.push(path, Change::Delete);
        Ok(())
    }

    /// Records a name that is new or changed. The first name of a file leads the others.
    pub(crate) fn put(&mut self, path: &TreePath, id: InodeId) -> Result<(), Problem> {
        let inode = &self.inodes[id];
        if inode.is_directory() {
            self.put_directories_of(path)?;
            if self.directories.insert(path.clone()) {
                self.push(path, Change::Put(Arc::clone(inode)));
            }
            return Ok(());
        }
        if self.leaders.contains_key(&id) {
            return self.link(path, id);
        }
        self.put_directories_of(path)?;
        self.push(path, Change::Put(Arc::clone(inode)));
        self.leaders.insert(id, path.clone());
        for other in self.waiting.remove(&id).unwrap_or_default() {
            self.link(&other, id)?;
        }
        Ok(())
    }

    /// Notes a name that has not changed, of a file that has several names. If another of them
    /// is recorded, so is this one: at its place, or right after its leader.
    pub(crate) fn note(&mut self, path: &TreePath, id: InodeId) -> Result<(), Problem> {
        if self.leaders.contains_key(&id) {
            return self.link(path, id);
        }
        self.waiting.entry(id).or_default().push(path.clone());
        Ok(())
    }

    /// Returns the records.
    pub(crate) fn finish(self) -> Vec<Record> {
        self.records
    }

    fn link(&mut self, path: &TreePath, id: InodeId) -> Result<(), Problem> {
        self.put_directories_of(path)?;
        let change = Change::Link {
            inode: Arc::clone(&self.inodes[id]),
            leader: self.leaders[&id].clone(),
        };
        self.push(path, change);
        Ok(())
    }

    fn push(&mut self, path: &TreePath, change: Change) {
        self.records.push(Record {
            path: path.clone(),
            change,
        });
    }

    /// Records the directories above a name that are not recorded yet, changed or not.
    fn put_directories_of(&mut self, path: &TreePath) -> Result<(), Problem> {
        let missing = path
            .ancestors()
            .take_while(|directory| !self.directories.contains(directory));
        let missing: Vec<_> = missing.collect();
        for directory in missing.into_iter().rev() {
            let upper = self.names.get(&directory).map(|id| &self.inodes[*id]);
            let inode = upper.or_else(|| self.lower.get(&directory).map(|node| &node.inode));
            let Some(inode) = inode.filter(|inode| inode.is_directory()) else {
                return Err(Problem::Parent {
                    path: path.clone(),
                    parent: directory,
                });
            };
            self.push(&directory, Change::Put(Arc::clone(inode)));
            self.directories.insert(directory);
        }
        Ok(())
    }
}
