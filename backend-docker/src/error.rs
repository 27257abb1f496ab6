//! What goes wrong with Docker, and its one translation into the house's error.

use std::io;

use backend_api::{Error, ErrorKind, Operation, Reason, Unavailable};

use crate::parse::{Complaint, complaint};
use crate::progress::FailedInstruction;

/// What goes wrong with Docker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DockerError {
    /// Docker cannot build here and now.
    #[error("{}", .0.message)]
    Unavailable(Unavailable),
    /// The request asks for what this Docker cannot do.
    #[error("{what}")]
    Unsupported { what: String, hint: String },
    /// An instruction of the Containerfile failed.
    #[error("{} failed: {}", failed.instruction, failed.reason)]
    Instruction {
        failed: FailedInstruction,
        output: String,
    },
    /// The client failed in another way.
    #[error("`{command}` failed{}", last_line(output))]
    Failed {
        command: &'static str,
        output: String,
    },
    /// The client could not be run to its end.
    #[error("Docker's client cannot be run")]
    Process(#[from] process::Error),
    /// A file of ours could not be read or written.
    #[error("{what}")]
    File { what: String, source: io::Error },
    /// What Docker made cannot be understood.
    #[error("Docker's output cannot be parsed")]
    Output(#[source] io::Error),
}

impl DockerError {
    /// The client's `command` failed and said `output`.
    pub(crate) fn failed(command: &'static str, output: String) -> Self {
        Self::Failed { command, output }
    }

    /// Tells a broken file of Docker's from a disk that is full or broken.
    pub(crate) fn from_io(what: impl Into<String>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Output(source),
            _ => Self::File {
                what: what.into(),
                source,
            },
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(unavailable) => match unavailable.reason {
                Reason::DaemonUnreachable => ErrorKind::DaemonUnreachable,
                Reason::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::ProgramUnavailable,
            },
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            // A full disk fails whichever instruction is running; the package is not to blame.
            Self::Instruction { failed, .. } => match complaint(&failed.reason) {
                Complaint::StoreFull => ErrorKind::Storage,
                _ => ErrorKind::BuildFailed,
            },
            Self::Failed { output, .. } => match complaint(output) {
                Complaint::DaemonUnreachable => ErrorKind::DaemonUnreachable,
                Complaint::PermissionDenied => ErrorKind::PermissionDenied,
                Complaint::StoreFull => ErrorKind::Storage,
                Complaint::BuildxMissing => ErrorKind::ProgramUnavailable,
                Complaint::DaemonEnded => ErrorKind::EngineKilled,
                Complaint::Unknown => ErrorKind::EngineFailed,
            },
            Self::Process(
                process::Error::NotFound { .. } | process::Error::NotPermitted { .. },
            ) => ErrorKind::ProgramUnavailable,
            Self::Process(error) if error.is_killed() => ErrorKind::EngineKilled,
            Self::Process(_) => ErrorKind::EngineFailed,
            Self::File { .. } => ErrorKind::Storage,
            Self::Output(_) => ErrorKind::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable(unavailable) => Some(unavailable.hint.clone()),
            Self::Unsupported { hint, .. } => Some(hint.clone()),
            _ => hint(self.kind()).map(str::to_owned),
        }
    }
}

impl From<image_store::Error> for DockerError {
    fn from(error: image_store::Error) -> Self {
        match error {
            image_store::Error::Process(error) => Self::Process(error),
            image_store::Error::Failed { command, output } => Self::Failed { command, output },
            image_store::Error::File { what, source } => Self::from_io(what, source),
            image_store::Error::Foreign(_) => Self::Unsupported {
                what: error.to_string(),
                hint: "names in Docker's store begin with `localhost/stagex/` and the build's key"
                    .to_owned(),
            },
        }
    }
}

/// What a user can do about a kind of failure.
fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::DaemonUnreachable => Some(DAEMON_HINT),
        ErrorKind::PermissionDenied => Some(PERMISSION_HINT),
        ErrorKind::Storage => Some(
            "free some space on the disks of Docker and of the output; `docker builder prune` removes \
             Docker's build cache",
        ),
        ErrorKind::EngineKilled => Some(process::KILLED_HINT),
        _ => None,
    }
}

/// What to do where the daemon does not answer.
pub(crate) const DAEMON_HINT: &str = "start Docker's daemon (`sudo systemctl start docker`), or \
     set DOCKER_HOST to the address of one that runs";
/// What to do where the user may not talk to the daemon.
pub(crate) const PERMISSION_HINT: &str = "add yourself to the group `docker` (`sudo usermod -aG \
     docker $USER`, then log in again), or use podman or buildah, which need no daemon";

/// A failed operation.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) operation: Operation,
    pub(crate) error: DockerError,
}

impl From<Failure> for Error {
    fn from(Failure { operation, error }: Failure) -> Self {
        let hint = error.hint();
        let api = Self::new(
            crate::command::ID,
            operation,
            error.kind(),
            error.to_string(),
        );
        let api = match hint {
            Some(hint) => api.with_hint(hint),
            None => api,
        };
        match error {
            DockerError::Instruction { failed, output } => {
                api.with_step(failed.step).with_output(output)
            }
            DockerError::Failed { output, .. } => api.with_output(output),
            DockerError::Process(source) => api.with_source(source),
            DockerError::File { source, .. } | DockerError::Output(source) => {
                api.with_source(source)
            }
            DockerError::Unavailable(_) | DockerError::Unsupported { .. } => api,
        }
    }
}

/// Returns the last line that says anything, as the end of a sentence.
fn last_line(output: &str) -> String {
    let mut lines = output.lines().rev().map(str::trim);
    match lines.find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", line.trim_start_matches("ERROR: ")),
        None => String::new(),
    }
}
