//! What can go wrong with a server, in the words of the builder's own errors.

use std::io;

use backend_api::{Error as BackendError, ErrorKind, Operation};
use camino::Utf8PathBuf;
use oci_image::LayoutError;
use tonic::{Code, Status};

use crate::server::RUNTIME;

/// Why a server has not given an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The server cannot be reached.
    #[error("cannot connect to {server}")]
    Connect {
        server: String,
        source: tonic::transport::Error,
    },
    /// The server has not done what it was asked.
    #[error("{server} refused to {what}: {}", said(status))]
    Call {
        server: String,
        what: &'static str,
        status: Box<Status>,
    },
    /// The server is not one that can be used.
    #[error("{server} {problem}")]
    Unfit { server: String, problem: String },
    /// The answer of the server is not what it has to be.
    #[error("{server} gave a wrong answer: {problem}")]
    Wrong { server: String, problem: String },
    /// The layout that came back is not what it says.
    #[error("the image that {server} gave is not what it says: {source}")]
    Layout { server: String, source: LayoutError },
    /// What a worker said of the build.
    #[error("{message}")]
    Worker {
        kind: ErrorKind,
        message: String,
        hint: Option<String>,
    },
    /// The operating system refused something here.
    #[error("cannot {action} {path}")]
    Io {
        action: &'static str,
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// A secret would be sent for all to see.
    #[error("{0} is not encrypted, and a certificate or a token is set")]
    Unencrypted(String),
    /// What cannot be built there.
    #[error("{0}")]
    Unsupported(String),
}

/// Returns what a status says, with the reason of a broken connection.
fn said(status: &Status) -> String {
    let text = status.message();
    let code = format!("{:?}", status.code());
    if text.is_empty() {
        code
    } else {
        format!("{text} ({code})")
    }
}

/// Tells whether the same call may succeed if it is made again.
pub(crate) fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => {
            true
        }
        // What comes from the connection, and not from the server.
        Code::Unknown | Code::Internal | Code::Cancelled => {
            std::error::Error::source(status).is_some()
        }
        _ => false,
    }
}

impl Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } => ErrorKind::DaemonUnreachable,
            Self::Call { status, .. } => match status.code() {
                Code::Unauthenticated | Code::PermissionDenied => ErrorKind::PermissionDenied,
                _ if may_pass(status) => ErrorKind::DaemonUnreachable,
                _ => ErrorKind::EngineFailed,
            },
            Self::Unfit { .. } | Self::Unsupported(_) | Self::Unencrypted(_) => {
                ErrorKind::Unsupported
            }
            Self::Wrong { .. } | Self::Layout { .. } => ErrorKind::Unexpected,
            Self::Worker { kind, .. } => *kind,
            Self::Io { .. } => ErrorKind::Storage,
        }
    }

    fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Worker { hint, .. } => return hint.clone(),
            Self::Unencrypted(_) => {
                "use grpcs://, or remove them from `[remote]` in your stagex.toml"
            }
            Self::Connect { server, .. } if server.starts_with("grpcs") => {
                "check the address, that the server runs, and the certificates: SSL_CERT_FILE names other authorities, and \
                 `certificate` and `key` in `[remote]` are yours"
            }
            Self::Connect { .. } => "check the address, and that the server runs",
            Self::Call { status, .. } if status.code() == Code::NotFound => {
                "check the instance at the end of the address: grpc://HOST:PORT/INSTANCE"
            }
            Self::Wrong { .. } | Self::Layout { .. } => {
                "nothing of it was kept; find out what its workers do before you use it again, and build what is in its cache anew \
                 with --no-cache"
            }
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}

impl From<Error> for build::Error {
    fn from(error: Error) -> Self {
        let (kind, hint) = (error.kind(), error.hint());
        let mut new = BackendError::new(RUNTIME, Operation::Build, kind, error.to_string());
        if let Some(hint) = hint {
            new = new.with_hint(hint);
        }
        match error {
            Error::Connect { source, .. } => new.with_source(source),
            Error::Io { source, .. } => new.with_source(source),
            _ => new,
        }
        .into()
    }
}
