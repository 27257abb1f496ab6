//! Why an engine cannot be used, and the one way of each reason into the API's words.

use backend_api::{ErrorKind, Operation, Reason, Unavailable};
use camino::Utf8PathBuf;

use crate::engine::Engine;
use crate::error::Error;

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("`{program}` was not found")]
    NotFound { program: Utf8PathBuf },
    #[error("`{program}` is not executable")]
    NotExecutable { program: Utf8PathBuf },
    #[error("`{program} version` failed: {message}")]
    WillNotRun {
        program: Utf8PathBuf,
        message: String,
    },
    #[error("`{program}` is a client of a remote service, which does not answer: {message}")]
    Unreachable {
        program: Utf8PathBuf,
        message: String,
    },
    #[error("`{program}` is version {version}, expected {}.{} or later", oldest.0, oldest.1)]
    TooOld {
        program: Utf8PathBuf,
        version: String,
        oldest: (u32, u32),
    },
    #[error("`{program}` {version} cannot build here: {source}")]
    NoSandbox {
        program: Utf8PathBuf,
        version: String,
        source: Error,
    },
}

impl Unusable {
    /// Returns it as an error of an engine in `operation`.
    pub(crate) fn of<E: Engine>(self, operation: Operation) -> backend_api::Error {
        let kind = match &self {
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::WillNotRun { .. } => {
                ErrorKind::ProgramUnavailable
            }
            Self::Unreachable { .. } => ErrorKind::DaemonUnreachable,
            Self::TooOld { .. } => ErrorKind::Unsupported,
            Self::NoSandbox { source, .. } => source.kind(),
        };
        let hint = self.hint::<E>();
        let error = backend_api::Error::new(E::ID, operation, kind, self.to_string());
        let error = error.with_hint(hint);
        match self {
            Self::NoSandbox {
                source: Error::Failed { stderr, .. },
                ..
            } => error.with_output(stderr),
            _ => error,
        }
    }

    /// Returns it as the answer to a probe of an engine.
    pub(crate) fn unavailable<E: Engine>(self) -> Unavailable {
        let (message, hint) = (self.to_string(), self.hint::<E>());
        let (reason, program, version) = match self {
            Self::NotFound { .. } => (Reason::NotFound, None, None),
            Self::NotExecutable { program } => (Reason::PermissionDenied, Some(program), None),
            Self::WillNotRun { program, .. } => (Reason::WillNotRun, Some(program), None),
            Self::Unreachable { program, .. } => (Reason::DaemonUnreachable, Some(program), None),
            Self::TooOld {
                program, version, ..
            } => (Reason::TooOld, Some(program), Some(version)),
            Self::NoSandbox {
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
        Unavailable {
            reason,
            program,
            version,
            message,
            hint,
        }
    }

    fn hint<E: Engine>(&self) -> String {
        let (id, packages) = (E::ID, E::PACKAGES);
        match self {
            Self::NotFound { .. } => {
                return format!(
                    "install it (Debian: apt-get install {packages}), or say where it is: --engine {id}=PATH"
                );
            }
            Self::NotExecutable { .. } => "make the file executable (chmod +x)",
            Self::WillNotRun { .. } => "run it by hand to see what is wrong with it",
            Self::Unreachable { .. } => {
                return format!(
                    "start the service there (systemctl start {id}.socket), see where the connection \
                     leads ({id} system connection list), or unset CONTAINER_HOST and \
                     CONTAINER_CONNECTION to build here"
                );
            }
            Self::TooOld { .. } => "install a later version, or use another runtime",
            Self::NoSandbox { source, .. } => source
                .hint()
                .unwrap_or("run a build by hand to see what is missing"),
        }
        .to_owned()
    }
}
