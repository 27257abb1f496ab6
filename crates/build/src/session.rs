//! A tree's directories, open for builds: locked, and rid of what builds that were killed have left.
//!
//! It does not know what is built there.

use std::sync::Arc;

use backend_api::{Backend, BuiltImage};

use crate::cleanup::{Abandoned, abandoned};
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::removal;
use crate::wait::blocking;
use state::{Access, Directories, Lock};

/// A tree's directories, open for builds.
#[derive(Debug)]
pub struct Session {
    _lock: Lock,
    /// What was removed from the engine's store when it was opened.
    removed: Vec<BuiltImage>,
}

impl Session {
    /// Opens a tree's directories, and removes what builds that were killed have left: in the engine's
    /// store and in the work directory.
    ///
    /// What another runtime has left stays until it is that one's turn: only its backend knows
    /// how to remove it. Files that cannot be removed are no reason to build nothing.
    pub async fn open(
        directories: &Directories,
        access: Access,
        backend: &dyn Backend,
        listener: &Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        directories.check_text()?;
        let (of, hearing) = (directories.clone(), Arc::clone(listener));
        let mut waiting = move |process| hearing.hear(Event::Waiting { process });
        let open = move || of.open(access, &mut waiting);
        let lock = blocking(open).await?;

        let of = directories.clone();
        let mut removed = Vec::new();
        for left in blocking(move || abandoned(&of, access)).await? {
            match &left.claim {
                Some(claim) if claim.runtime != backend.id() => continue,
                Some(claim) => {
                    backend.remove(claim.image.clone()).await?;
                    removed.push(claim.image.clone());
                }
                None => {}
            }
            Self::clear(left, backend, listener.as_ref()).await;
        }
        Ok(Self {
            _lock: lock,
            removed,
        })
    }

    /// Removes the directory of a build that was killed.
    async fn clear(left: Abandoned, backend: &dyn Backend, listener: &dyn Listener) {
        let removed = removal::remove(&left.work, left.name.as_ref(), &[backend]).await;
        if let Err(error) = removed {
            let error = error.to_string();
            let message =
                format!("cannot remove what a killed build left: {error}; try `stagex clean`");
            let package = left.name.clone();
            listener.hear(Event::Notice { package, message });
        }
    }

    /// Returns how many builds' images were removed when it was opened.
    pub fn removed(&self) -> usize {
        self.removed.len()
    }

    /// Looks once more at what was removed: a daemon may have noticed only now that nobody wants an
    /// image any more.
    pub async fn close(self, backend: &dyn Backend) -> Result<(), Error> {
        for image in self.removed {
            backend.remove(image).await?;
        }
        Ok(())
    }
}
