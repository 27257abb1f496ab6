//! The backend: what the trait asks, told to a worker.

use std::fs;

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, EngineImage, EngineLayer, Error, Event,
    Events, Operation,
};
use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::ProbeCache;
use process::Channel;
use tokio::sync::OnceCell;

use crate::command::{self, ID};
use crate::job::{Job, Message, layer_name, layers};
use crate::parse::Answer;
use crate::probe::{self, ProbeDetails};

/// Builds by itself, without an engine.
#[derive(Debug)]
pub struct Native {
    program: Utf8PathBuf,
    probe_cache: ProbeCache,
    found: OnceCell<ProbeDetails>,
}

impl Native {
    /// Prepares to build, by workers that are `program`, another one with this crate in it, or this
    /// program: also where it is called by the runtime's name, as engines are. What it keeps in `probe_cache`
    /// is which program leads to the network: whether a kernel allows something is found out as fast as
    /// it is looked up.
    pub fn new(program: Option<Utf8PathBuf>, probe_cache: ProbeCache) -> Self {
        Self {
            program: program
                .filter(|program| program != ID)
                .unwrap_or_else(|| command::PROGRAM.into()),
            probe_cache,
            found: OnceCell::new(),
        }
    }
}

#[async_trait]
impl Backend for Native {
    fn id(&self) -> &str {
        ID
    }

    async fn probe(&self) -> Availability {
        let found = self
            .found
            .get_or_try_init(|| probe::find(&self.program, &self.probe_cache));
        match found.await {
            Ok(found) => Availability::Ready(found.ready(&self.program)),
            Err(error) => Availability::Unavailable(error.into()),
        }
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let built = build(&self.program, request, events).await;
        if let Err(error) = built {
            // The build's own error matters more than one of cleaning up after it.
            let _ = remove(&self.program, &request.work).await;
            return Err(error.of(Operation::Build));
        }
        Ok(BuiltImage::of(request, request.key.as_str()))
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let steps = image.steps.iter().enumerate();
        let layers = steps.map(|(place, step)| {
            let name = layer_name(place);
            let (from, tar) = (layers(&image.work).join(&name), directory.join(&name));
            fs::hard_link(&from, &tar)
                .or_else(|_| fs::copy(&from, &tar).map(|_| ()))
                .map_err(|source| {
                    let action = "hand on the layer";
                    let path = from;
                    crate::error::Error::File {
                        action,
                        path,
                        source,
                    }
                    .of(Operation::Export)
                })?;
            let step = step.id;
            Ok(EngineLayer { step, tar })
        });
        let layers = layers.collect::<Result<_, Error>>()?;
        Ok(EngineImage { layers })
    }

    fn has_store(&self) -> bool {
        false
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let removed = remove(&self.program, &image.work).await;
        removed.map_err(|error| error.of(Operation::Remove))
    }

    async fn forget(&self, directory: &Utf8Path) -> Result<(), Error> {
        let removed = remove(&self.program, directory).await;
        removed.map_err(|error| error.of(Operation::Remove))
    }
}

async fn build(
    program: &Utf8Path,
    request: &BuildRequest,
    events: &dyn Events,
) -> Result<(), crate::error::Error> {
    let mut answer = Answer::default();
    let done = command::worker_under(program, &command::build(request), &request.varied)
        .run_with(&mut |channel, line| {
            let told = match channel {
                Channel::Stdout => answer.take(line),
                Channel::Stderr => None,
            };
            match told {
                Some(Message::Output { step, line }) => events.emit(Event::Output { step, line }),
                Some(Message::Notice { message }) => events.emit(Event::Notice { message }),
                _ => {}
            }
        })
        .await?;
    answer.finish(&done.stderr).map(|_| ())
}

/// Removes all that builds have put into a directory. What is gone already is no error.
async fn remove(program: &Utf8Path, work: &Utf8Path) -> Result<(), crate::error::Error> {
    let is_empty = match work.read_dir_utf8() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_empty {
        return Ok(());
    }
    let mut answer = Answer::default();
    let work = work.to_owned();
    let done = command::worker(program, &Job::Remove { work })
        .run_with(&mut |_, line| {
            answer.take(line);
        })
        .await?;
    answer.finish(&done.stderr).map(|_| ())
}
