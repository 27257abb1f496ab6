//! A `COPY` of all of a stage or an image, or of a directory of one, to the root: what it is stacked of is
//! stacked again, where that shows the same files, and nothing is copied.
//!
//! It does not know when that is so: the files themselves say it.

use std::path::PathBuf;

use containerfile::{Instruction, Step};
use rustix::fs::FileType;
use snapshot::{Digest, Place, Stack, Stacking, Tree};

use super::add::Order;
use super::builder::{Builder, lock};
use super::entry::{Entry, Reference};
use super::failure::Result;
use super::floor::{Floor, View};
use super::key::Origin;

/// How many directories there may be in a stack to which one is added instead of a copy: each makes
/// looking for a file slower.
const MOST: usize = 64;

/// Directories that are stacked instead of a copy, from the lowest to the highest.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folders: Vec<PathBuf>,
    /// Where each was kept; none where nothing is kept.
    pub(super) references: Vec<Reference>,
}

impl Builder {
    /// Takes note of where what is in a directory was kept.
    pub(super) fn note_kept(&self, folder: PathBuf, key: Digest, files: Digest, place: &Place) {
        // What is no text is not written down, and so is copied.
        let Ok(place) = String::from_utf8(place.as_bytes().to_vec()) else {
            return;
        };
        let reference = Reference {
            key: key.to_string(),
            files: files.to_string(),
            place,
        };
        lock(&self.kept_at).insert(folder, reference);
    }

    /// Returns the directories of the files of an entry, from the lowest to the highest.
    pub(super) fn folders_of(&self, entry: &Entry) -> Result<Vec<PathBuf>> {
        if entry.stacked.is_empty() {
            let folder = self.folders.link(&entry.files())?;
            self.note_kept(folder.clone(), entry.key, entry.digest, &Place::root());
            return Ok(vec![folder]);
        }
        let parts = entry.stacked.iter().map(|part| {
            let folder = below(part.entry.files(), &part.place);
            let folder = self.folders.link(&folder)?;
            let of = &part.entry;
            self.note_kept(folder.clone(), of.key, of.digest, &part.place);
            Ok(folder)
        });
        parts.collect()
    }

    /// Returns what is stacked instead of what a step would copy; nothing where it has to be copied.
    pub(super) fn share(&self, step: &Step, floor: &Floor) -> Result<Option<Shared>> {
        let Instruction::Copy(copy) = &step.instruction else {
            return Ok(None);
        };
        if self.stacking == Stacking::Copies {
            return Ok(None);
        }
        let order = Order::of_copy(copy);
        let Some(path) = order.of_all(step) else {
            return Ok(None);
        };
        let source = match self.origin(order.from)? {
            Origin::Stage(id) => self.wait_for(id).stack,
            Origin::Image(image) => self.unpack(image)?,
            Origin::Nothing | Origin::Folder(_) => return Ok(None),
        };
        let Some(view) = self.view(&source)? else {
            return Ok(None);
        };
        let place = view.tree()?.resolve(path.as_bytes())?;
        let status = view.tree()?.status(&place)?;
        let kind = status.map(|status| FileType::from_raw_mode(status.st_mode));
        if kind != Some(FileType::Directory) {
            return Ok(None);
        }
        let stack = source.folders();
        let trees = stack.iter().map(|folder| Tree::open(folder));
        let trees = trees.collect::<snapshot::Result<Vec<_>>>()?;
        let parts = snapshot::parts(&trees, &place)?;
        if parts.is_empty() || floor.stack.folders().len() + parts.len() > MOST {
            return Ok(None);
        }
        let opened = parts.iter().map(|part| trees[*part].folder(&place));
        let opened = opened.map(|part| part.map(Tree::of));
        let opened = opened.collect::<snapshot::Result<Vec<_>>>()?;
        let lower = self.view(&floor.stack)?;
        let lower = lower.as_ref().map(View::tree).transpose()?;
        if !snapshot::shows_a_copy(&opened, lower.as_ref())? {
            return Ok(None);
        }
        let parts = parts.iter().map(|part| &stack[*part]);
        self.stack_on(floor, &parts.collect::<Vec<_>>(), &place)
    }

    /// Stacks what is at a place of directories, if it can be kept that way, and the kernel does it.
    fn stack_on(&self, floor: &Floor, parts: &[&PathBuf], place: &Place) -> Result<Option<Shared>> {
        let mut shared = Shared {
            folders: Vec::new(),
            references: Vec::new(),
        };
        let mut stack = floor.stack.clone();
        for part in parts {
            let folder = if place.is_root() {
                (*part).clone()
            } else {
                self.folders.link(&below((*part).clone(), place))?
            };
            if self.cache.is_some() {
                let Some(kept) = lock(&self.kept_at).get(*part).cloned() else {
                    return Ok(None);
                };
                let place = Place::new(format!("{}/{}", kept.place, place));
                let Ok(place) = String::from_utf8(place.as_bytes().to_vec()) else {
                    return Ok(None);
                };
                let reference = Reference { place, ..kept };
                lock(&self.kept_at).insert(folder.clone(), reference.clone());
                shared.references.push(reference);
            }
            stack.push(folder.clone());
            shared.folders.push(folder);
        }
        // One that is in the stack already, or in one that is, is refused by the kernel.
        Ok(self.view(&stack).is_ok().then_some(shared))
    }

    /// Returns a stack of what is shared alone.
    pub(super) fn stack_of(&self, shared: &Shared) -> Stack {
        let mut stack = self.stack();
        for folder in &shared.folders {
            stack.push(folder);
        }
        stack
    }
}

/// Returns the path of a place in a directory.
fn below(folder: PathBuf, place: &Place) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;

    if place.is_root() {
        return folder;
    }
    folder.join(std::ffi::OsStr::from_bytes(place.relative()))
}
