//! Builds what `make` asks for by a server of the Remote Execution API.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use backend_api::{Backend, Network, Ready, Variations};
use bazel_remote_apis::build::bazel::remote::execution::v2::execution_stage::Value as Stage;
use build::{
    Chosen, Destination, ImageSet, Listener, Log, Order, Recipe, Refusal, Session, Work, blocking,
    check_platforms, unless,
};
use camino::{Utf8Path, Utf8PathBuf};
use make::Executor;
use oci_image::{Digest, put_together_as};
use state::{Access, Directories};
use tokio::sync::{OnceCell, watch};

use crate::action::{self, Action, Program};
use crate::client::{Client, Done};
use crate::error::Error;
use crate::output;
use crate::retry::again;
use crate::server::{RUNTIME, Server};
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
    /// No result is taken from the server's cache.
    no_cache: bool,
    network: Network,
    opened: OnceCell<Opened>,
}

/// What is known once the tree is open.
#[derive(Debug)]
struct Opened {
    directories: Directories,
    client: Client,
    program: Arc<Program>,
}

impl Remote {
    /// Builds by a server, whose workers run `program` with a backend that is not started here. With `no_cache`, no
    /// result is taken from the server's cache.
    pub fn new(
        server: Server,
        program: &Utf8Path,
        (backend, ready): (Arc<dyn Backend>, Ready),
        no_cache: bool,
        network: Network,
    ) -> Self {
        Self {
            server,
            program: program.to_owned(),
            backend,
            ready,
            no_cache,
            network,
            opened: OnceCell::new(),
        }
    }

    /// Has an action carried out, unless the server has its result.
    async fn carry_out(&self, client: &Client, action: &Action, log: &Log) -> Result<Done, Error> {
        if !self.no_cache
            && let Some(result) = client.cached(&action.digest).await?
        {
            return Ok(Done {
                result,
                is_cached: true,
            });
        }
        let sent = client.upload(&action.blobs).await?;
        log.line(&format!("{}: {sent} bytes were sent", self.server.address));
        let heard = |stage| {
            let word = match stage {
                Stage::CacheCheck => "looks for a result",
                Stage::Queued => "has queued it",
                Stage::Executing => "builds it",
                Stage::Completed | Stage::Unknown => return,
            };
            log.line(&format!("{} {word}", self.server.address));
        };
        let done = again(|| client.execute(&action.digest, self.no_cache, &heard));
        let mut done = done
            .await
            .map_err(|status| client.failed("build it", status))?;
        if done.is_cached && done.result.exit_code != 0 {
            // A failure may have been the worker's, and another worker may do better.
            let done_anew = again(|| client.execute(&action.digest, true, &heard));
            done = done_anew
                .await
                .map_err(|status| client.failed("build it", status))?;
        }
        Ok(done)
    }

    /// Has an action carried out, and its image downloaded and verified into the directory `to`.
    async fn obtain(
        &self,
        client: &Client,
        action: &Action,
        to: &Utf8Path,
        log: &Log,
    ) -> Result<ImageSet, Error> {
        let start = Instant::now();
        let Done { result, is_cached } = self.carry_out(client, action, log).await?;
        if let Some(text) = output::log(client, &result).await {
            text.lines().for_each(|line| log.line(line));
        }
        if result.exit_code != 0 {
            let said = output::errors(client, &result).await;
            return Err(worker::failure(
                result.exit_code,
                &said,
                &self.server.address,
            ));
        }
        let (image, bytes) = output::image(client, &result, to).await?;
        let worker = result.execution_metadata.map(|metadata| metadata.worker);
        let worker = worker.filter(|worker| !worker.is_empty());
        let by = worker.map_or(String::new(), |worker| format!(" by {worker}"));
        let server = &self.server.address;
        if is_cached {
            log.notice(&format!(
                "{server} had it already{by}: it was not built now"
            ));
        } else {
            let seconds = start.elapsed().as_secs();
            log.line(&format!("{server} built it{by} in {seconds} s"));
        }
        log.line(&format!("{server}: {bytes} bytes were received"));
        Ok(image)
    }
}

#[async_trait]
impl Executor for Remote {
    fn runtime(&self) -> &str {
        RUNTIME
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
            let client = Client::connect(&self.server.address).await?;
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
        let action = blocking(move || action::of(&resolved, &program, network, &server)).await?;

        let (directories, name) = (opened.directories.clone(), recipe.name.clone());
        let work = blocking(move || Work::begin(&directories, &name)).await?;
        let layout = work.directory().join("layout");
        let obtaining = async {
            let image = self.obtain(&opened.client, &action, &layout, log).await?;
            Ok(image)
        };
        let obtained = unless(interrupted.clone(), obtaining).await;
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
