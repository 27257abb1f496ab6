//! Builds, exports and removes with one tool in one sandbox. Knows nothing of what is built.

use std::os::unix::fs::symlink;

use backend_api::{
    BuildKey, BuildRequest, BuiltImage, EngineImage, ErrorKind, Event, Events, LoadRequest, Loaded,
    Network, Variation, Variations,
};
use camino::Utf8Path;
use oci_layout::read_manifest;
use probe_cache::ProbeEntry;
use process::{Invocation, Surroundings};

use crate::arguments::{self, Place};
use crate::contexts;
use crate::engine_namespaces::{EngineNamespaces, Interfaces};
use crate::error::Error;
use crate::progress::Progress;
use crate::sandbox::Sandbox;
use crate::tool::Tool;
use crate::trial::{self, Builds};
use crate::work::Work;

/// One tool in one sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Driver {
    tool: Tool,
    namespaces: EngineNamespaces,
    sandbox: Sandbox,
    /// Where the sandbox was found, if it was not tried just now.
    entry: ProbeEntry,
}

impl Driver {
    /// Finds out which sandbox works here, by running a program of a few bytes in each, best
    /// first, in a temporary store of its own.
    ///
    /// # Errors
    ///
    /// What the last of them said if none works.
    pub(crate) async fn find(tool: Tool) -> Result<Self, Error> {
        let namespaces = EngineNamespaces::find()?;
        let mut last = None;
        for &sandbox in Sandbox::candidates() {
            let driver = Self {
                tool: tool.clone(),
                namespaces: namespaces.clone(),
                sandbox,
                entry: ProbeEntry::default(),
            };
            match trial::run(&driver).await {
                Ok(()) => return Ok(driver),
                Err(error) => {
                    tracing::debug!(%sandbox, %error, "does not work here");
                    last = Some(error);
                }
            }
        }
        Err(last.expect("there is always a candidate"))
    }

    /// Takes the sandbox that worked under the same circumstances before, and was kept in `entry`.
    /// The entry is forgotten if the engine turns out not to work after all.
    ///
    /// # Errors
    ///
    /// What is needed beside the tool itself is missing.
    pub(crate) fn known(tool: Tool, sandbox: Sandbox, entry: ProbeEntry) -> Result<Self, Error> {
        Ok(Self {
            tool,
            namespaces: EngineNamespaces::find()?,
            sandbox,
            entry,
        })
    }

    /// Returns the sandbox that works here.
    pub(crate) fn sandbox(&self) -> Sandbox {
        self.sandbox
    }

    /// Builds; see [`Backend::build`](backend_api::Backend::build).
    pub(crate) async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        refuse_path(&request.work)?;
        let mut unfinished = Unfinished {
            driver: Some(self),
            work: Work::new(&request.work),
        };
        let built = self.build_or_leave(request, events).await;
        unfinished.driver = None;
        if let Err(error) = &built {
            if error.kind() != ErrorKind::BuildFailed {
                self.entry.forget();
            }
            // The build's own error matters more than one of cleaning up after it.
            let _ = self.remove(&request.work).await;
        }
        built
    }

    async fn build_or_leave(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let work = Work::new(&request.work);
        work.make(self.sandbox)?;
        let contexts = contexts::prepare(request, &work)?;
        let root = self.namespaces.is_root();
        let place = Place::Here {
            work: &work,
            contexts,
        };
        let arguments = arguments::build(request, self.sandbox, root, place);
        let interfaces = match (request.network, self.sandbox.has_networks()) {
            (Network::None, false) => Interfaces::None,
            _ => Interfaces::Machine,
        };

        let mut progress = Progress::new(&request.stages);
        let done = self
            .invocation(&work, interfaces)
            .directory(&work.images())
            .variables(request.varied.variables())
            .surroundings(surroundings(&request.varied))
            .arguments(arguments)
            .run_with(&mut |_, line| {
                let step = progress.step_of(line);
                let line = line.to_owned();
                events.emit(Event::Output { step, line });
            })
            .await?;
        // A tool that was told to end may say that it succeeded, but then there is no image.
        let id = match beneath::read_text(work.image_id(), beneath::TEXT) {
            Ok(id) if done.succeeded() => id,
            _ => return Err(Error::failed(done.status.code(), done.stderr).at(progress.step())),
        };
        Ok(BuiltImage::of(request, id.trim()))
    }

    /// Exports; see [`Backend::export`](backend_api::Backend::export).
    pub(crate) async fn export(
        &self,
        image: &BuiltImage,
        directory: &Utf8Path,
    ) -> Result<EngineImage, Error> {
        let done = self
            .invocation(&Work::new(&image.work), Interfaces::Machine)
            .arguments(["push", "--quiet", "--format", "oci"])
            .arguments(self.tool.push_arguments)
            .arguments(["--", &image.reference, &format!("dir:{directory}")])
            .run()
            .await?;
        if !done.succeeded() {
            return Err(Error::failed(done.status.code(), done.stderr));
        }
        let manifest = directory.join("manifest.json");
        read_manifest(&manifest, directory, image).map_err(|source| Error::file(&manifest, source))
    }

    /// Puts a finished image into the user's own store; see
    /// [`Backend::load`](backend_api::Backend::load).
    pub(crate) async fn load(&self, request: &LoadRequest) -> Result<Loaded, Error> {
        // The tool makes a name in the store of the layout's path: a relative one that is nobody's.
        let link = BuildKey::new(&format!("load-{}", request.work));
        let path = request.work.join(link.as_str());
        let layout = request.layout.canonicalize_utf8();
        let layout = layout.map_err(|source| Error::file(&request.layout, source))?;
        symlink(&layout, &path).map_err(|source| Error::file(&path, source))?;
        let run = async |arguments: &[&str]| {
            let run = self.tool.in_own_store().directory(&request.work);
            let done = run.arguments(arguments).run().await?;
            if done.succeeded() {
                Ok(String::from_utf8_lossy(&done.stdout).into_owned())
            } else {
                Err(Error::failed(done.status.code(), done.stderr))
            }
        };
        let (image, platform) = (format!("oci:{link}"), &request.platform);
        let pull = ["pull", "--quiet", "--platform", platform, "--", &image];
        let printed = run(&pull).await?;
        let id = printed.lines().last().unwrap_or_default().trim();
        run(&["tag", "--", id, &request.name]).await?;
        run(&["rmi", "--", &format!("localhost/{link}:latest")]).await?;
        let inspected =
            run(&[self.tool.inspect_arguments, &["--", &request.name]].concat()).await?;
        Ok(Loaded::of_words(&inspected))
    }

    /// Removes all that a build has put into its work directory.
    pub(crate) async fn remove(&self, work: &Utf8Path) -> Result<(), Error> {
        Work::new(work).remove(&self.tool, &self.namespaces).await
    }

    fn invocation(&self, work: &Work, interfaces: Interfaces) -> Invocation {
        self.namespaces
            .invocation(&self.tool, interfaces)
            .variable("TMPDIR", work.temporary().as_str())
            .arguments(work.store_arguments())
    }
}

impl Builds for Driver {
    async fn build(&self, request: &BuildRequest) -> Result<BuiltImage, Error> {
        Self::build(self, request, &()).await
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        Self::export(self, image, directory).await
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        Self::remove(self, &image.work).await
    }
}

/// A build that is under way. Dropped with its driver, it was given up, and its store is removed.
struct Unfinished<'a> {
    driver: Option<&'a Driver>,
    work: Work,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.driver {
            self.work
                .remove_unattended(&driver.tool, &driver.namespaces);
        }
    }
}

/// Returns what a build finds around it.
fn surroundings(varied: &Variations) -> Surroundings {
    Surroundings {
        one_processor: varied.has(Variation::Processors),
        old_kernel: varied.has(Variation::KernelRelease),
        umask: varied.umask(),
    }
}

/// Refuses a directory of whose name the tool makes several: its flags are lists, and those of mounts are
/// lists of another kind.
fn refuse_path(directory: &Utf8Path) -> Result<(), Error> {
    match directory.as_str().find([',', ':', '"']) {
        Some(place) => Err(Error::Unsupported {
            message: format!(
                "`{}` in the path {directory}",
                &directory.as_str()[place..=place]
            ),
            hint: "move the tree to a path without commas, colons and quotation marks",
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_a_list_is_refused() {
        for path in ["/a,b/out", "/a:b", "/a\"b"] {
            let error = refuse_path(path.into()).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
        assert!(refuse_path("/a b/\u{fc}".into()).is_ok());
    }
}
