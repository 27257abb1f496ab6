//! Builds one image that is in no tree: what a `docker build` would be asked for, with the
//! canonical bytes.
//!
//! Nothing is up to date here and nothing is recorded; whoever asks has decided that.

use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use backend_api::{Backend, Network, Ready, Variations};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, ImageSet};
use package_tree::Hermetic;
use tokio::sync::watch;

use crate::builder::{Builder, Destination, Keep, Order};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::failure::Failure;
use crate::listing::{Foreign, leave_declared, list_context};
use crate::log::Log;
use crate::recipe::{Recipe, Sources};
use crate::resolve;
use crate::session::Session;
use crate::space::{Space, check_space};
use crate::wait::{blocking, unless};
use state::{Access, Directories};

/// An image to build, and what with.
#[derive(Debug, Clone)]
pub struct BuildJob {
    /// What it is made of.
    pub recipe: Recipe,
    /// What builds it.
    pub backend: Arc<dyn Backend>,
    /// What the backend said of itself.
    pub ready: Ready,
    /// Build without the engine's cache.
    pub no_cache: bool,
    /// The network of RUNs.
    pub network: Network,
    /// What is kept from the build, where it is hermetic; the files that are tracked are those of the context.
    pub hermetic: Option<Hermetic>,
    /// Where the work is done.
    pub directories: Directories,
    /// What to do where the disk has little room.
    pub space: Space,
}

/// Builds an image and has it delivered: `deliver` gets it. It is gone afterwards, unless its layout is to be written to
/// `layout`, which it replaces. Returns the digest, and what `deliver` returned.
///
/// The work is done in `out/` of the directory of the job's directories, where others may do the same meanwhile, and
/// the log is there. When `interrupted` becomes true the build is ended, and what it put into the
/// engine's store is removed.
///
/// # Errors
///
/// Why there is no image, with the last lines of the log where the engine was started.
pub async fn build<D: Send + 'static>(
    job: BuildJob,
    layout: Option<Utf8PathBuf>,
    deliver: impl FnOnce(&ImageSet) -> D + Send + 'static,
    listener: Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<(Digest, D), Failure> {
    let delivered = Arc::new(Mutex::new(None));
    let keep: Keep = {
        let delivered = Arc::clone(&delivered);
        Box::new(move |image| {
            *lock(&delivered) = Some(deliver(image));
            Ok(())
        })
    };
    let directories = job.directories.clone();
    let name = job.recipe.name.clone();
    let log = directories.log(&name);
    let bare = |error| Failure {
        error,
        log: log.clone(),
        last_lines: Vec::new(),
    };
    let backend = Arc::clone(&job.backend);
    let opening = Session::open(&directories, Access::Beside, backend.as_ref(), &listener);
    let session = unless(interrupted.clone(), opening).await.map_err(bare)?;

    let start = Instant::now();
    listener.hear(Event::Began {
        packages: 1,
        runtime: backend.id().to_owned(),
    });
    let writer = Log::begin(&name, &directories, Arc::clone(&listener)).map_err(bare)?;
    let writer = Arc::new(writer);
    listener.hear(Event::Started {
        package: name.clone(),
        reasons: Vec::new(),
    });
    let result = build_in(job, directories, (layout, keep), &writer, interrupted).await;
    let last_lines = writer.end();
    let (package, duration) = (name, start.elapsed());
    let result = result.map_err(|error| Failure {
        error,
        log: log.clone(),
        last_lines,
    });
    listener.hear(match &result {
        Ok(digest) => Event::Built {
            package,
            digest: *digest,
            duration,
        },
        Err(failure) if matches!(failure.error, Error::Interrupted) => Event::Skipped { package },
        Err(failure) => Event::Failed {
            package,
            message: failure.message(),
            kind: failure.kind(),
            hint: failure.error.hint(),
            last_lines: failure.last_lines.clone(),
        },
    });
    let closed = session.close(backend.as_ref()).await;
    let digest = result?;
    closed.map_err(bare)?;
    let delivered = lock(&delivered).take();
    Ok((
        digest,
        delivered.expect("an image that is there was delivered"),
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn build_in(
    job: BuildJob,
    directories: Directories,
    (layout, keep): (Option<Utf8PathBuf>, Keep),
    log: &Arc<Log>,
    mut interrupted: watch::Receiver<bool>,
) -> Result<Digest, Error> {
    let builder = Builder {
        engine: Engine::new(
            job.backend,
            job.ready,
            &directories,
            job.no_cache,
            job.network,
        )?,
        directories,
    };
    let (recipe, space, hermetic) = (job.recipe, job.space, job.hermetic);
    let of_log = Arc::clone(log);
    let of = builder.directories.clone();
    let resolved = blocking(move || {
        if space == Space::Checked {
            check_space(&of, iter::empty())?;
        }
        // Where only what is declared counts, sources are no files of the context.
        let foreign = match recipe.sources {
            Sources::Checked { .. } => Foreign::Fetch,
            Sources::Present => Foreign::of_user(&of.own()),
        };
        let mut files = list_context(&recipe.directory()?, foreign)?;
        if let Some(hermetic) = &hermetic
            && let Some(notice) = leave_declared(&mut files, Utf8Path::new(""), hermetic)
        {
            of_log.notice(&notice);
        }
        resolve::resolve(&recipe, files)
    })
    .await?;
    let order = Order {
        resolved,
        destination: layout.map_or(Destination::Work, Destination::Directory),
        varied: Variations::default(),
        keep,
    };
    Arc::new(builder).build(order, log, &mut interrupted).await
}
