//! The names that a build takes in Docker's store, and that they go away again: also if the
//! build fails, and if its future is dropped.

use backend_api::BuildKey;

use crate::command::Client;
use crate::error::DockerError;
use crate::parse;

/// Tells whether `name` is one of the build's own.
pub(crate) fn is_own(name: &str, key: &BuildKey) -> bool {
    let rest = name.strip_prefix(&key.name());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

/// Names that a build has taken or is about to. Dropping it removes them in the background.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    client: &'a Client,
    names: Vec<String>,
}

impl<'a> Names<'a> {
    /// Takes charge of these names.
    pub(crate) fn take(client: &'a Client, names: Vec<String>) -> Self {
        Self { client, names }
    }

    /// Hands the names on to whoever removes them later.
    pub(crate) fn keep(mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }

    /// Removes them now.
    pub(crate) async fn remove(self) -> Result<(), DockerError> {
        // They stay listed until they are gone, in case that this future is dropped in its turn.
        remove(self.client, &self.names).await?;
        self.keep();
        Ok(())
    }
}

impl Drop for Names<'_> {
    fn drop(&mut self) {
        if !self.names.is_empty() {
            self.client.remove(&self.names).run_unattended();
        }
    }
}

/// Finds the names that the build of `key` has in the store.
pub(crate) async fn find(client: &Client, key: &BuildKey) -> Result<Vec<String>, DockerError> {
    let finished = client.names().run().await?;
    if !finished.succeeded() {
        return Err(DockerError::failed("docker image ls", finished.stderr));
    }
    let text = finished.stdout_text();
    let own = text.lines().filter(|name| is_own(name, key));
    Ok(own.map(str::to_owned).collect())
}

/// How often names are removed again, if others that are removed meanwhile are in the way.
const TRIES: usize = 5;

/// Removes names from the store. That one is gone already is no error.
pub(crate) async fn remove(client: &Client, names: &[String]) -> Result<(), DockerError> {
    if names.is_empty() {
        return Ok(());
    }
    let mut tries = 1;
    loop {
        let finished = client.remove(names).run().await?;
        if finished.succeeded() || parse::only_absent(&finished.stderr) {
            return Ok(());
        }
        // Two builds can have made the same image, and a daemon that is asked to remove both of its
        // names at once can trip over itself. What it has removed by then is no error next time.
        if tries == TRIES || !parse::is_race(&finished.stderr) {
            return Err(DockerError::failed("docker image rm", finished.stderr));
        }
        tries += 1;
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
