//! From a layer as an engine recorded it, and the file system below it, to the entries of the
//! canonical layer.
//!
//! It knows what `BuildKit` records of a change. It does not know engines, only how a layer was
//! recorded; nor bytes, only entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::archive::{Archive, InodeId, Item, opaque_mark};
use super::compare::{Comparison, Likeness};
use super::content::Content;
use super::emit::Emitter;
use super::error::Problem;
use super::event::Event;
use super::leftover::{self, Leftover};
use super::means::Means;
use super::record::{Change, Record};
use super::tree::Tree;
use crate::entry::Inode;
use crate::path::TreePath;

/// A canonical layer's entries, and what was worth telling on the way there.
#[derive(Debug, Default)]
pub(crate) struct Normalised {
    pub(crate) records: Vec<Record>,
    pub(crate) events: Vec<Event>,
    /// The first that was left out because it equals what is below, and is no directory.
    pub(crate) equal: Option<TreePath>,
}

/// Takes the entries as they are, in their order: the engine has compared with full precision.
/// Only what it left behind goes.
pub(crate) fn keep_changes(
    archive: Archive,
    means: Means,
    lower: &Tree,
    leftovers: &[Leftover],
) -> Result<Normalised, Problem> {
    let Archive { items, inodes } = archive;
    let mut names = names(&items);
    let removed = leftover::remove(&mut names, &inodes, lower, leftovers);
    let is_directory =
        |path: &TreePath| names.get(path).is_some_and(|id| inodes[*id].is_directory());
    let mut leaders = BTreeMap::<InodeId, TreePath>::new();
    let mut records = Vec::with_capacity(items.len());
    for item in items {
        let (path, id) = match item {
            Item::Name(path, _) if removed.contains(&path) => continue,
            Item::Name(path, id) => (path, Some(id)),
            Item::Whiteout(path) => (path, None),
            Item::Opaque(path) if means == Means::Copy => {
                return Err(Problem::Mark(opaque_mark(&path)));
            }
            Item::Opaque(path) => return Err(Problem::Opaque(path)),
        };
        let parent = path.ancestors().next();
        if let Some(parent) = parent.filter(|parent| !is_directory(parent)) {
            return Err(Problem::Parent { path, parent });
        }
        let change = match id.map(|id| (id, leaders.get(&id).cloned())) {
            None => Change::Delete,
            Some((id, Some(leader))) => Change::Link {
                inode: Arc::clone(&inodes[id]),
                leader,
            },
            Some((id, None)) => {
                leaders.insert(id, path.clone());
                Change::Put(Arc::clone(&inodes[id]))
            }
        };
        records.push(Record { path, change });
    }
    let events = removed.into_iter().map(Event::LeftoverRemoved).collect();
    Ok(Normalised {
        records,
        events,
        equal: None,
    })
}

/// Finds out what changed among what was touched.
pub(crate) fn find_changes(
    archive: Archive,
    comparison: &Comparison<'_>,
    leftovers: &[Leftover],
) -> Result<Normalised, Problem> {
    let lower = comparison.lower;
    let Archive { items, inodes } = archive;
    if comparison.means == Means::Copy
        && let Some(mark) = copied_mark(&items, lower)
    {
        return Err(Problem::Mark(mark));
    }
    let mut names = names(&items);
    let removed = leftover::remove(&mut names, &inodes, lower, leftovers);
    let mut events: Vec<_> = removed.into_iter().map(Event::LeftoverRemoved).collect();

    let upper = Upper::new(&items, names, &inodes, lower);
    let deleted = upper.deletions(&items);

    let mut likenesses = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let mut links = vec![0_usize; inodes.len()];
    for (path, id) in &upper.names {
        let likeness = comparison.compare(&inodes[*id], lower.get(path))?;
        if matches!(likeness, Likeness::New | Likeness::Changed) {
            changed.insert(*id);
        }
        links[*id] += 1;
        likenesses.insert(path, likeness);
    }

    let mut equal = None;
    let mut emitter = Emitter::new(&upper.names, &inodes, lower);
    let mut deleted = deleted.iter().peekable();
    for (path, id) in &upper.names {
        while let Some(gone) = deleted.next_if(|gone| *gone < path) {
            emitter.delete(gone)?;
        }
        let recorded = match likenesses[path] {
            Likeness::New | Likeness::Changed => true,
            Likeness::Same => {
                if !inodes[*id].is_directory() {
                    equal.get_or_insert_with(|| path.clone());
                }
                false
            }
            Likeness::Doubtful => {
                // A new name for a file below brings the old name along, untouched. Otherwise
                // something that a RUN touched was more likely written by it.
                let recorded = comparison.means == Means::Run && !changed.contains(id);
                let path = path.clone();
                events.push(Event::Ambiguous { path, recorded });
                recorded
            }
        };
        if recorded {
            emitter.put(path, *id)?;
        } else if links[*id] > 1 && upper.is_complete(path) {
            emitter.note(path, *id)?;
        }
    }
    for gone in deleted {
        emitter.delete(gone)?;
    }
    let records = emitter.finish();
    Ok(Normalised {
        records,
        events,
        equal,
    })
}

fn names(items: &[Item]) -> BTreeMap<TreePath, InodeId> {
    let name = |item: &Item| match item {
        Item::Name(path, id) => Some((path.clone(), *id)),
        Item::Whiteout(_) | Item::Opaque(_) => None,
    };
    items.iter().filter_map(name).collect()
}

/// Returns a file with the name of the mark that hides what was in a directory, if a step copied one. Engines
/// mark, once, the directories that a step made, where there is nothing to hide.
fn copied_mark(items: &[Item], lower: &Tree) -> Option<TreePath> {
    let mut marked = BTreeSet::new();
    let hides = |directory: &TreePath| {
        lower.below(directory).next().is_some()
            || lower
                .get(directory)
                .is_some_and(|node| node.inode.is_directory())
    };
    items.iter().find_map(|item| match item {
        Item::Opaque(directory) if !marked.insert(directory) || hides(directory) => {
            Some(opaque_mark(directory))
        }
        _ => None,
    })
}

/// The upper directory that an engine made an archive of.
struct Upper<'a> {
    names: BTreeMap<TreePath, InodeId>,
    inodes: &'a [Arc<Inode<Content>>],
    lower: &'a Tree,
    /// Directories that are there below as well, but hide all that was in them. None is in another.
    opaque: BTreeSet<TreePath>,
}

impl<'a> Upper<'a> {
    fn new(
        items: &[Item],
        names: BTreeMap<TreePath, InodeId>,
        inodes: &'a [Arc<Inode<Content>>],
        lower: &'a Tree,
    ) -> Self {
        let mut upper = Self {
            names,
            inodes,
            lower,
            opaque: BTreeSet::new(),
        };
        let mut marked = BTreeSet::new();
        for item in items {
            match item {
                Item::Opaque(path) => marked.insert(path),
                // A directory that was deleted and made again hides as well.
                Item::Whiteout(path) => {
                    upper.is_directory(path) == Some(true) && marked.insert(path)
                }
                Item::Name(..) => false,
            };
        }
        for path in marked {
            if lower.is_directory(path) && !upper.is_complete(path) {
                upper.opaque.insert(path.clone());
            }
        }
        upper
    }

    /// Returns whether a name is a directory in this layer; nothing where the layer lacks it.
    fn is_directory(&self, path: &TreePath) -> Option<bool> {
        self.names
            .get(path)
            .map(|id| self.inodes[*id].is_directory())
    }

    /// Returns whether a name is below an opaque directory, where the layer has all that there is.
    fn is_complete(&self, path: &TreePath) -> bool {
        let nearest = self.opaque.range(..path).next_back();
        nearest.is_some_and(|directory| path.is_below(directory))
    }

    /// Returns the names below that this layer deletes; of a deleted directory only its own.
    fn deletions(&self, items: &[Item]) -> BTreeSet<TreePath> {
        let mut deleted = BTreeSet::new();
        for item in items {
            if let Item::Whiteout(path) = item
                && !self.names.contains_key(path)
                && self.lower.get(path).is_some()
            {
                deleted.insert(path.clone());
            }
        }
        for directory in &self.opaque {
            let mut passed: Option<&TreePath> = None;
            for (path, node) in self.lower.below(directory) {
                if passed.is_some_and(|passed| path.is_below(passed)) {
                    continue;
                }
                match self.is_directory(path) {
                    None => {
                        deleted.insert(path.clone());
                        passed = Some(path);
                    }
                    Some(false) if node.inode.is_directory() => passed = Some(path),
                    Some(_) => {}
                }
            }
        }
        // What is in something that is gone or is no directory any more is gone with it.
        let hidden = |path: &TreePath| {
            path.ancestors().any(|directory| {
                deleted.contains(&directory) || self.is_directory(&directory) == Some(false)
            })
        };
        deleted
            .iter()
            .filter(|path| !hidden(path))
            .cloned()
            .collect()
    }
}
