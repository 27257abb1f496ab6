//! The names that a build takes in a store, and that they go away again: also if the build fails,
//! and if its future is dropped.

use backend_api::{BuildKey, BuildRequest};

use crate::error::Error;
use crate::store::Store;

/// Tells whether `name` is one of the build's own.
pub fn is_own(name: &str, key: &BuildKey) -> bool {
    let rest = name.strip_prefix(&key.name());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

/// Returns the names of a request's contexts, which are to be given in the store.
///
/// # Errors
///
/// One is not the build's own.
pub fn own_names(request: &BuildRequest) -> Result<Vec<String>, Error> {
    let names = request.contexts.iter().map(|context| &context.name);
    names
        .map(|name| {
            let own = is_own(name, &request.key).then(|| name.clone());
            own.ok_or_else(|| Error::Foreign(name.clone()))
        })
        .collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_begin_with_the_key() {
        let key = BuildKey::new("core-x");
        for own in ["", "/core-y", ":latest", "/a/b:1"] {
            assert!(
                is_own(&format!("localhost/stagex/core-x{own}"), &key),
                "{own}"
            );
        }
        for foreign in ["localhost/stagex/core-x2", "debian", "localhost/stagex"] {
            assert!(!is_own(foreign, &key), "{foreign}");
        }
    }
}
