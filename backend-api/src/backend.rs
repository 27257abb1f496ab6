//! The trait that every engine's crate implements.

use async_trait::async_trait;
use camino::Utf8Path;

use crate::availability::Availability;
use crate::error::{Error, ErrorKind, Operation};
use crate::event::Events;
use crate::image::{BuiltImage, EngineImage, Loaded};
use crate::request::{BuildRequest, LoadRequest};

/// A container engine that can build.
///
/// A backend is told what to build in its engine's own dialect, and hands back layers. It never
/// parses a Containerfile, never looks into a layer, and never decides what an image's bytes are.
///
/// # Behavior
///
/// - All methods may be called at once, and from several tasks, without disturbing one another.
/// - Dropping a returned future ends every process that it started.
/// - Nothing is printed. What the user should see is emitted as an [`Event`](crate::Event).
#[async_trait]
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Returns the runtime's name, as a user types it: `docker`, `podman`.
    fn id(&self) -> &str;

    /// Finds out whether the engine can build here and now, and what it can do.
    ///
    /// # Behavior
    ///
    /// - Absence is an answer, not an error.
    /// - Starts no build, changes nothing, and returns within seconds even if a daemon hangs.
    /// - Each [`Reason`](crate::Reason) comes with what the user can do about it.
    async fn probe(&self) -> Availability;

    /// Builds the target of `request`.
    ///
    /// # Behavior
    ///
    /// - Everything in the request is either honoured or refused with
    ///   [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before a process is started.
    /// - Every name given in the engine's store begins with [`BuildKey::name`], is listed in
    ///   the returned image, and is removed again by this method itself if the build fails.
    /// - Each line that the engine prints is emitted once, in order, as it comes.
    ///
    /// [`BuildKey::name`]: crate::BuildKey::name
    async fn build(&self, request: &BuildRequest, events: &dyn Events)
    -> Result<BuiltImage, Error>;

    /// Writes the image's layers into `directory`, an existing empty directory, as uncompressed tars.
    ///
    /// # Behavior
    ///
    /// - The layers of the base come first; after them there is one for every step that the
    ///   engine made a layer for, each with its step, in order.
    /// - Layers are as the engine made them: nothing is reordered, rewritten or left out.
    /// - They lie in `directory` itself, and stay whole while the image is removed.
    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error>;

    /// Removes from the engine's store what [`build`](Self::build) put into it.
    ///
    /// # Behavior
    ///
    /// - What is gone already is no error.
    /// - Of a build that was killed the image has only what the request says: then all that
    ///   begins with [`BuildKey::name`] goes.
    ///
    /// [`BuildKey::name`]: crate::BuildKey::name
    async fn remove(&self, image: BuiltImage) -> Result<(), Error>;

    /// Removes all that builds have kept in a directory of [`Cache::Use`]. A backend that does not say
    /// otherwise keeps nothing there.
    ///
    /// # Behavior
    ///
    /// - Nobody builds with this directory meanwhile.
    /// - What is gone already is no error.
    ///
    /// [`Cache::Use`]: crate::Cache::Use
    async fn forget(&self, _directory: &Utf8Path) -> Result<(), Error> {
        Ok(())
    }

    /// Tells whether builds put something anywhere but into their work directory, which
    /// [`remove`](Self::remove) removes. A backend that does not has nothing to remove when that directory is
    /// gone.
    fn has_store(&self) -> bool {
        true
    }

    /// Tells whether [`load`](Self::load) is more than a refusal, so that nothing is built for it in
    /// vain. A backend that has it says so here.
    fn can_load(&self) -> bool {
        false
    }

    /// Puts a finished image into the store in which the engine's user finds images, under the name
    /// that is asked for, and asks what the engine has there now. A backend that does not say otherwise cannot.
    ///
    /// # Behavior
    ///
    /// - What had the name before loses it.
    /// - What is returned is the engine's answer, not what was asked for.
    /// - It is the one thing that stays in a store, and nothing ever removes it again: it is the
    ///   user's.
    async fn load(&self, request: &LoadRequest) -> Result<Loaded, Error> {
        let message = format!("images cannot be loaded: {}", request.name);
        let error = Error::new(
            self.id().to_owned(),
            Operation::Load,
            ErrorKind::Unsupported,
            message,
        );
        Err(error.with_hint("the image is an OCI layout in out/, which other tools can load"))
    }
}
