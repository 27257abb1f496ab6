//! What is made for the mounts of a RUN, where there is nothing that they could be put on: it is no
//! part of what the RUN did, and goes again.

use std::collections::BTreeSet;

use rustix::fs::FileType;
use snapshot::{Place, Tree};

use crate::worker::failure::Result;

/// The places that had nothing before a RUN.
#[derive(Debug, Default)]
pub(crate) struct Stubs(BTreeSet<Place>);

impl Stubs {
    /// Takes note of what is not there on the way to a target.
    pub(crate) fn note(&mut self, tree: &Tree, target: &[u8]) -> Result<()> {
        let mut place = tree.resolve(target)?;
        while !place.is_root() && tree.status(&place)?.is_none() {
            self.0.insert(place.clone());
            place = place.parent();
        }
        Ok(())
    }

    /// Removes from the directory that took a RUN's changes whatever is still empty, as if it had
    /// never been: the directory that it is in keeps its times. Nothing is there any more that the RUN
    /// could have put in the way: it has ended, and a link is not followed.
    pub(crate) fn remove(&self, upper: &Tree) -> Result<()> {
        // What is in a directory comes before it.
        for stub in self.0.iter().rev() {
            if upper.resolve(stub.parent().as_bytes())? != stub.parent() {
                continue;
            }
            let Some(status) = upper.status(stub)? else {
                continue;
            };
            let is_empty = match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory => upper.names(stub)?.is_empty(),
                FileType::RegularFile => status.st_size == 0,
                _ => false,
            };
            if is_empty {
                upper.remove_unnoticed(stub)?;
            }
        }
        Ok(())
    }
}
