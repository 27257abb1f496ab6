//! Why the builder did not do what it was asked, before it is known for which engine that was.

use std::io;

use backend_api::{ErrorKind, Operation, StepId};
use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::Failure;

/// Why the builder did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The program could not be run to its end.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// The program ran, and failed.
    #[error("{message}")]
    Failed {
        /// Its last word on it, in one line.
        message: String,
        /// What kind of failure that is.
        kind: ErrorKind,
        /// The instruction that it is of, where that is known.
        step: Option<StepId>,
        /// What the user can do about it, if it is a known one.
        hint: Option<&'static str>,
        /// All that it wrote to standard error.
        stderr: String,
    },
    /// The request asks for what cannot be done here. Nothing was started.
    #[error("{message}")]
    Unsupported {
        /// What cannot be done.
        message: String,
        /// What the user can do about it.
        hint: &'static str,
    },
    /// A file of the request, or one that the builder wrote, could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What the operating system said, or what is wrong with its contents.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(path: &Utf8Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::File { path, source }
    }

    /// The program failed with this exit code, if that is known, and wrote this to standard error.
    pub(crate) fn failed(code: Option<i32>, stderr: String) -> Self {
        let Failure {
            message,
            kind,
            hint,
        } = Failure::of(code, &stderr);
        Self::Failed {
            message,
            kind,
            step: None,
            hint,
            stderr,
        }
    }

    /// Says at which step of a build it happened.
    pub(crate) fn at(mut self, at: Option<StepId>) -> Self {
        if let Self::Failed { step, .. } = &mut self {
            *step = at;
        }
        self
    }

    /// Returns what kind of thing went wrong.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Process(
                process::Error::NotFound { .. } | process::Error::NotPermitted { .. },
            ) => ErrorKind::ProgramUnavailable,
            Self::Process(error) if error.is_killed() => ErrorKind::EngineKilled,
            Self::Process(_) => ErrorKind::EngineFailed,
            Self::Failed { kind, .. } => *kind,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::Other => ErrorKind::Unexpected,
                _ => ErrorKind::Storage,
            },
        }
    }

    /// Tells whether the program failed with this among what it said.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        matches!(self, Self::Failed { stderr, .. } if stderr.contains(text))
    }

    /// Returns what the user can do about it, if anything is known.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Failed { hint, .. } => *hint,
            Self::Unsupported { hint, .. } => Some(hint),
            Self::Process(process::Error::NotFound { program }) if program == "unshare" => {
                Some("install util-linux: stagex isolates the engine with its `unshare`")
            }
            Self::Process(error) => error.hint(),
            Self::File { .. } => None,
        }
    }

    /// Returns the error as one of `runtime` in `operation`.
    pub(crate) fn of(self, runtime: &'static str, operation: Operation) -> backend_api::Error {
        let error = backend_api::Error::new(runtime, operation, self.kind(), self.to_string());
        let error = match self.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        match self {
            Self::Failed { stderr, step, .. } => error.with_step(step).with_output(stderr),
            Self::Process(source) => error.with_source(source),
            Self::File { source, .. } => error.with_source(source),
            Self::Unsupported { .. } => error,
        }
    }
}

impl From<image_store::Error> for Error {
    fn from(error: image_store::Error) -> Self {
        match error {
            image_store::Error::Process(error) => Self::Process(error),
            image_store::Error::Failed { output, .. } => Self::failed(None, output),
            image_store::Error::File { what, source } => Self::file(what.into(), source),
            image_store::Error::Foreign(_) => Self::Unsupported {
                message: error.to_string(),
                hint: "names in the engine's store begin with `localhost/stagex/` and the build's key",
            },
        }
    }
}
