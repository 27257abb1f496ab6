//! An executor that has each image built several times, with what surrounds the builds varied, and finds out what
//! broke an image that does not come out the same.
//!
//! It does not know what is recorded of the image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backend_api::{Variation, Variations};
use build::{
    Destination, Error, Listener, Log, Order, Recipe, Refusal, Resolved, Session, blocking,
};
use make::Executor;
use oci_image::Digest;
use state::{Directories, IoContext as _};
use tokio::sync::watch;

/// What broke an image that differs although nothing was varied.
const CHANCE: &str = "chance or time";
/// What broke an image that differs only if several things are varied at once.
const TOGETHER: &str = "several variations together";

/// Has each image built several times by another executor.
#[derive(Debug)]
pub(crate) struct Rounds {
    inner: Arc<dyn Executor>,
    directories: Directories,
    /// What is varied in each round but the first, which varies nothing.
    varied: Vec<Variations>,
    built: Mutex<BTreeMap<String, Rebuilt>>,
}

/// How an image came out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rebuilt {
    pub(crate) rounds: Vec<Built>,
    /// The variation that changes it, if the rounds differ.
    pub(crate) broken_by: Option<String>,
}

/// One build of an image.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) varied: Variations,
    /// Each platform with the digest of its image.
    pub(crate) images: Vec<(String, Digest)>,
    pub(crate) duration: Duration,
}

impl Rounds {
    /// Has each image built `rounds` times. Every second round varies all that the runtime `varies`; those between
    /// vary nothing, so that what depends on chance or on the time shows as well.
    pub(crate) fn new(
        inner: Arc<dyn Executor>,
        directories: Directories,
        rounds: u32,
        varies: &BTreeSet<Variation>,
    ) -> Self {
        let of_round = |round: u32| {
            let varied = varies.iter().copied().filter(|_| round.is_multiple_of(2));
            varied.collect()
        };
        Self {
            inner,
            directories,
            varied: (2..=rounds).map(of_round).collect(),
            built: Mutex::default(),
        }
    }

    /// Returns how an image came out, once.
    pub(crate) fn take(&self, package: &str) -> Rebuilt {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.remove(package).unwrap_or_default()
    }

    fn note(&self, package: &str, rebuilt: Rebuilt) {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.insert(package.to_owned(), rebuilt);
    }

    /// Has an image built once.
    async fn build(
        &self,
        work: &Work<'_>,
        varied: &Variations,
        place: Place,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Built, Error> {
        let start = Instant::now();
        let images = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&images);
        let order = Order {
            resolved: work.resolved.clone(),
            destination: match place {
                Place::Kept(destination) => destination,
                Place::Beside(round) => {
                    Destination::Directory(self.directories.output(&beside(work.name, round)))
                }
                Place::Nowhere => Destination::Work,
            },
            varied: varied.clone(),
            keep: Box::new(move |image| {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = image.platforms();
                Ok(())
            }),
        };
        self.inner.execute(order, work.log, interrupted).await?;
        let images = images
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Ok(Built {
            varied: varied.clone(),
            images,
            duration: start.elapsed(),
        })
    }

    /// Has an image built in all rounds, and finds out what broke it if they differ.
    async fn rebuild(
        &self,
        work: &Work<'_>,
        place: Destination,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Rebuilt, Error> {
        let (nothing, first) = (Variations::default(), Place::Kept(place));
        let plain = self.build(work, &nothing, first, interrupted).await?;
        let mut rounds = vec![plain.clone()];
        for (round, varied) in (2..).zip(&self.varied) {
            work.log.line(&format!("round {round}:"));
            let place = Place::Beside(round);
            rounds.push(self.build(work, varied, place, interrupted).await?);
        }
        let different = rounds.iter().find(|round| round.images != plain.images);
        let broken_by = match different.map(|round| round.varied.clone()) {
            Some(varied) => Some(self.bisect(work, &plain, &varied, interrupted).await?),
            None => None,
        };
        Ok(Rebuilt { rounds, broken_by })
    }

    /// Removes the images of all rounds but those that are not what the first has made.
    fn clear(&self, name: &str, rounds: &[Built]) -> Result<(), Error> {
        let Some(out) = self.directories.open_out()? else {
            return Ok(());
        };
        let prefix = format!("{name}@");
        for entry in out.entries().at("read", &self.directories.out())? {
            let round = entry.name.strip_prefix(&prefix);
            let Some(round) = round.and_then(|round| round.parse::<usize>().ok()) else {
                continue;
            };
            let round = round.checked_sub(1).and_then(|place| rounds.get(place));
            if round.is_none_or(|round| round.images == rounds[0].images) {
                let path = self.directories.output(&entry.name);
                let removed = out.remove(entry.name.as_str().into());
                removed.at("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Finds out which variation changes an image that came out as `plain` where nothing was varied, and as something
    /// else where all of `varied` was.
    async fn bisect(
        &self,
        work: &Work<'_>,
        plain: &Built,
        varied: &Variations,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<String, Error> {
        let nothing = Variations::default();
        work.log
            .line("two rounds differ: once more, varying nothing:");
        let again = self
            .build(work, &nothing, Place::Nowhere, interrupted)
            .await?;
        if again.images != plain.images || varied.varied().next().is_none() {
            return Ok(CHANCE.to_owned());
        }
        for variation in varied.varied() {
            work.log.line(&format!("varying only {variation}:"));
            let one = [variation].into_iter().collect();
            let built = self.build(work, &one, Place::Nowhere, interrupted).await?;
            if built.images != plain.images {
                return Ok(variation.name().to_owned());
            }
        }
        Ok(TOGETHER.to_owned())
    }
}

/// What is built again and again.
struct Work<'a> {
    name: &'a str,
    resolved: Vec<Resolved>,
    log: &'a Arc<Log>,
}

/// Where an image of a round is put.
enum Place {
    /// Where it was asked for.
    Kept(Destination),
    /// Beside that, with the number of the round, to be compared.
    Beside(usize),
    /// Only its digest matters.
    Nowhere,
}

/// Returns the name of what a round made of a package, where that is not what the first made.
fn beside(name: &str, round: usize) -> String {
    format!("{name}@{round}")
}

#[async_trait]
impl Executor for Rounds {
    fn runtime(&self) -> &str {
        self.inner.runtime()
    }

    fn takes_memory_here(&self) -> bool {
        self.inner.takes_memory_here()
    }

    fn check_platforms(&self, platforms: &[String]) -> Result<(), Error> {
        self.inner.check_platforms(platforms)
    }

    fn refusals(&self, recipe: &Recipe) -> Vec<Refusal> {
        self.inner.refusals(recipe)
    }

    async fn open(
        &self,
        directories: &Directories,
        listener: &Arc<dyn Listener>,
    ) -> Result<Session, Error> {
        self.inner.open(directories, listener).await
    }

    /// What is done with the image is done when all rounds are over: whoever is killed before has not built it.
    async fn execute(
        &self,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let name = order.resolved[0].recipe.name.clone();
        let work = Work {
            name: &name,
            resolved: order.resolved.clone(),
            log,
        };
        let rebuilt = match self.rebuild(&work, order.destination, interrupted).await {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                // Rounds that were not finished are not compared, nor with what an earlier reproduction has left.
                self.clear(&name, &[])?;
                return Err(error);
            }
        };
        self.clear(&name, &rebuilt.rounds)?;
        self.note(&name, rebuilt);
        let directories = self.directories.clone();
        let keep = order.keep;
        blocking(move || {
            let image = directories.images(&name)?;
            keep(&image)?;
            Ok(image.digest())
        })
        .await
    }

    async fn close(&self, session: Session) -> Result<(), Error> {
        self.inner.close(session).await
    }
}
