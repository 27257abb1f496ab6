//! The file system that a layer is put on: all layers below it, merged.
//!
//! It knows what is there, not why, and has no content, only where it is or its digest.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::archive::{Archive, Item};
use super::content::Content;
use super::record::{Change, Record};
use crate::entry::Inode;
use crate::path::TreePath;

/// The merged layers below.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<TreePath, Node>,
    newest: Option<i64>,
}

/// A name in the merged layers.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// What it stands for.
    pub(crate) inode: Arc<Inode<Content>>,
    /// It came with the base image, not with a step of this build.
    pub(crate) imported: bool,
}

impl Tree {
    /// Returns what is under a name.
    pub(crate) fn get(&self, path: &TreePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Returns whether a name is a directory. The root is one.
    pub(crate) fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.get(path).is_some_and(|node| node.inode.is_directory())
    }

    /// Returns the names below a directory, in order.
    pub(crate) fn below<'a>(
        &'a self,
        directory: &'a TreePath,
    ) -> impl Iterator<Item = (&'a TreePath, &'a Node)> {
        let behind = (Bound::Excluded(directory), Bound::Unbounded);
        let below = self.nodes.range::<TreePath, _>(behind);
        below.take_while(|(path, _)| path.is_below(directory))
    }

    /// Returns the newest time, in seconds, of what the steps of this build put here.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Puts a layer of the base image on top. What it deletes is deleted from what was there
    /// before it, never from itself.
    pub(crate) fn import(&mut self, layer: Archive) {
        for item in &layer.items {
            match item {
                Item::Opaque(directory) => self.remove_below(directory),
                Item::Whiteout(path) => self.remove(path),
                Item::Name(..) => {}
            }
        }
        for item in layer.items {
            if let Item::Name(path, id) = item {
                self.put(path, Arc::clone(&layer.inodes[id]), true);
            }
        }
    }

    /// Puts what a step of this build changed on top.
    pub(crate) fn apply(&mut self, records: &[Record]) {
        for record in records {
            match &record.change {
                Change::Delete => self.remove(&record.path),
                Change::Put(inode) | Change::Link { inode, .. } => {
                    self.newest = self.newest.max(Some(inode.modified.seconds));
                    self.put(record.path.clone(), Arc::clone(inode), false);
                }
            }
        }
    }

    fn put(&mut self, path: TreePath, inode: Arc<Inode<Content>>, imported: bool) {
        if !inode.is_directory() && self.is_directory(&path) {
            self.remove_below(&path);
        }
        self.nodes.insert(path, Node { inode, imported });
    }

    fn remove(&mut self, path: &TreePath) {
        self.remove_below(path);
        self.nodes.remove(path);
    }

    fn remove_below(&mut self, directory: &TreePath) {
        let gone: Vec<_> = self
            .below(directory)
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.nodes.remove(&path);
        }
    }
}
