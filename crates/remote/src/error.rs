//! What can go wrong with a server, in the words of the builder's own errors.

use std::io;

use backend_api::{Error as BackendError, ErrorKind, Operation};
use camino::Utf8PathBuf;
use oci_image::LayoutError;
use tonic::{Code, Status};

use crate::server::RUNTIME;

/// How the problem of a server begins that does not have the instance that was asked for.
pub(crate) const NO_INSTANCE: &str = "has no such instance";

/// What a server is asked to do with an action.
pub(crate) const BUILD: &str = "build it";

/// What may help where an encrypted connection does not come about, or is ended.
const ENCRYPTED: &str = "check the address, that the server runs, and the certificates: SSL_CERT_FILE names other \
                         authorities, and `certificate` and `key` in `[remote]` are yours";

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

/// Returns what a status says, and whether it is of the connection.
pub(crate) fn said(status: &Status) -> String {
    let (text, code) = (status.message(), format!("{:?}", status.code()));
    let causes = std::iter::successors(std::error::Error::source(status), |cause| cause.source());
    match causes.last() {
        // The outer ones say nothing but that it was the transport.
        Some(cause) => format!("the connection was lost: {cause}"),
        None if text.is_empty() => code,
        None => format!("{text} ({code})"),
    }
}

fn is_of_connection(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Tells whether a server is away, or the way to it broken.
pub(crate) fn is_away(status: &Status) -> bool {
    status.code() == Code::Unavailable || is_of_connection(status)
}

/// Tells whether a server has as much to do as it takes.
pub(crate) fn is_busy(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
}

/// Tells whether the same call may succeed if it is made again.
pub(crate) fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => {
            true
        }
        // What comes from the connection, and not from the server.
        Code::Unknown | Code::Internal | Code::Cancelled => is_of_connection(status),
        _ => false,
    }
}

/// Tells whether something is wrong with the server, and not with what it was asked: a disk that is full, mostly.
fn is_of_server(status: &Status) -> bool {
    use Code::{DataLoss, Internal, ResourceExhausted, Unknown};
    let is_own = matches!(
        status.code(),
        Internal | Unknown | DataLoss | ResourceExhausted
    );
    is_own && !is_of_connection(status)
}

fn is_of_user(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied
    )
}

impl Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } => ErrorKind::DaemonUnreachable,
            Self::Call { status, .. } if is_of_user(status) => ErrorKind::PermissionDenied,
            Self::Call { status, .. } if may_pass(status) => ErrorKind::DaemonUnreachable,
            Self::Call { status, .. } if is_of_server(status) => ErrorKind::Storage,
            Self::Call { .. } => ErrorKind::EngineFailed,
            Self::Unfit { .. } => ErrorKind::ProgramUnavailable,
            Self::Unsupported(_) | Self::Unencrypted(_) => ErrorKind::Unsupported,
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
            Self::Connect { server, .. } if server.starts_with("grpcs") => ENCRYPTED,
            Self::Connect { .. } => "check the address, and that the server runs",
            Self::Unfit { problem, .. } if problem.starts_with(NO_INSTANCE) => {
                "check the instance at the end of the address: grpc://HOST:PORT/INSTANCE"
            }
            // A certificate is refused by an end of the connection.
            Self::Call { server, status, .. }
                if is_of_connection(status) && server.starts_with("grpcs") =>
            {
                ENCRYPTED
            }
            Self::Call { status, .. } if is_of_user(status) => {
                "check by what the server knows you: `token` or `token-program`, and `certificate` and `key`, in `[remote]` in \
                 your stagex.toml"
            }
            Self::Call { what, status, .. } if *what == BUILD && is_busy(status) => {
                "it takes no more at once: use fewer --jobs, or raise its limit (BuildGrid: thread-pool-size)"
            }
            Self::Call { status, .. } if is_of_server(status) => {
                "look into the server's own log, and whether its disk is full"
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
