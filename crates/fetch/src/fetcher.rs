//! The fetcher: what is missing of many sources, and getting it, each different one once.
//!
//! How one source is got is said in `job`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use beneath::Directory;
use camino::Utf8Path;
use tokio::task::JoinSet;

use crate::check::{CheckedSource, Checking, check};
use crate::config::Config;
use crate::error::{Error, IoContext as _};
use crate::event::{Event, Listener};
use crate::job::Job;
use crate::listing::{Listed, list};
use crate::meter::Meter;
use crate::newest::{Newest, line, newest};
use crate::place::Places;
use crate::report::{Attempt, Report, Unfetched};
use crate::seed::{self, Exported, Form, Imported, Input, Told};
use crate::shared::{Came, Shared};
use crate::store::Store;
use crate::verify::{Verified, Which, verify};
use crate::wanted::Wanted;

/// Fetches sources. Its copies share their connections, limits and locks.
#[derive(Debug, Clone)]
pub struct Fetcher {
    shared: Arc<Shared>,
}

impl Fetcher {
    /// Makes a fetcher, and the directories of its store.
    ///
    /// # Errors
    ///
    /// The store cannot be opened, or a proxy is not named as one is.
    pub fn new(config: Config) -> Result<Self, Error> {
        let store = Store::open(&config.store).at("open the store", &config.store)?;
        Ok(Self {
            shared: Arc::new(Shared::new(config, store)?),
        })
    }

    /// Says what is there of sources and what is missing, without the network. What was hashed before, and has not
    /// changed, is not hashed again.
    pub fn list(&self, wanted: &[Wanted]) -> Result<Vec<Listed>, Error> {
        let Config {
            tree,
            hashes,
            transfer,
            ..
        } = &self.shared.config;
        let list = |one| list(tree, hashes, &self.shared.store, one, transfer.largest);
        let listed = wanted.iter().map(list).collect();
        hashes.write()?;
        listed
    }

    /// Fetches sources, and puts them where they belong. One that cannot be had keeps nobody from the others.
    ///
    /// It can be given up at any time by dropping the future: what has arrived is continued the next time.
    ///
    /// # Errors
    ///
    /// What has nothing to do with a single source, such as a full disk. Nothing is lost then either.
    pub async fn fetch(
        &self,
        wanted: &[Wanted],
        listener: &Arc<dyn Listener>,
    ) -> Result<Report, Error> {
        let mut of_hashes: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for one in wanted {
            of_hashes
                .entry(&one.source.hash)
                .or_default()
                .push(one.clone());
        }
        let sources = wanted.len();
        listener.hear(Event::Began { sources });
        let root = self.shared.config.tree.clone();
        let places = Arc::new(Places::open(&root).at("open", &root)?);
        let mut running = JoinSet::new();
        for (hash, wanted) in of_hashes {
            let shared = Arc::clone(&self.shared);
            let (places, listener) = (Arc::clone(&places), Arc::clone(listener));
            let hash = hash.to_owned();
            running.spawn(async move {
                let lock = shared.lock(&hash);
                let _lock = lock.lock().await;
                let job = Job {
                    shared: &shared,
                    places,
                    wanted,
                    listener,
                };
                let came = job.run().await?;
                Ok::<_, Error>((hash, came))
            });
        }
        let mut came: BTreeMap<String, Came> = BTreeMap::new();
        while let Some(ended) = running.join_next().await {
            let (hash, one) = ended.map_err(|_| Error::Ended)??;
            came.insert(hash, one);
        }
        let keep: BTreeSet<String> = came.keys().cloned().collect();
        let (store, limit) = (&self.shared.store, self.shared.config.limit);
        store.bound(limit, &keep).at("clear", store.path())?;
        self.shared.config.hashes.write()?;
        let of = |one: &Wanted| {
            let came = came.get(&one.source.hash).cloned().ok_or(Error::Ended)?;
            Ok((one.clone(), came.map_err(|unfetched| unfetched.of(one))))
        };
        let sources = wanted.iter().map(of).collect::<Result<_, Error>>()?;
        Ok(Report { sources })
    }

    /// Writes sources that are where they belong to `name` in `directory`, as one OCI artifact. It is there whole or
    /// not at all. Once it is told to stop this ends, and nothing is left.
    pub fn export(
        &self,
        wanted: &[Wanted],
        directory: &Directory,
        name: &Utf8Path,
        form: Form,
        told: Told<'_>,
    ) -> Result<Exported, Error> {
        let tree = &self.shared.config.tree;
        seed::export(tree, wanted, directory, name, form, told)
    }

    /// Puts the sources of an artifact that was exported into the store. `path` is what it is called in messages.
    pub async fn import(
        &self,
        path: &Utf8Path,
        input: Input,
        meter: &Arc<dyn Meter>,
    ) -> Result<Imported, Error> {
        seed::import(&self.shared, path, input, meter).await
    }

    /// Hashes what is there of sources, in the tree and in the store, moves aside what is damaged, and fetches that
    /// again. The meter is let go before that.
    pub async fn verify(
        &self,
        wanted: &[Wanted],
        which: Which,
        meter: Arc<dyn Meter>,
        listener: &Arc<dyn Listener>,
    ) -> Result<Verified, Error> {
        let (shared, all) = (Arc::clone(&self.shared), wanted.to_vec());
        let hashing = tokio::task::spawn_blocking(move || verify(&shared, &all, which, &*meter));
        let mut verified = hashing.await.map_err(|_| Error::Ended)??;
        let damaged = verified.damaged_of(wanted);
        if !damaged.is_empty() {
            verified.fetched = self.fetch(&damaged, listener).await?;
        }
        Ok(verified)
    }

    /// Finds out what the first mirror of a source that works has now. Nothing is kept.
    pub async fn newest(&self, wanted: &Wanted) -> Result<(String, Newest), Unfetched> {
        let mut attempts = Vec::new();
        for mirror in &wanted.source.mirrors {
            match newest(&self.shared, mirror).await {
                Ok(newest) => return Ok((mirror.clone(), newest)),
                Err(why) => attempts.push(Attempt {
                    mirror: mirror.clone(),
                    why,
                }),
            }
        }
        Err(Unfetched {
            wanted: Box::new(wanted.clone()),
            attempts: attempts.into(),
        })
    }

    /// Returns where the hash of a source stands, relative to the tree: `packages/core/musl/package.toml:13`.
    pub fn line(&self, wanted: &Wanted) -> String {
        line(&self.shared.config.tree, wanted)
    }

    /// Checks the mirrors of sources, within the limits of the client. Nothing is kept.
    pub async fn check_mirrors(
        &self,
        wanted: &[Wanted],
        checking: Checking,
        meter: &dyn Meter,
    ) -> Result<Vec<CheckedSource>, Error> {
        let mut running = JoinSet::new();
        for (source, listed) in self.list(wanted)?.into_iter().enumerate() {
            let mirrors = listed.wanted.source.mirrors.clone();
            for (place, mirror) in mirrors.into_iter().enumerate() {
                let (shared, listed) = (Arc::clone(&self.shared), listed.clone());
                running.spawn(async move {
                    let (wanted, bytes) = (&listed.wanted, listed.bytes);
                    let checked = check(&shared, wanted, mirror, bytes, checking).await;
                    ((source, place), checked)
                });
            }
        }
        meter.all(running.len() as u64);
        let mut checked = BTreeMap::new();
        while let Some(ended) = running.join_next().await {
            let (place, mirror) = ended.map_err(|_| Error::Ended)?;
            meter.done(1);
            checked.insert(place, mirror);
        }
        let mut sources: Vec<_> = wanted
            .iter()
            .map(|wanted| CheckedSource {
                wanted: wanted.clone(),
                mirrors: Vec::new(),
            })
            .collect();
        for ((source, _), mirror) in checked {
            sources[source].mirrors.push(mirror);
        }
        Ok(sources)
    }
}
