//! What a worker runs: this program, in a directory with the inputs of an action. It builds the one package that they
//! describe, and leaves its image and its log where the action's outputs are.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use backend_api::{Backend, ErrorKind as OfBackend, Ready, Variations};
use build::{
    Builder, Destination, Engine, Error as BuildError, Foreign, Log, Order, Recipe, Session,
    blocking, list_context, resolve,
};
use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use state::{Access, Directories};
use tokio::sync::watch;

use crate::address::Address;
use crate::description::{DESCRIPTION, Description, IMAGE, LOG, TREE};
use crate::error::Error;
use crate::place::Place;

/// The text that stands before what can be done about an error.
const HINT: &str = "hint: ";

/// Why a worker could not build.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The inputs are not those of an action of this program.
    #[error("there is no action of this version of stagex in the current directory")]
    NoAction,
    /// The operating system refused something.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is nowhere to build.
    #[error("no file system of this worker keeps owners, modes and links: {}", .0.join("; "))]
    NoPlace(Vec<String>),
    /// The build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl WorkerError {
    /// Returns of which kind it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAction => ErrorKind::Usage,
            Self::Io { .. } | Self::NoPlace(_) => ErrorKind::Environment,
            Self::Build(error) => error.kind(),
        }
    }

    /// Returns what can be done about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoAction => Some(
                "a server of the Remote Execution API runs this command; use `stagex --remote ... make`".to_owned(),
            ),
            Self::NoPlace(_) => Some(
                "give the worker a directory on a local file system, and name it with TMPDIR".to_owned(),
            ),
            Self::Io { .. } => None,
            Self::Build(error) => error.hint(),
        }
    }
}

fn failed(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> WorkerError {
    let path = path.to_owned();
    move |source| WorkerError::Io {
        action,
        path,
        source,
    }
}

/// Carries out the action in the directory `inputs`. It builds below `temporary`, if that is named and fit.
///
/// # Errors
///
/// Why there is no image.
pub async fn work(
    inputs: &Utf8Path,
    temporary: Option<&Utf8Path>,
    (backend, ready): (Arc<dyn Backend>, Ready),
    mut interrupted: watch::Receiver<bool>,
) -> Result<(), WorkerError> {
    let inputs = inputs.canonicalize_utf8().map_err(failed("find", inputs))?;
    let path = inputs.join(DESCRIPTION);
    let text = beneath::read_text(&path, beneath::DOCUMENT).map_err(|_| WorkerError::NoAction)?;
    let description = Description::of_file(&text).ok_or(WorkerError::NoAction)?;
    let place = Place::find(temporary).map_err(WorkerError::NoPlace)?;
    let root = place.path().join(TREE);
    let (from, to) = (inputs.join(TREE), root.clone());
    let network = description.network();
    let recipe = description
        .recipe(&root, &inputs)
        .ok_or(WorkerError::NoAction)?;
    let built = async {
        blocking(move || copy(&from, &to)).await?;
        build(
            &recipe,
            &inputs,
            (&backend, ready),
            network,
            &mut interrupted,
        )
        .await
    };
    let result = built.await;
    let name = std::ffi::OsString::from(&place.name);
    let removed = build::remove(&place.parent, &name, &[backend.as_ref()]).await;
    result.and(removed.map_err(WorkerError::from))
}

/// Builds a recipe, and puts its image and its log beside the inputs.
async fn build(
    recipe: &Recipe,
    inputs: &Utf8Path,
    (backend, ready): (&Arc<dyn Backend>, Ready),
    network: backend_api::Network,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<(), WorkerError> {
    let directories = Directories::of_tree(&recipe.root);
    let listener: Arc<dyn build::Listener> = Arc::new(());
    let session = Session::open(&directories, Access::Alone, backend.as_ref(), &listener).await?;
    let engine = Engine::new(Arc::clone(backend), ready, &directories, true, network)?;
    let described = recipe.clone();
    let resolved = blocking(move || {
        let files = list_context(&described.directory()?, Foreign::Fetch)?;
        resolve(&described, files)
    });
    let resolved = resolved.await?;
    let image = directories.output(&recipe.name);
    let order = Order {
        resolved,
        destination: Destination::Directory(image.clone()),
        varied: Variations::default(),
        keep: Box::new(|_| Ok(())),
    };
    let log = Arc::new(Log::begin(&recipe.name, &directories, listener)?);
    let builder = Arc::new(Builder {
        directories: directories.clone(),
        engine,
    });
    let built = builder.build(order, &log, interrupted).await;
    log.end();
    let to = inputs.join(LOG);
    fs::copy(directories.log(&recipe.name), &to).map_err(failed("write", &to))?;
    built?;
    session.close(backend.as_ref()).await?;
    let to = inputs.join(IMAGE);
    blocking(move || copy(&image, &to)).await
}

/// Copies a directory with all that is in it: files with the modes that version control keeps, and links as they are.
/// What is staged may be linked to a store, and must not be changed.
fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<(), WorkerError> {
    fs::create_dir_all(to).map_err(failed("create directory", to))?;
    fs::set_permissions(to, Permissions::from_mode(0o755)).map_err(failed("set mode of", to))?;
    for entry in from.read_dir_utf8().map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let found = fs::symlink_metadata(from).map_err(failed("read", from))?;
        if found.is_dir() {
            copy(from, &to)?;
        } else if found.is_symlink() {
            let target = fs::read_link(from).map_err(failed("read", from))?;
            symlink(target, &to).map_err(failed("link", &to))?;
        } else {
            fs::copy(from, &to).map_err(failed("copy", from))?;
            let is_executable = found.permissions().mode() & 0o100 != 0;
            let mode = if is_executable { 0o755 } else { 0o644 };
            let mode = Permissions::from_mode(mode);
            fs::set_permissions(&to, mode).map_err(failed("set mode of", &to))?;
        }
    }
    Ok(())
}

/// Tells whether an exit code is one with which this program ends by itself: what was killed ends with another.
pub(crate) fn is_end_of_work(code: i32) -> bool {
    let of_kind = |kind: &ErrorKind| i32::from(kind.exit_code()) == code;
    let ends = ErrorKind::ALL
        .iter()
        .filter(|kind| **kind != ErrorKind::Interrupted);
    code == 0 || ends.into_iter().any(of_kind)
}

/// Says why an action failed, by its exit code and what it wrote to standard error.
pub(crate) fn failure(code: i32, said: &str, server: &Address) -> Error {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut lines: Vec<&str> = lines.collect();
    let hint = lines.iter().rposition(|line| line.starts_with(HINT));
    let hint = hint.map(|place| lines.remove(place)[HINT.len()..].to_owned());
    let message = lines.iter().rfind(|line| line.starts_with("error: "));
    let message = message
        .map(|line| &line["error: ".len()..])
        .or(lines.last().copied());
    let kind = |kind: ErrorKind| i32::from(kind.exit_code()) == code;
    let kind = ErrorKind::ALL.into_iter().find(|known| kind(*known));
    let kind = match kind {
        Some(ErrorKind::Package | ErrorKind::Tree | ErrorKind::Differs) => OfBackend::BuildFailed,
        // What the worker lacks is not the package's fault.
        Some(ErrorKind::NoRuntime) => OfBackend::ProgramUnavailable,
        Some(ErrorKind::Environment) => OfBackend::Storage,
        _ => OfBackend::EngineKilled,
    };
    let message = message.map_or_else(
        || format!("the action ended with exit code {code}, and said nothing"),
        str::to_owned,
    );
    Error::Worker {
        kind,
        message: format!("on a worker of {server}: {message}"),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_has_not_ended_by_itself() {
        for code in [0, 1, 5] {
            assert!(is_end_of_work(code), "{code}");
        }
        for code in [137, 139, 130, -9, 255] {
            assert!(!is_end_of_work(code), "{code}");
        }
    }

    #[test]
    fn a_failure_is_of_the_kind_that_the_worker_says() {
        let server = "grpc://localhost:1".parse().unwrap();
        let said = "noise\nerror: it did not go well\n hint: try harder\n";
        let Error::Worker {
            kind,
            message,
            hint,
        } = failure(1, said, &server)
        else {
            panic!("a failure is a worker's");
        };
        assert_eq!(kind, OfBackend::BuildFailed);
        assert!(
            message.ends_with("localhost:1: it did not go well"),
            "{message}"
        );
        assert_eq!(hint.as_deref(), Some("try harder"));
        for (code, expected) in [
            (4, OfBackend::ProgramUnavailable),
            (5, OfBackend::Storage),
            (137, OfBackend::EngineKilled),
        ] {
            let Error::Worker { kind, .. } = failure(code, "", &server) else {
                panic!("a failure is a worker's");
            };
            assert_eq!(kind, expected, "{code}");
        }
    }
}
