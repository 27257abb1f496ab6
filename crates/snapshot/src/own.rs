//! Entries of an image as files of the caller's own. What would give rights to others than the image's own users is left
//! out: the set-user-ID and set-group-ID bits, and file capabilities.

use std::collections::BTreeMap;

use crate::attributes::CAPABILITY;
use crate::entry::{EntryKind, TarEntry};
use crate::owner::Owner;
use crate::place::Place;

/// What its owner may do with a directory while there is more to come into it.
const OPEN: u32 = 0o700;
/// The bits of a mode that are kept.
const KEPT: u32 = 0o1777;

/// How entries become the caller's own.
#[derive(Debug)]
pub(crate) struct Own {
    owner: Owner,
    /// The modes of directories, which they get at the end: what may not be written to can still be filled.
    modes: BTreeMap<Vec<u8>, u32>,
}

impl Own {
    /// Begins with nothing, for the caller.
    pub(crate) fn of_caller() -> Self {
        let owner = Owner {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        };
        let modes = BTreeMap::new();
        Self { owner, modes }
    }

    /// Returns the modes of directories, by their paths.
    pub(crate) fn into_modes(self) -> BTreeMap<Vec<u8>, u32> {
        self.modes
    }

    /// Makes an entry the caller's own.
    pub(crate) fn take(&mut self, entry: &mut TarEntry) {
        entry.owner = self.owner;
        entry.mode &= KEPT;
        entry.attributes.retain(|(key, _)| key != CAPABILITY);
        if entry.kind == EntryKind::Directory {
            let place = Place::new(&entry.path);
            self.modes.insert(place.as_bytes().to_owned(), entry.mode);
            entry.mode |= OPEN;
        }
    }
}
