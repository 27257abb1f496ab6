//! The order of a layer's entries, and which of them are others than before.
//!
//! It knows names, not what is behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::archive::{Archive, Item};
use super::record::{Change, Record};
use crate::path::TreePath;

/// Which of a layer's entries are others than its archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reshaped {
    /// Entries that the canonical layer does not have.
    pub dropped: usize,
    /// Entries that only the canonical layer has.
    pub added: usize,
    /// Entries that come at another place.
    pub moved: usize,
    /// Directories that have other permissions, since a COPY made them on its way.
    pub levelled: usize,
}

/// An entry by its name: what is put there and what is deleted there are two.
type Named = (TreePath, bool);

/// The entries of an archive.
#[derive(Default)]
pub(crate) struct Before {
    names: Vec<Named>,
    opaque: usize,
}

impl Before {
    pub(crate) fn of(archive: &Archive) -> Self {
        let mut before = Self {
            names: Vec::with_capacity(archive.items.len()),
            opaque: 0,
        };
        for item in &archive.items {
            match item {
                Item::Name(path, _) => before.names.push((path.clone(), false)),
                Item::Whiteout(path) => before.names.push((path.clone(), true)),
                Item::Opaque(_) => before.opaque += 1,
            }
        }
        before
    }

    pub(crate) fn compare(self, records: &[Record]) -> Reshaped {
        let name = |record: &Record| -> Named {
            let deletes = matches!(record.change, Change::Delete);
            (record.path.clone(), deletes)
        };
        let after: Vec<_> = records.iter().map(name).collect();
        if self.opaque == 0 && self.names == after {
            return Reshaped::default();
        }
        let known: BTreeSet<_> = self.names.iter().collect();
        let new: BTreeSet<_> = after.iter().collect();
        let left = self.names.iter().filter(|name| new.contains(name));
        let stayed = after.iter().filter(|name| known.contains(name));
        Reshaped {
            dropped: known.difference(&new).count() + self.opaque,
            added: new.difference(&known).count(),
            moved: left.zip(stayed).filter(|(old, new)| old != new).count(),
            levelled: 0,
        }
    }
}

/// Puts entries into the order of a walk, if they are not in it. A further name of a file that
/// follows it directly stays with it: below an opaque directory that is its place.
pub(crate) fn put_in_order(records: &mut Vec<Record>) {
    let mut last: Option<&TreePath> = None;
    let mut leader: Option<&TreePath> = None;
    let mut is_ordered = true;
    for record in &*records {
        if let Change::Link { leader: own, .. } = &record.change
            && leader == Some(own)
        {
            continue;
        }
        is_ordered &= last.is_none_or(|last| *last < record.path);
        last = Some(&record.path);
        leader = match record.change {
            Change::Put(_) => Some(&record.path),
            _ => None,
        };
    }
    if is_ordered {
        return;
    }
    records.sort_by(|a, b| a.path.cmp(&b.path));
    // The first name of a file leads the others.
    let mut leaders = BTreeMap::new();
    for record in records {
        let inode = match &record.change {
            Change::Put(inode) | Change::Link { inode, .. } => Arc::clone(inode),
            Change::Delete => continue,
        };
        let leader = leaders
            .entry(Arc::as_ptr(&inode))
            .or_insert_with(|| record.path.clone());
        record.change = if *leader == record.path {
            Change::Put(inode)
        } else {
            let leader = leader.clone();
            Change::Link { inode, leader }
        };
    }
}
