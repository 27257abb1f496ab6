//! A `COPY` of all of a stage or an image, or of a directory of one, to the root: what it is stacked of is
//! stacked again, where that shows the same files, and nothing is copied.
//!
//! It does not know when that is so: the files themselves say it.

use std::path::PathBuf;

use containerfile::{Instruction, Step};
use rustix::fs::FileType;
use snapshot::{Place, Stack, Stacking, Tree};

use crate::worker::copy::Order;
use crate::worker::directories::path_in;
use crate::worker::failure::Result;
use crate::worker::files::sources::Sources;
use crate::worker::files::stacks::View;
use crate::worker::kept::entry::Reference;
use crate::worker::kept::results::Results;

/// How many directories there may be in a stack to which one is added instead of a copy: each makes
/// looking for a file slower.
const MOST: usize = 64;

/// Directories that are stacked instead of a copy, from the lowest to the highest.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directories: Vec<PathBuf>,
    /// Where each was kept; none where nothing is kept.
    pub(crate) references: Vec<Reference>,
}

/// Returns what is stacked on `onto` instead of what a step would copy; nothing where it has to be copied.
pub(crate) fn share(
    step: &Step,
    onto: &Stack,
    sources: &Sources,
    results: &Results,
) -> Result<Option<Shared>> {
    let Instruction::Copy(copy) = &step.instruction else {
        return Ok(None);
    };
    let stacks = &sources.stacks;
    if stacks.kind() == Stacking::Copies {
        return Ok(None);
    }
    let order = Order::of_copy(copy);
    let Some(path) = order.of_all(step) else {
        return Ok(None);
    };
    let Some(source) = sources.stack(order.from)? else {
        return Ok(None);
    };
    let Some(view) = stacks.view(&source)? else {
        return Ok(None);
    };
    let place = view.tree()?.resolve(path.as_bytes())?;
    let status = view.tree()?.status(&place)?;
    let kind = status.map(|status| FileType::from_raw_mode(status.st_mode));
    if kind != Some(FileType::Directory) {
        return Ok(None);
    }
    let stack = source.directories();
    let trees = stack.iter().map(|directory| Tree::open(directory));
    let trees = trees.collect::<snapshot::Result<Vec<_>>>()?;
    let parts = snapshot::parts(&trees, &place)?;
    if parts.is_empty() || onto.directories().len() + parts.len() > MOST {
        return Ok(None);
    }
    let opened = parts.iter().map(|part| trees[*part].directory(&place));
    let opened = opened.map(|part| part.map(Tree::of));
    let opened = opened.collect::<snapshot::Result<Vec<_>>>()?;
    let lower = stacks.view(onto)?;
    let lower = lower.as_ref().map(View::tree).transpose()?;
    if !snapshot::shows_a_copy(&opened, lower.as_ref())? {
        return Ok(None);
    }
    let parts = parts.iter().map(|part| &stack[*part]);
    let Some(shared) = shared(&parts.collect::<Vec<_>>(), &place, sources, results)? else {
        return Ok(None);
    };
    let mut both = onto.clone();
    for directory in &shared.directories {
        both.push(directory);
    }
    // One that is in the stack already, or in one that is, is refused by the kernel.
    Ok(stacks.view(&both).is_ok().then_some(shared))
}

/// Names what is at a place of directories; nothing where it cannot be kept that way.
fn shared(
    parts: &[&PathBuf],
    place: &Place,
    sources: &Sources,
    results: &Results,
) -> Result<Option<Shared>> {
    let mut shared = Shared {
        directories: Vec::new(),
        references: Vec::new(),
    };
    for part in parts {
        let directory = if place.is_root() {
            (*part).clone()
        } else {
            sources.stacks.directories.link(&path_in(part, place))?
        };
        if results.cache().is_some() {
            let Some(reference) = results.note_part(&directory, part, place) else {
                return Ok(None);
            };
            shared.references.push(reference);
        }
        shared.directories.push(directory);
    }
    Ok(Some(shared))
}
