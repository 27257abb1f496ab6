//! The backend itself: a request goes in, Docker builds it, and layers come out.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, Cache, ContextSource, EngineImage,
    EngineLayer, Error, Event, Events, LoadRequest, Loaded, NamedContext, Network, Operation,
};
use camino::{Utf8Path, Utf8PathBuf};
use image_store::{Given, Names, Store};
use oci_layout::{Layout, read_layout};
use probe_cache::ProbeCache;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::command::{Client, ID, Output};
use crate::error::{DockerError, Failure};
use crate::probe::{Engine, Results, probe};
use crate::progress::{Progress, Steps};

/// Our directory in a request's work directory, and what lies in it.
const OURS: &str = "docker";
const LAYOUT: &str = "image";
const TO_LOAD: &str = "to-load.tar";
const SAVED: &str = "saved.tar";
const DIRECTORY_CONTAINERFILE: &str = "directory.Containerfile";

/// Drives Docker by its command line.
#[derive(Debug)]
pub struct Docker {
    program: Option<Utf8PathBuf>,
    probe_cache: ProbeCache,
    /// What the first probe that found Docker ready has found.
    engine: OnceCell<Engine>,
    /// The notices that have been given: what holds for every build is said once.
    told: Mutex<BTreeSet<&'static str>>,
}

impl Docker {
    /// Drives the client called `program`, or the one on PATH. What earlier processes found out
    /// about it is in `probe_cache`.
    pub fn new(program: Option<Utf8PathBuf>, probe_cache: ProbeCache) -> Self {
        let (engine, told) = (OnceCell::new(), Mutex::default());
        Self {
            program,
            probe_cache,
            engine,
            told,
        }
    }

    async fn engine(&self) -> Result<&Engine, DockerError> {
        self.engine
            .get_or_try_init(|| probe(self.program.as_deref(), &self.probe_cache))
            .await
            .map_err(DockerError::Unavailable)
    }

    fn notice(&self, events: &dyn Events, message: &'static str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(message) {
            let message = message.to_owned();
            events.emit(Event::Notice { message });
        }
    }

    /// Returns the network for the build, and says what cannot be as asked.
    fn network(&self, engine: &Engine, request: &BuildRequest, events: &dyn Events) -> Network {
        if !engine.honours_limits {
            self.notice(
                events,
                "this version of Docker cannot set limits for a build: how many files a process may \
                 open is the daemon's own limit",
            );
        }
        if request.network == Network::Default && !engine.has_bridge {
            self.notice(
                events,
                "Docker's daemon has no bridge network: builds run without a network",
            );
            return Network::None;
        }
        request.network
    }

    /// Returns whether earlier results may be reused, and says so if they may not.
    fn cache(&self, engine: &Engine, request: &BuildRequest, events: &dyn Events) -> Cache {
        if request.cache != Cache::Refuse && !engine.cache_knows_owners {
            self.notice(
                events,
                "this version of Docker's cache considers files equal that differ only in their owners: \
                 nothing of earlier builds is reused",
            );
            return Cache::Refuse;
        }
        if request.cache != Cache::Refuse && request.hard_links {
            self.notice(
                events,
                "files of the context are hard links to each other, which Docker's cache takes for separate files: \
                 nothing of earlier builds is reused",
            );
            return Cache::Refuse;
        }
        request.cache.clone()
    }

    async fn try_build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, DockerError> {
        let engine = self.engine().await?;
        let request = &BuildRequest {
            cache: self.cache(engine, request, events),
            ..request.clone()
        };
        let ours = request.work.join(OURS);
        tokio::fs::create_dir_all(&ours)
            .await
            .map_err(|error| DockerError::from_io(format!("cannot make {ours}"), error))?;
        let result = match engine.results {
            Results::Layouts => self.build_layout(engine, request, &ours, events).await,
            Results::Named => self.build_named(engine, request, &ours, events).await,
        };
        if result.is_err() {
            // The build's own failure is what matters; whoever owns the directory sees the rest.
            let _ = remove_directory(&ours).await;
        }
        let (reference, also_made) = result?;
        Ok(BuiltImage {
            also_made,
            ..BuiltImage::of(request, reference)
        })
    }

    async fn build_layout(
        &self,
        engine: &Engine,
        request: &BuildRequest,
        ours: &Utf8Path,
        events: &dyn Events,
    ) -> Result<(String, Vec<String>), DockerError> {
        let contexts = contexts(&request.contexts)?;
        let network = self.network(engine, request, events);
        let directory = ours.join(LAYOUT);
        let output = Output::Layout(&directory);
        run_build(&engine.client, request, network, &contexts, output, events).await?;
        Ok((directory.into_string(), Vec::new()))
    }

    async fn build_named(
        &self,
        engine: &Engine,
        request: &BuildRequest,
        ours: &Utf8Path,
        events: &dyn Events,
    ) -> Result<(String, Vec<String>), DockerError> {
        let reference = request.key.name();
        let mut taken = image_store::own_names(request)?;
        taken.push(reference.clone());
        let network = self.network(engine, request, events);
        let store = engine.client.store();
        let names = Names::take(&store, taken);
        let built = async {
            put_contexts(&engine.client, &store, request, ours).await?;
            let output = Output::Store(&reference);
            run_build(&engine.client, request, network, &[], output, events).await
        };
        if let Err(error) = built.await {
            if let Err(left) = names.remove().await {
                let message = format!("names were left in Docker's store: {left}");
                events.emit(Event::Notice { message });
            }
            return Err(error);
        }
        let mut also_made = names.keep();
        also_made.pop();
        Ok((reference, also_made))
    }

    async fn try_export(
        &self,
        image: &BuiltImage,
        directory: &Utf8Path,
    ) -> Result<EngineImage, DockerError> {
        let engine = self.engine().await?;
        if engine.results == Results::Layouts {
            let (image, directory) = (image.clone(), directory.to_owned());
            let exported = spawn_blocking(move || export_layout(&image, &directory)).await;
            return exported
                .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
                .map_err(|source| DockerError::from_io("the layers cannot be written", source));
        }
        let archive = image.work.join(OURS).join(SAVED);
        let store = engine.client.store();
        Ok(store.export(image, &archive, directory).await?)
    }

    async fn try_load(&self, request: &LoadRequest) -> Result<Loaded, DockerError> {
        let store = self.engine().await?.client.store();
        let archive = request.work.join(TO_LOAD);
        let loading = store.load_layout(&request.layout, &request.name, &archive);
        Ok(loading.await?)
    }

    async fn try_remove(&self, image: BuiltImage) -> Result<(), DockerError> {
        let engine = self.engine().await?;
        if engine.results == Results::Named {
            let store = engine.client.store();
            let mut names = image.also_made;
            if names.is_empty() {
                // A build that was killed could not say what it had made by then.
                names = store.find(&image.key).await?;
            } else {
                names.push(image.reference);
            }
            Names::take(&store, names).remove().await?;
        }
        let ours = image.work.join(OURS);
        let removed = remove_directory(&ours).await;
        removed.map_err(|error| DockerError::from_io(format!("cannot remove {ours}"), error))
    }
}

#[async_trait]
impl Backend for Docker {
    fn id(&self) -> &str {
        ID
    }

    async fn probe(&self) -> Availability {
        let found = self
            .engine
            .get_or_try_init(|| probe(self.program.as_deref(), &self.probe_cache));
        match found.await {
            Ok(engine) => Availability::Ready(engine.ready.clone()),
            Err(unavailable) => Availability::Unavailable(unavailable),
        }
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let result = self.try_build(request, events).await;
        result.map_err(|error| in_operation(Operation::Build, error))
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let result = self.try_export(image, directory).await;
        result.map_err(|error| in_operation(Operation::Export, error))
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let result = self.try_remove(image).await;
        result.map_err(|error| in_operation(Operation::Remove, error))
    }

    fn can_load(&self) -> bool {
        true
    }

    async fn load(&self, request: &LoadRequest) -> Result<Loaded, Error> {
        let result = self.try_load(request).await;
        result.map_err(|error| in_operation(Operation::Load, error))
    }
}

fn in_operation(operation: Operation, error: DockerError) -> Error {
    Failure { operation, error }.into()
}

/// Removes a directory with all that is in it. That it is gone already is no error.
async fn remove_directory(directory: &Utf8Path) -> io::Result<()> {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the contexts as buildx takes them.
fn contexts(contexts: &[NamedContext]) -> Result<Vec<(String, String)>, DockerError> {
    let place = |context: &NamedContext| {
        let place = match &context.source {
            ContextSource::Directory(directory) => directory.to_string(),
            ContextSource::Image(directory) if directory.as_str().contains([':', '@']) => {
                return Err(DockerError::Unsupported {
                    what: format!("Docker cannot read the image in `{directory}`"),
                    hint: "move the tree to a path without `:` and `@`".to_owned(),
                });
            }
            ContextSource::Image(directory) => {
                let layout = open_layout(&context.name, directory)?;
                // Without the digest, buildx locks the layout by writing a file into it.
                format!("oci-layout://{directory}@sha256:{}", layout.top.hex)
            }
        };
        Ok((context.name.clone(), place))
    };
    contexts.iter().map(place).collect()
}

fn open_layout(name: &str, directory: &Utf8Path) -> Result<Layout, DockerError> {
    Layout::open(directory).map_err(|source| DockerError::File {
        what: format!("the image `{name}` cannot be read"),
        source,
    })
}

/// Puts the contexts into the daemon's store.
async fn put_contexts(
    client: &Client,
    store: &Store,
    request: &BuildRequest,
    ours: &Utf8Path,
) -> Result<(), DockerError> {
    let mut images = Vec::new();
    let mut directories = Vec::new();
    for NamedContext { name, source } in &request.contexts {
        match source {
            ContextSource::Image(layout) => {
                if open_layout(name, layout)?.layers.is_empty() {
                    // The daemon itself would end.
                    return Err(DockerError::Unsupported {
                        what: format!(
                            "Docker before 23 cannot build with the image `{name}`, which has no layers"
                        ),
                        hint: "begin with `scratch` instead, or use another runtime".to_owned(),
                    });
                }
                images.push(Given::new(name, layout).on(&request.platform));
            }
            ContextSource::Directory(directory) => directories.push((name, directory)),
        }
    }
    if !images.is_empty() {
        store.load(images, &ours.join(TO_LOAD)).await?;
    }
    for (name, directory) in directories {
        let containerfile = ours.join(DIRECTORY_CONTAINERFILE);
        tokio::fs::write(&containerfile, "FROM scratch\nCOPY . /\n")
            .await
            .map_err(|error| {
                DockerError::from_io(format!("cannot write {containerfile}"), error)
            })?;
        let build = client.build_directory(name, &containerfile, &request.platform, directory);
        let finished = build.run().await?;
        if !finished.succeeded() {
            return Err(DockerError::failed("docker build", finished.stderr));
        }
    }
    Ok(())
}

/// Runs the build, and says what it prints.
async fn run_build(
    client: &Client,
    request: &BuildRequest,
    network: Network,
    contexts: &[(String, String)],
    output: Output<'_>,
    events: &dyn Events,
) -> Result<(), DockerError> {
    let bases_are_images = matches!(output, Output::Store(_));
    let steps = Steps::new(&request.stages, bases_are_images);
    let mut progress = Progress::new(steps);
    let mut line = |_, text: &str| {
        let (step, line) = (progress.line(text), text.to_owned());
        events.emit(Event::Output { step, line });
    };
    let build = client.build(request, network, contexts, output);
    let finished = build.run_with(&mut line).await?;
    if finished.succeeded() {
        return Ok(());
    }
    let output = finished.stderr;
    Err(match progress.into_failed() {
        Some(failed) => DockerError::Instruction { failed, output },
        None => DockerError::failed("docker build", output),
    })
}

/// Gives the layers of the layout that was built their place in `directory`.
fn export_layout(image: &BuiltImage, directory: &Utf8Path) -> io::Result<EngineImage> {
    let layout = read_layout(Utf8Path::new(&image.reference), image)?;
    let mut layers = Vec::new();
    for (place, layer) in layout.layers.iter().enumerate() {
        let tar = image_store::layer_path(directory, place);
        // A link costs nothing, but does not reach another file system.
        std::fs::hard_link(&layer.tar, &tar)
            .or_else(|_| std::fs::copy(&layer.tar, &tar).map(drop))?;
        let step = layer.step;
        layers.push(EngineLayer { step, tar });
    }
    Ok(EngineImage { layers })
}

#[cfg(test)]
mod tests {
    use backend_api::{BuildKey, OpenFiles, Ready, Variations};

    use super::*;
    use crate::command::Client;
    use crate::grammar::Grammar;
    use crate::probe::capabilities;

    fn engine(cache_knows_owners: bool) -> Engine {
        Engine {
            client: Client::new("/docker".into()),
            ready: Ready {
                program: "/docker".into(),
                version: "20.10.24".to_owned(),
                details: Vec::new(),
                capabilities: capabilities(Grammar::default(), Results::Named),
            },
            results: Results::Named,
            has_bridge: true,
            honours_limits: false,
            cache_knows_owners,
        }
    }

    #[test]
    fn nothing_is_reused_that_may_have_other_owners_or_links() {
        let request = BuildRequest {
            key: BuildKey::new("core-x"),
            containerfile: "/c/Containerfile".into(),
            context: "/c/context".into(),
            contexts: Vec::new(),
            target: None,
            steps: Vec::new(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".into(),
            build_arguments: Vec::new(),
            network: Network::None,
            cache: Cache::Use {
                directory: "/k".into(),
                seal: None,
            },
            varied: Variations::default(),
            hard_links: false,
            open_files: OpenFiles { soft: 1, hard: 1 },
            work: "/w".into(),
        };
        let docker = Docker::new(None, ProbeCache::none());
        let cache = |knows| docker.cache(&engine(knows), &request, &());
        assert_eq!(cache(true), request.cache);
        assert_eq!(cache(false), Cache::Refuse);
        let linked = BuildRequest {
            hard_links: true,
            ..request.clone()
        };
        assert_eq!(docker.cache(&engine(true), &linked, &()), Cache::Refuse);
    }
}
