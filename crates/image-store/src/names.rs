//! The names that a build has taken in a store go away again: also if the build fails, and if its future is
//! dropped.

use crate::error::Error;
use crate::store::Store;

/// Names that a build has taken or is about to. Dropping it removes them in the background.
#[derive(Debug)]
pub struct Names<'a> {
    store: &'a Store,
    names: Vec<String>,
}

impl<'a> Names<'a> {
    /// Takes charge of these names.
    pub fn take(store: &'a Store, names: Vec<String>) -> Self {
        Self { store, names }
    }

    /// Takes charge of one more.
    pub fn add(&mut self, name: String) {
        self.names.push(name);
    }

    /// Hands the names on to whoever removes them later.
    pub fn keep(mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }

    /// Removes them now.
    pub async fn remove(self) -> Result<(), Error> {
        // They stay listed until they are gone, in case that this future is dropped in its turn.
        self.store.remove(&self.names).await?;
        self.keep();
        Ok(())
    }
}

impl Drop for Names<'_> {
    fn drop(&mut self) {
        if !self.names.is_empty() {
            self.store.removal(&self.names).run_unattended();
        }
    }
}
