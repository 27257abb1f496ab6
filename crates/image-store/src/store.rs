//! A store, and what its client is asked to do with images.

use std::time::Duration;

use backend_api::{BuildKey, BuiltImage, EngineImage, Loaded};
use camino::Utf8Path;
use process::{Finished, Invocation};
use tokio::task::spawn_blocking;

use crate::archive::{self, Given};
use crate::error::Error;
use crate::own::is_own;

/// How long a question may take. An engine that takes longer is hanging.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);
/// How long the removal of images may take, on a slow disk.
const REMOVAL_LIMIT: Duration = Duration::from_secs(120);
/// How often something is tried again that another build's work may have been in the way of.
const TRIES: usize = 5;

/// The commands of a client, as messages name them, and where they are not those of its siblings.
#[derive(Debug, Clone, Copy)]
pub struct Commands {
    /// `... image load`
    pub load: &'static str,
    /// `... image inspect`
    pub inspect: &'static str,
    /// `... image save`
    pub save: &'static str,
    /// `... image ls`
    pub list: &'static str,
    /// `... image rm`
    pub remove: &'static str,
    /// What removal needs beside the names.
    pub removal_arguments: &'static [&'static str],
    /// Tells from what a failed removal has to say whether nothing but that images are gone already.
    pub only_absent: fn(&str) -> bool,
    /// Tells from what a failed command has to say whether it met another build's at work on the
    /// same image, and may be tried again.
    pub is_race: fn(&str) -> bool,
}

/// A store of images behind a client.
#[derive(Debug, Clone)]
pub struct Store {
    client: Invocation,
    commands: Commands,
}

impl Store {
    /// Reaches the store by `client`, to which nothing but a subcommand is to be added.
    pub fn new(client: Invocation, commands: Commands) -> Self {
        Self { client, commands }
    }

    /// Puts images into the store. `archive` is a file of ours that does not exist.
    pub async fn load(&self, images: Vec<Given>, archive: &Utf8Path) -> Result<(), Error> {
        let path = archive.to_owned();
        let written = blocking(move || archive::write(&images, &path)).await;
        self.load_archive(written, archive).await
    }

    /// Has an archive loaded that was written, and removes it.
    async fn load_archive(
        &self,
        written: std::io::Result<()>,
        archive: &Utf8Path,
    ) -> Result<(), Error> {
        let cannot = |source| Error::File {
            what: "the images cannot be loaded into the engine",
            source,
        };
        written.map_err(cannot)?;
        let load = ["image", "load", "--quiet", "--input", archive.as_str()];
        self.run_again(self.commands.load, &|| self.client.clone().arguments(load))
            .await?;
        tokio::fs::remove_file(archive).await.map_err(cannot)
    }

    /// Puts the image in `layout` into the store under `name`, with the manifest that it has where the store keeps
    /// manifests. Returns what the store has under that name then.
    pub async fn load_layout(
        &self,
        layout: &Utf8Path,
        name: &str,
        archive: &Utf8Path,
    ) -> Result<Loaded, Error> {
        let (of, called, path) = (layout.to_owned(), name.to_owned(), archive.to_owned());
        let written = blocking(move || archive::write_layout(&of, &called, &path));
        self.load_archive(written.await, archive).await?;
        let inspect = ["image", "inspect", "--format", "{{.Id}}", "--", name];
        let inspect = self.client.clone().arguments(inspect);
        let inspected = inspect.time_limit(QUESTION_LIMIT).run().await?;
        let inspected = succeeded(self.commands.inspect, inspected)?;
        Ok(Loaded::of_words(&inspected.stdout_text()))
    }

    /// Writes the layers of an image, above its base, into `directory`. `archive` is a file of ours
    /// that does not exist.
    pub async fn export(
        &self,
        image: &BuiltImage,
        archive: &Utf8Path,
        directory: &Utf8Path,
    ) -> Result<EngineImage, Error> {
        let save = ["image", "save", "--output", archive.as_str(), "--"];
        let save = self.client.clone().arguments(save);
        let saved = save.argument(&image.reference).run().await?;
        succeeded(self.commands.save, saved)?;
        let (image, archive, directory) = (image.clone(), archive.to_owned(), directory.to_owned());
        let extracted = blocking(move || {
            let made = archive::extract(&archive, &image, &directory)?;
            std::fs::remove_file(&archive)?;
            Ok(made)
        });
        extracted.await.map_err(|source| Error::File {
            what: "the layers cannot be written",
            source,
        })
    }

    /// Finds the names that the build of `key` has in the store.
    pub async fn find(&self, key: &BuildKey) -> Result<Vec<String>, Error> {
        let list = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
        let list = self.client.clone().arguments(list);
        let listed = list.time_limit(QUESTION_LIMIT).run().await?;
        let listed = succeeded(self.commands.list, listed)?;
        let text = listed.stdout_text();
        let own = text.lines().filter(|name| is_own(name, key));
        Ok(own.map(str::to_owned).collect())
    }

    /// Removes names from the store, and the images that have no other. That one is gone already is
    /// no error.
    pub async fn remove(&self, names: &[String]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        // Two builds can have made the same image, and an engine that is asked to remove both of its
        // names at once can trip over itself. What it has removed by then is no error next time.
        let removal = || self.removal(names);
        match self.run_again(self.commands.remove, &removal).await {
            Err(Error::Failed { output, .. }) if (self.commands.only_absent)(&output) => Ok(()),
            removed => removed,
        }
    }

    /// Prepares the removal of names.
    pub(crate) fn removal(&self, names: &[String]) -> Invocation {
        let client = self.client.clone().arguments(["image", "rm"]);
        client
            .arguments(self.commands.removal_arguments)
            .argument("--")
            .arguments(names)
            .time_limit(REMOVAL_LIMIT)
    }

    /// Runs a command, and again as long as others are in its way.
    async fn run_again(
        &self,
        command: &'static str,
        prepare: &(dyn Fn() -> Invocation + Sync),
    ) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            let finished = prepare().run().await?;
            if tries == TRIES || finished.succeeded() || !(self.commands.is_race)(&finished.stderr)
            {
                return succeeded(command, finished).map(drop);
            }
            tries += 1;
        }
    }
}

fn succeeded(command: &'static str, finished: Finished) -> Result<Finished, Error> {
    if finished.succeeded() {
        return Ok(finished);
    }
    let output = finished.stderr;
    Err(Error::Failed { command, output })
}

/// Runs what reads and writes files on a thread where that disturbs nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    spawn_blocking(work).await.map_err(std::io::Error::other)?
}
