//! Builds one image that is in no tree: what a `docker build` would be asked for, with the
//! canonical bytes.
//!
//! Nothing is up to date here and nothing is recorded; whoever asks has decided that.

use std::io::Write;
use std::iter;
use std::sync::Arc;
use std::time::Instant;

use backend_api::{Backend, Network, Ready, Variations};
use camino::Utf8Path;
use oci_image::{Digest, ImageSet};
use package_tree::Hermetic;
use tokio::sync::watch;

use crate::builder::{Builder, Destination, Order};
use crate::delivery::Delivery;
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
use state::IoContext as _;
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

/// Builds an image and delivers it. Returns the digest of its manifest.
///
/// The work is done in `out/` of the directory of the job's directories, where others may do the same meanwhile, and
/// the log is there. When `interrupted` becomes true the build is ended, and what it put into the
/// engine's store is removed.
///
/// # Errors
///
/// Why there is no image, with the last lines of the log where the engine was started.
pub async fn build(
    job: BuildJob,
    delivery: Delivery,
    listener: Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<Digest, Failure> {
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
    let result = build_in(job, directories, delivery, &writer, interrupted).await;
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
            message: failure.error.to_string(),
            kind: failure.kind(),
            last_lines: failure.last_lines.clone(),
        },
    });
    let closed = session.close(backend.as_ref()).await;
    let digest = result?;
    closed.map_err(bare)?;
    Ok(digest)
}

async fn build_in(
    job: BuildJob,
    directories: Directories,
    delivery: Delivery,
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
    let order = match delivery {
        Delivery::Directory(directory) => Order {
            resolved,
            destination: Destination::Directory(directory),
            varied: Variations::default(),
            keep: Box::new(|_| Ok(())),
        },
        Delivery::File(path) => Order {
            resolved,
            destination: Destination::Work,
            varied: Variations::default(),
            keep: Box::new(move |image| {
                Ok(oci_image::write_tar_file(image, &path).at("write", &path)?)
            }),
        },
        Delivery::Stream(stream) => Order {
            resolved,
            destination: Destination::Work,
            varied: Variations::default(),
            keep: Box::new(move |image| send(image, stream)),
        },
    };
    Arc::new(builder).build(order, log, &mut interrupted).await
}

fn send(image: &ImageSet, mut stream: Box<dyn Write + Send>) -> Result<(), Error> {
    let sent = oci_image::write_tar(image, &mut stream).and_then(|()| stream.flush());
    Ok(sent.at("write", Utf8Path::new("the image"))?)
}
