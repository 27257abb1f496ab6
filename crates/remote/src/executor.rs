//! Builds what `make` asks for by a server of the Remote Execution API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backend_api::{Backend, Event, Events as _, Network, Ready, Variations};
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    ActionResult, execution_stage::Value as Stage,
};
use bazel_remote_apis::google::protobuf::Timestamp;
use build::{
    Chosen, Destination, ImageSet, Listener, Log, Order, Recipe, Refusal, Session, Work, blocking,
    check_platforms, unless,
};
use camino::{Utf8Path, Utf8PathBuf};
use make::Executor;
use oci_image::{Digest, put_together_as};
use state::{Access, Directories};
use tokio::sync::{OnceCell, watch};
use tonic::Code;

use crate::action::{self, Action, Program};
use crate::address::Address;
use crate::begun::Begun;
use crate::client::Client;
use crate::error::Error;
use crate::execution::{Execution, Hears, Name};
use crate::output;
use crate::server::{RUNTIME, Server};
use crate::summary::{Counts, Summary};
use crate::worker;

/// Builds by a server.
#[derive(Debug)]
pub struct Remote {
    server: Server,
    /// The program that workers run: this one.
    program: Utf8PathBuf,
    /// What builds there; nothing is built with it here.
    backend: Arc<dyn Backend>,
    ready: Ready,
    cache: Cache,
    network: Network,
    counts: Counts,
    opened: OnceCell<Opened>,
}

/// What is done with the results that a server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// One that is there is taken, and what is built is kept.
    Used,
    /// None is taken; what is built is kept.
    Renewed,
    /// None is taken, and none is kept.
    Unused,
}

/// What is known once the tree is open.
#[derive(Debug)]
struct Opened {
    directories: Directories,
    client: Client,
    program: Arc<Program>,
}

impl Remote {
    /// Builds by a server, whose workers run `program` with a backend that is not started here.
    pub fn new(
        server: Server,
        program: &Utf8Path,
        (backend, ready): (Arc<dyn Backend>, Ready),
        cache: Cache,
        network: Network,
    ) -> Self {
        Self {
            server,
            program: program.to_owned(),
            backend,
            ready,
            cache,
            network,
            counts: Counts::default(),
            opened: OnceCell::new(),
        }
    }

    /// Returns what the server has done so far.
    pub fn summary(&self) -> Summary {
        self.counts.get()
    }

    /// Has an action carried out, unless the server has its result, and its image downloaded and verified into the
    /// directory `to`.
    async fn obtain(
        &self,
        client: &Client,
        action: &Action,
        to: &Utf8Path,
        told: &Told<'_>,
        name: &Name,
    ) -> Result<ImageSet, Error> {
        let mut skip_cache = self.cache != Cache::Used;
        if !skip_cache && let Some(result) = client.cached(&action.digest).await? {
            match self.keep(client, &result, to, told).await {
                Err(Error::Call { status, .. }) if status.code() == Code::NotFound => {
                    told.again("the server has a result of it, and has lost the image");
                    skip_cache = true;
                    // What was received of it is of no use.
                    let _ = std::fs::remove_dir_all(to);
                }
                kept => {
                    let image = kept?;
                    let server = &self.server.address;
                    let by =
                        worker(&result).map_or(String::new(), |worker| format!(", by {worker}"));
                    let message = format!("{server} had it already{by}: it was not built now");
                    told.log.notice(&message);
                    told.counts.add(|counts| counts.cached += 1);
                    return Ok(image);
                }
            }
        }
        let sent = client.upload(&action.blobs).await?;
        told.line(&format!("{sent} bytes were sent"));
        told.counts.add(|counts| counts.sent += sent);
        let start = Instant::now();
        let execution = Execution::new(client, action, told, name);
        let done = execution.run(skip_cache).await?;
        let image = self.keep(client, &done.result, to, told).await?;
        let busy = busy(&done.result).unwrap_or_else(|| start.elapsed());
        told.counts.add(|counts| {
            counts.built += 1;
            counts.busy += busy;
        });
        let seconds = start.elapsed().as_secs();
        match worker(&done.result) {
            Some(worker) => {
                told.log.worker(worker);
                told.line(&format!("built it by {worker} in {seconds} s"));
            }
            None => told.line(&format!("built it in {seconds} s")),
        }
        Ok(image)
    }

    /// Takes the result of an action: its log, why it failed if it did, or its image.
    async fn keep(
        &self,
        client: &Client,
        result: &ActionResult,
        to: &Utf8Path,
        told: &Told<'_>,
    ) -> Result<ImageSet, Error> {
        if let Some(text) = output::log(client, result).await {
            text.lines().for_each(|line| told.log.line(line));
        }
        if result.exit_code != 0 {
            let said = output::errors(client, result).await;
            let server = &self.server.address;
            return Err(worker::failure(result.exit_code, &said, server));
        }
        let (image, bytes) = output::image(client, result, to).await?;
        let (found, expected) = (image.images().len(), told.platforms);
        if found != expected {
            let problem = format!("its image is for {found} platforms, and not for {expected}");
            return Err(client.wrong(problem));
        }
        told.line(&format!("{bytes} bytes were received"));
        told.counts.add(|counts| counts.received += bytes);
        Ok(image)
    }
}

/// Returns what the server calls the worker, if it says that.
fn worker(result: &ActionResult) -> Option<&str> {
    let worker = result.execution_metadata.as_ref()?.worker.as_str();
    (!worker.is_empty()).then_some(worker)
}

/// Returns how long a worker has built, if the server says that.
fn busy(result: &ActionResult) -> Option<Duration> {
    let metadata = result.execution_metadata.as_ref()?;
    let (start, end) = (
        metadata.worker_start_timestamp.as_ref()?,
        metadata.worker_completed_timestamp.as_ref()?,
    );
    let nanoseconds =
        |time: &Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let between = nanoseconds(end).checked_sub(nanoseconds(start))?;
    Some(Duration::from_nanos(u64::try_from(between).ok()?))
}

/// Writes into a package's log what happens at a server.
struct Told<'a> {
    server: &'a Address,
    /// For how many platforms it is built.
    platforms: usize,
    log: &'a Log,
    counts: &'a Counts,
}

impl Told<'_> {
    fn line(&self, message: &str) {
        let line = format!("{}: {message}", self.server);
        self.log.emit(Event::Output { step: None, line });
    }
}

impl Hears for Told<'_> {
    fn stage(&self, stage: Stage) {
        match stage {
            Stage::CacheCheck => self.line("looks for a result"),
            Stage::Queued => self.line("has queued it"),
            Stage::Executing => self.line("builds it"),
            Stage::Completed | Stage::Unknown => {}
        }
    }

    fn again(&self, why: &str) {
        self.counts.add(|counts| counts.again += 1);
        let message = format!("{} builds it again: {why}", self.server);
        self.log.notice(&message);
    }
}

#[async_trait]
impl Executor for Remote {
    fn runtime(&self) -> &str {
        RUNTIME
    }

    fn takes_memory_here(&self) -> bool {
        false
    }

    fn check_platforms(&self, platforms: &[String]) -> Result<(), build::Error> {
        check_platforms(&self.ready, platforms)
    }

    fn refusals(&self, recipe: &Recipe) -> Vec<Refusal> {
        let chosen = Chosen {
            runtime: RUNTIME,
            capabilities: &self.ready.capabilities,
            network: self.network,
        };
        build::refusals(&chosen, recipe)
    }

    async fn open(
        &self,
        directories: &Directories,
        listener: &Arc<dyn Listener>,
    ) -> Result<Session, build::Error> {
        let backend = self.backend.as_ref();
        let session = Session::open(directories, Access::Alone, backend, listener).await?;
        let opening = async {
            let client = Client::connect(&self.server).await?;
            let path = self.program.clone();
            let program = Arc::new(blocking(move || Program::read(&path)).await?);
            Ok::<_, Error>(Opened {
                directories: directories.clone(),
                client,
                program,
            })
        };
        self.opened.get_or_try_init(|| opening).await?;
        Ok(session)
    }

    async fn execute(
        &self,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, build::Error> {
        let opened = self.opened.get().expect("the tree was opened before");
        let Order {
            resolved,
            destination,
            varied,
            keep,
        } = order;
        if varied != Variations::default() {
            let message = "nothing can be varied around what a server builds".to_owned();
            return Err(Error::Unsupported(message).into());
        }
        let recipe = resolved[0].recipe.clone();
        let (program, network) = (Arc::clone(&opened.program), self.network);
        let server = self.server.clone();
        let is_kept = self.cache != Cache::Unused;
        let action = move || action::of(&resolved, &program, network, (&server, is_kept));
        let action = blocking(action).await?;

        let (directories, name) = (opened.directories.clone(), recipe.name.clone());
        let work = blocking(move || Work::begin(&directories, &name)).await?;
        let layout = work.directory().join("layout");
        let server = &self.server.address;
        let begun = Begun::of(&opened.directories, &recipe.name, server, &action.digest);
        let (name, told) = (
            Name::of(begun),
            Told {
                server: &self.server.address,
                platforms: recipe.platforms.len(),
                log,
                counts: &self.counts,
            },
        );
        let obtaining = async {
            let obtained = self.obtain(&opened.client, &action, &layout, &told, &name);
            Ok(obtained.await?)
        };
        let obtained = unless(interrupted.clone(), obtaining).await;
        if matches!(obtained, Err(build::Error::Interrupted)) {
            Execution::cancel(&opened.client, &name).await;
        }
        let directory = work.directory().to_owned();
        let put = move |image: ImageSet| {
            let destination = match destination {
                Destination::Directory(directory) => directory,
                Destination::Work => directory.join("image"),
            };
            let called = (recipe.repository.as_str(), recipe.tag.as_str());
            let images = image.images();
            put_together_as(images, recipe.profile, called, &destination)
                .map_err(state::Error::from)?;
            let image = ImageSet::open(&destination).map_err(state::Error::from)?;
            keep(&image)?;
            Ok(image.digest())
        };
        let result = match obtained {
            Ok(image) => blocking(move || put(image)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = blocking(move || work.end(false)).await {
            log.notice(&error.to_string());
        }
        result
    }

    async fn close(&self, session: Session) -> Result<(), build::Error> {
        session.close(self.backend.as_ref()).await
    }
}
