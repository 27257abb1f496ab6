//! Getting one source to all places that it belongs to: from its place, from the store, from a mirror.

use std::fs::File;
use std::sync::Arc;

use beneath::Directory;
use camino::Utf8PathBuf;

use crate::error::{Error, IoContext as _};
use crate::event::{Event, Listener};
use crate::listing::{There, look};
use crate::mirror::{Mirror, allowed};
use crate::partial::Partial;
use crate::place::{Contents, Places};
use crate::report::{Attempt, How, Unfetched, Why};
use crate::shared::{Came, Shared};
use crate::store::whole;
use crate::wanted::Wanted;

/// The sources with one hash.
pub(crate) struct Job<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) places: Arc<Places>,
    /// At least one. All have the same hash; their mirrors may be others.
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) listener: Arc<dyn Listener>,
}

/// What a mirror said beside the bytes.
#[derive(Default)]
struct Said {
    resumed: bool,
    media_type: Option<String>,
    encoding: Option<String>,
}

impl Job<'_> {
    fn first(&self) -> &Wanted {
        &self.wanted[0]
    }

    fn hash(&self) -> &str {
        &self.first().source.hash
    }

    /// Gets them.
    pub(crate) async fn run(&self) -> Result<Came, Error> {
        let came = self.get().await?;
        for source in &self.wanted {
            match &came {
                Ok(how) => self.listener.hear(Event::Done { source, how }),
                Err(unfetched) => {
                    let source = &unfetched.clone().of(source);
                    self.listener.hear(Event::Unfetched { source });
                }
            }
        }
        Ok(came)
    }

    async fn get(&self) -> Result<Came, Error> {
        let mut missing = self.look().await?;
        if missing.is_empty() {
            return Ok(Ok(How::Present));
        }
        if self.put_stored(&mut missing).await? {
            return Ok(Ok(How::Stored));
        }
        let path = self
            .shared
            .store
            .path()
            .join(crate::store::partial(self.hash()));
        let mut attempts = Vec::new();
        let _slot = self.shared.open.acquire().await;
        let mut partial = self.open().await?;
        // Another process may have fetched it while this one waited for it.
        if self.put_stored(&mut missing).await? {
            partial.discard().at("remove", &path)?;
            return Ok(Ok(How::Stored));
        }
        // What was killed between its last byte and its final name is whole.
        if partial.found().await.at("write", &path)?.1 == self.hash() {
            let file = partial.finish().await.at("finish", &path)?;
            self.put(file, Contents::JustHashed, &mut missing).await?;
            return Ok(Ok(How::Stored));
        }
        for mirror in self.mirrors() {
            let source = self.first();
            let mirror = mirror.as_str();
            self.listener.hear(Event::Asked { source, mirror });
            let why = match self.try_mirror(mirror, &mut partial).await? {
                Ok(said) => {
                    let (bytes, found) = partial.found().await.at("write", &path)?;
                    if found == self.hash() {
                        let file = partial.finish().await.at("finish", &path)?;
                        self.put(file, Contents::JustHashed, &mut missing).await?;
                        let mirror = mirror.to_owned();
                        return Ok(Ok(How::Fetched { mirror, bytes }));
                    }
                    let kept = partial.wrong(&found).await.at("keep aside", &path)?;
                    partial = self.open().await?;
                    Why::Wrong {
                        found,
                        media_type: said.media_type,
                        encoding: said.encoding,
                        kept: Some(kept),
                    }
                }
                Err(why) => why,
            };
            let failed = Event::Failed {
                source,
                mirror,
                why: &why,
            };
            self.listener.hear(failed);
            attempts.push(Attempt {
                mirror: mirror.to_owned(),
                why,
            });
        }
        if partial.found().await.at("write", &path)?.0 == 0 {
            partial.discard().at("remove", &path)?;
        }
        Ok(Err(Unfetched {
            wanted: Box::new(self.first().clone()),
            attempts: attempts.into(),
        }))
    }

    /// Returns all mirrors, each once, in the order in which they are tried.
    fn mirrors(&self) -> Vec<String> {
        let config = &self.shared.config;
        let own = self
            .wanted
            .iter()
            .flat_map(|one| one.source.mirrors.iter().cloned());
        let by_hash = config
            .by_hash
            .iter()
            .map(|template| template.of(self.hash()));
        let all: Vec<String> = if config.by_hash_first {
            by_hash.chain(own).collect()
        } else {
            own.chain(by_hash).collect()
        };
        let mut mirrors = Vec::new();
        for mirror in all {
            if !mirrors.contains(&mirror) {
                mirrors.push(mirror);
            }
        }
        mirrors
    }

    /// Does work with files on a thread that may wait for them, while others do the same.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.shared.work.acquire().await;
        let done = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::Ended);
        drop(permit);
        done?
    }

    /// Looks at all places. Returns those that it is missing from, each with what is there instead; what is
    /// right is taken into the store, if that does not have it.
    async fn look(&self) -> Result<Vec<Wanted>, Error> {
        let (shared, all) = (Arc::clone(self.shared), self.wanted.clone());
        let (missing, right) = self
            .work(move || {
                let config = &shared.config;
                let (mut missing, mut right) = (Vec::new(), None);
                for one in all {
                    match look(&config.tree, &config.hashes, &one, config.transfer.largest)? {
                        There::Right(_) => right = Some(one),
                        _ => missing.push(one),
                    }
                }
                Ok((missing, right))
            })
            .await?;
        if let Some(right) = right {
            self.store(&right).await?;
        }
        Ok(missing)
    }

    /// Takes a file that lies where it belongs into the store, if that does not have it.
    async fn store(&self, right: &Wanted) -> Result<(), Error> {
        let _slot = self.shared.open.acquire().await;
        let store = &self.shared.store;
        let path = store.path().join(whole(self.hash()));
        if store.size(self.hash()).at("read", &path)?.is_some() {
            return Ok(());
        }
        let stored = async {
            let mut partial = self.open().await?;
            let file = beneath::open(self.shared.config.tree.join(right.path()));
            let file = file.at("open", &right.path())?;
            partial.take_file(file).await.at("write", &path)?;
            if partial.found().await.at("write", &path)?.1 == self.hash() {
                partial.finish().await.at("finish", &path)?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = stored.await {
            // It is where it belongs, so that nothing fails for this.
            let why = std::error::Error::source(&error)
                .map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("it is not put into the store, since stagex {error}{why}");
            self.listener.hear(Event::Notice {
                source: right,
                message: &message,
            });
        }
        Ok(())
    }

    /// Puts what the store has where it is missing. Tells whether nothing is missing any more.
    async fn put_stored(&self, missing: &mut Vec<Wanted>) -> Result<bool, Error> {
        let store = &self.shared.store;
        let path = store.path().join(whole(self.hash()));
        let Some(file) = store.file(self.hash()).at("open", &path)? else {
            return Ok(false);
        };
        let Some(found) = self.put(file, Contents::Found, missing).await? else {
            store.used(self.hash()).at("set the time of", &path)?;
            return Ok(true);
        };
        let kept = store.damaged(self.hash(), &found).at("keep aside", &path)?;
        self.listener.hear(Event::Notice {
            source: self.first(),
            message: &format!(
                "the store was damaged: its file had other contents, and is now {kept}"
            ),
        });
        Ok(false)
    }

    /// Puts copies of a file where they are missing. Returns its hash if that is not the right one.
    async fn put(
        &self,
        file: File,
        contents: Contents,
        missing: &mut Vec<Wanted>,
    ) -> Result<Option<String>, Error> {
        let shared = Arc::clone(self.shared);
        let places = Arc::clone(&self.places);
        let listener = Arc::clone(&self.listener);
        let all = std::mem::take(missing);
        let (rest, found) = self
            .work(move || {
                let mut all = all;
                while let Some(one) = all.last() {
                    let path = one.path();
                    keep_what_is_there(&shared, &*listener, one)?;
                    let found = places.put(&file, contents, one).at("write", &path)?;
                    if found != one.source.hash {
                        return Ok((all, Some(found)));
                    }
                    all.pop();
                }
                Ok((all, None))
            })
            .await?;
        *missing = rest;
        Ok(found)
    }

    /// Opens the partial file, which nobody else has then.
    async fn open(&self) -> Result<Partial, Error> {
        let store = Arc::clone(&self.shared.store);
        let path = store.path().join(crate::store::partial(self.hash()));
        let (source, listener) = (self.first().clone(), Arc::clone(&self.listener));
        // It may wait for another process: nobody here waits for that.
        let opening = tokio::task::spawn_blocking(move || {
            let source = &source;
            Partial::open(&store, &source.source.hash, &|| {
                listener.hear(Event::Waiting { source });
            })
        });
        opening.await.map_err(|_| Error::Ended)?.at("open", &path)
    }

    /// Has a mirror fill the partial file. Whether that is the source is not known then.
    async fn try_mirror(
        &self,
        mirror: &str,
        partial: &mut Partial,
    ) -> Result<Result<Said, Why>, Error> {
        let config = &self.shared.config;
        let file = match Mirror::parse(mirror) {
            Err(error) => return Ok(Err(error.into())),
            Ok(Mirror::Address(_)) if config.offline => return Ok(Err(Why::Offline)),
            Ok(Mirror::Address(address)) => return self.download(mirror, &address, partial).await,
            Ok(Mirror::InTree(path)) => self.places.file(&path),
            Ok(Mirror::Elsewhere(path)) => match allowed(&config.directories, &path) {
                None => return Ok(Err(Why::NotAllowed)),
                Some((directory, path)) => {
                    Directory::open(directory).and_then(|directory| directory.file(path))
                }
            },
        };
        let file = match file {
            Ok(file) => file,
            Err(error) => return Ok(Err(Why::File(error))),
        };
        let path = self
            .shared
            .store
            .path()
            .join(crate::store::partial(self.hash()));
        partial.take_file(file).await.at("write", &path)?;
        Ok(Ok(Said::default()))
    }

    async fn download(
        &self,
        mirror: &str,
        address: &transfer::Address,
        partial: &mut Partial,
    ) -> Result<Result<Said, Why>, Error> {
        let path = self
            .shared
            .store
            .path()
            .join(crate::store::partial(self.hash()));
        mirror.clone_into(&mut partial.mirror);
        // What was continued and is wrong is fetched once more from its beginning: the part of an earlier
        // time may be what is wrong.
        for is_last in [false, true] {
            let source = self.first();
            let hear = |event: transfer::Event<'_>| {
                self.listener.hear(match event {
                    transfer::Event::Began { from, length } => Event::Sends {
                        source,
                        from,
                        length,
                    },
                    transfer::Event::Arrived(bytes) => Event::Arrived { source, bytes },
                    transfer::Event::Again { error, pause } => Event::Again {
                        source,
                        mirror,
                        why: error,
                        pause,
                    },
                });
            };
            let downloaded = match self.shared.client.download(address, partial, &hear).await {
                Ok(downloaded) => downloaded,
                Err(transfer::Error::Sink(error)) => return Err(error).at("write", &path),
                Err(error @ transfer::Error::TooLarge(_)) => {
                    partial.clear().await.at("write", &path)?;
                    return Ok(Err(error.into()));
                }
                Err(error) => return Ok(Err(error.into())),
            };
            let said = Said {
                resumed: downloaded.resumed,
                media_type: downloaded.media_type,
                encoding: downloaded.encoding,
            };
            let is_right = partial.found().await.at("write", &path)?.1 == self.hash();
            if is_right || is_last || !said.resumed {
                return Ok(Ok(said));
            }
            partial.forget().at("remove the note of", &path)?;
        }
        Err(Error::Ended)
    }
}

/// Keeps a copy of a file that lies where a source belongs and has other contents: somebody may have put it there.
fn keep_what_is_there(
    shared: &Shared,
    listener: &dyn Listener,
    source: &Wanted,
) -> Result<(), Error> {
    let config = &shared.config;
    let There::Wrong(found) = look(
        &config.tree,
        &config.hashes,
        source,
        config.transfer.largest,
    )?
    else {
        return Ok(());
    };
    let path = source.path();
    let file = beneath::open(config.tree.join(&path)).at("open", &path)?;
    let store = &shared.store;
    let kept = store
        .aside
        .take(&store.directory, &file, &source.source.hash, &found);
    let kept: Option<Utf8PathBuf> = kept.at("keep aside", &path)?;
    let kept = kept.map_or_else(
        || "not kept, since it is too large".to_owned(),
        |kept| format!("kept as {}", store.path().join(kept)),
    );
    listener.hear(Event::Notice {
        source,
        message: &format!(
            "{path} had other contents, sha256 {found}, and is replaced; they are {kept}"
        ),
    });
    Ok(())
}
