//! Builds with an engine elsewhere, through its client: in the store that it has there, from what is
//! sent to it, under names that go away again. No directory is seen by both sides.
//!
//! Knows nothing of what is built, and not where the engine is.

use std::fs;

use backend_api::{
    BuildRequest, BuiltImage, ContextSource, EngineImage, ErrorKind, Event, Events, LoadRequest,
    Loaded, NamedContext,
};
use camino::Utf8Path;
use image_store::{Commands, Given, Names, Store};
use probe_cache::ProbeEntry;
use process::Invocation;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::arguments::{self, Place};
use crate::error::Error;
use crate::image::HOST_NAME;
use crate::made::MadeList;
use crate::progress::Progress;
use crate::remote_context::RemoteContext;
use crate::sandbox::Sandbox;
use crate::tool::Tool;
use crate::trial::{self, Builds};

/// What is tried elsewhere, best first: a sandbox, and whether a RUN may be given capabilities of
/// root. Which of an engine's OCI runtimes is used is its own matter.
const CANDIDATES: [(Sandbox, bool); 4] = [
    (Sandbox::Runtime, true),
    (Sandbox::Runtime, false),
    (Sandbox::Chroot, true),
    (Sandbox::Chroot, false),
];
/// How many processes a RUN is limited to where the engine fails without being told, because it asks
/// for more than it may have. Its own limit cannot be asked for.
const PROCESSES: [Option<u64>; 3] = [None, Some(32_768), Some(4_096)];
/// What engines and their OCI runtimes say then.
const LIMIT_OF_PROCESSES: [&str; 2] = ["RLIMIT_NPROC", "rlimit type 6"];

/// How to make an image of a directory.
const OF_DIRECTORY: &str = "FROM scratch\nCOPY . /\n";

/// What was found out about an engine elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Elsewhere {
    /// How a RUN is shut off there.
    pub(crate) sandbox: Sandbox,
    /// Whether a RUN may be given capabilities of root.
    pub(crate) privileged: bool,
    /// How many processes a RUN is limited to, if it has to be.
    pub(crate) processes: Option<u64>,
}

/// An engine elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    tool: Tool,
    elsewhere: Elsewhere,
    entry: ProbeEntry,
}

impl Remote {
    /// Finds out which sandbox works there, by running a program of a few bytes in each.
    ///
    /// # Errors
    ///
    /// What the first of them said if none works.
    pub(crate) async fn find(tool: Tool) -> Result<Self, Error> {
        let mut first = None;
        for (sandbox, privileged) in CANDIDATES {
            for processes in PROCESSES {
                let elsewhere = Elsewhere {
                    sandbox,
                    privileged,
                    processes,
                };
                let remote = Self::known(tool.clone(), elsewhere, ProbeEntry::default());
                let error = match trial::run(&remote).await {
                    Ok(()) => return Ok(remote),
                    Err(error) if error.kind() == ErrorKind::DaemonUnreachable => {
                        return Err(error);
                    }
                    Err(error) => error,
                };
                tracing::debug!(?elsewhere, %error, "does not work there");
                let limited = LIMIT_OF_PROCESSES.iter().any(|text| error.has_said(text));
                first.get_or_insert(error);
                if !limited {
                    break;
                }
            }
        }
        Err(first.expect("there is always a candidate"))
    }

    /// Takes what was found out before, and was kept in `entry`. The entry is forgotten if the engine
    /// turns out not to work after all.
    pub(crate) fn known(tool: Tool, elsewhere: Elsewhere, entry: ProbeEntry) -> Self {
        Self {
            tool,
            elsewhere,
            entry,
        }
    }

    /// Returns what was found out.
    pub(crate) fn elsewhere(&self) -> Elsewhere {
        self.elsewhere
    }

    /// Builds; see [`Backend::build`](backend_api::Backend::build).
    pub(crate) async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let store = self.store();
        let reference = request.key.name();
        let mut names = image_store::own_names(request)?;
        names.push(reference.clone());
        let mut names = Names::take(&store, names);
        let built = async {
            let made = MadeList::begin(&request.work)?;
            self.put_contexts(&store, request, &made, &mut names)
                .await?;
            let remote_context = request.work.join("remote-context");
            let remote_context =
                RemoteContext::pack(&request.context, &request.containerfile, &remote_context)?;
            let mut progress = Progress::new(&request.stages);
            let mut line = |line: &str| {
                let step = progress.step_of(line);
                let line = line.to_owned();
                events.emit(Event::Output { step, line });
            };
            let build = (request, &*reference, &remote_context);
            let built = self.run_build(build, &made, &mut names, &mut line).await;
            built.map_err(|error| error.at(progress.step()))
        };
        if let Err(error) = built.await {
            if !matches!(
                error.kind(),
                ErrorKind::BuildFailed | ErrorKind::Unsupported
            ) {
                self.entry.forget();
            }
            if let Err(left) = names.remove().await {
                let message = format!("images were left in the engine's store: {left}");
                events.emit(Event::Notice { message });
            }
            let _ = remove_files(&request.work);
            return Err(error);
        }
        let mut also_made = names.keep();
        also_made.retain(|name| *name != reference);
        Ok(BuiltImage {
            also_made,
            ..BuiltImage::of(request, reference)
        })
    }

    /// Puts the contexts into the store, each under its name.
    async fn put_contexts(
        &self,
        store: &Store,
        request: &BuildRequest,
        made: &MadeList,
        names: &mut Names<'_>,
    ) -> Result<(), Error> {
        let mut images = Vec::new();
        let mut directories = Vec::new();
        for NamedContext { name, source } in &request.contexts {
            match source {
                ContextSource::Image(layout) => {
                    let mut given = Given::new(name, layout).on(&request.platform);
                    // The name of the machine that a RUN sees; and a mark, which makes it another
                    // image than that of a build that uses the same one at the same time.
                    given.patch["config"] =
                        json!({ "Hostname": HOST_NAME, "Labels": { "stagex": name } });
                    images.push(given);
                }
                ContextSource::Directory(directory) => directories.push((name, directory)),
            }
        }
        if !images.is_empty() {
            store
                .load(images, &request.work.join("to-load.tar"))
                .await?;
        }
        let containerfile = request.work.join("directory.Containerfile");
        fs::write(&containerfile, OF_DIRECTORY).map_err(|e| Error::file(&containerfile, e))?;
        for (place, (name, directory)) in directories.into_iter().enumerate() {
            let remote_context = request.work.join(format!("remote-context-{place}"));
            let remote_context = RemoteContext::pack(directory, &containerfile, &remote_context)?;
            let build = (request, name.as_str(), &remote_context);
            self.run_build(build, made, names, &mut |_| ()).await?;
        }
        Ok(())
    }

    /// Runs one build to its end. Whatever it makes on its way has no name, and is taken charge of.
    async fn run_build(
        &self,
        (request, name, remote_context): (&BuildRequest, &str, &RemoteContext),
        made: &MadeList,
        names: &mut Names<'_>,
        heard: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), Error> {
        let place = Place::There {
            name,
            remote_context,
            processes: self.elsewhere.processes,
        };
        let Elsewhere {
            sandbox,
            privileged,
            ..
        } = self.elsewhere;
        let arguments = arguments::build(request, sandbox, privileged, place);
        let mut line = |_, line: &str| {
            if let Some(id) = Progress::image_of(line) {
                made.note(id);
                names.add(id.to_owned());
            }
            heard(line);
        };
        let variables = request.varied.variables();
        let build = self.client().variables(variables).arguments(arguments);
        let done = build.run_with(&mut line).await?;
        if done.succeeded() {
            Ok(())
        } else {
            // What is said elsewhere comes on standard output, and the last word on the other.
            let said = done.stdout_text();
            let said = format!("{said}\n{}", done.stderr);
            Err(Error::failed(done.status.code(), said))
        }
    }

    /// Exports; see [`Backend::export`](backend_api::Backend::export).
    pub(crate) async fn export(
        &self,
        image: &BuiltImage,
        directory: &Utf8Path,
    ) -> Result<EngineImage, Error> {
        let archive = image.work.join("saved.tar");
        Ok(self.store().export(image, &archive, directory).await?)
    }

    /// Removes; see [`Backend::remove`](backend_api::Backend::remove).
    pub(crate) async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let store = self.store();
        let mut names = image.also_made;
        if names.is_empty() {
            // A build that was killed could not say what it had made by then.
            names = store.find(&image.key).await?;
            names.extend(MadeList::read(&image.work));
        }
        names.push(image.reference);
        // What was made last stands on what was made first.
        names.reverse();
        Names::take(&store, names).remove().await?;
        remove_files(&image.work)
    }

    /// Puts a finished image into the store there; see
    /// [`Backend::load`](backend_api::Backend::load).
    pub(crate) async fn load(&self, request: &LoadRequest) -> Result<Loaded, Error> {
        let archive = request.work.join("to-load.tar");
        let store = self.store();
        let loading = store.load_layout(&request.layout, &request.name, &archive);
        Ok(loading.await?)
    }

    fn client(&self) -> Invocation {
        self.tool.in_own_store()
    }

    fn store(&self) -> Store {
        Store::new(
            self.client(),
            Commands {
                load: "image load",
                inspect: "image inspect",
                save: "image save",
                list: "image ls",
                remove: "image rm",
                // A build that was given up goes on there until its RUN ends; without its containers
                // and images it ends with that.
                removal_arguments: &["--force", "--ignore"],
                only_absent: |stderr| {
                    let mut lines = stderr.lines().filter(|line| !line.trim().is_empty());
                    lines.all(|line| line.contains("image not known"))
                },
                is_race: |stderr| {
                    let lost = [
                        "layer not known",
                        "layer does not exist",
                        "not found in parent",
                    ];
                    lost.iter().any(|text| stderr.contains(text))
                        || stderr.contains("image is in use")
                },
            },
        )
    }
}

impl Builds for Remote {
    async fn build(&self, request: &BuildRequest) -> Result<BuiltImage, Error> {
        Self::build(self, request, &()).await
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        Self::export(self, image, directory).await
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        Self::remove(self, image).await
    }
}

/// Removes our files in a build's work directory.
fn remove_files(work: &Utf8Path) -> Result<(), Error> {
    let removed = fs::remove_dir_all(work).and_then(|()| fs::create_dir(work));
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(work, error)),
        _ => Ok(()),
    }
}
