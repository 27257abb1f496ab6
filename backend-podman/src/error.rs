//! Why Podman cannot be used, and the one way of each reason into the API's words.

use backend_api::{ErrorKind, Operation, Reason, Unavailable};
use camino::Utf8PathBuf;

use crate::backend::ID;

/// Why Podman cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{program}` was not found")]
    NotFound { program: Utf8PathBuf },
    #[error("`{program}` may not be executed")]
    NotExecutable { program: Utf8PathBuf },
    #[error("`{program} version` failed: {message}")]
    WillNotRun {
        program: Utf8PathBuf,
        message: String,
    },
    #[error("`{program}` builds elsewhere, and nothing answers there: {message}")]
    Unreachable {
        program: Utf8PathBuf,
        message: String,
    },
    #[error("`{program}` is version {version}, expected {oldest} or later")]
    TooOld {
        program: Utf8PathBuf,
        version: String,
        oldest: &'static str,
    },
    #[error("`{program}` {version} cannot run a program in a build: {source}")]
    NoSandbox {
        program: Utf8PathBuf,
        version: String,
        source: containers_build::Error,
    },
}

impl Error {
    /// Returns the error as one of `operation`.
    pub(crate) fn of(self, operation: Operation) -> backend_api::Error {
        let kind = match &self {
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::WillNotRun { .. } => {
                ErrorKind::ProgramUnavailable
            }
            Self::Unreachable { .. } => ErrorKind::DaemonUnreachable,
            Self::TooOld { .. } => ErrorKind::Unsupported,
            Self::NoSandbox { source, .. } => source.kind(),
        };
        let hint = self.hint();
        let error = backend_api::Error::new(ID, operation, kind, self.to_string()).with_hint(hint);
        match self {
            Self::NoSandbox {
                source: containers_build::Error::Failed { stderr, .. },
                ..
            } => error.with_output(stderr),
            _ => error,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => {
                "install it (Debian: apt-get install podman runc), or say where it is: --engine \
                 podman=PATH"
            }
            Self::NotExecutable { .. } => "give the file the execute permission",
            Self::WillNotRun { .. } => "run it by hand to see what is wrong with it",
            Self::Unreachable { .. } => {
                "start the service there (systemctl start podman.socket), see where the connection \
                 leads (podman system connection list), or unset CONTAINER_HOST and \
                 CONTAINER_CONNECTION to build here"
            }
            Self::TooOld { .. } => "install a later version, or use another runtime",
            Self::NoSandbox { source, .. } => source
                .hint()
                .unwrap_or("run a build by hand to see what is missing"),
        }
        .to_owned()
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        let (reason, program, version) = match error {
            Error::NotFound { .. } => (Reason::NotFound, None, None),
            Error::NotExecutable { program } => (Reason::PermissionDenied, Some(program), None),
            Error::WillNotRun { program, .. } => (Reason::WillNotRun, Some(program), None),
            Error::Unreachable { program, .. } => (Reason::DaemonUnreachable, Some(program), None),
            Error::TooOld {
                program, version, ..
            } => (Reason::TooOld, Some(program), Some(version)),
            Error::NoSandbox {
                program,
                version,
                source,
            } => {
                let reason = match source.kind() {
                    ErrorKind::PermissionDenied => Reason::PermissionDenied,
                    _ => Reason::Incomplete,
                };
                (reason, Some(program), Some(version))
            }
        };
        Self {
            reason,
            program,
            version,
            message,
            hint,
        }
    }
}
