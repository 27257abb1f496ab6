//! Why a build here cannot be had, and the one way of each reason into the API's words.

use std::error::Error as _;

use backend_api::{ErrorKind, Operation, Reason, Unavailable};
use camino::Utf8PathBuf;

use crate::command::{ID, VERSION};
use crate::job::{Failure, FailureKind};

/// Why a worker did not do its job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the worker cannot be run to its end: {0}")]
    Process(#[from] process::Error),
    #[error("the worker ended without an answer{}", last(.output))]
    Ended { output: String },
    #[error("{}", .failure.message)]
    Failed { failure: Failure, output: String },
    #[error("cannot {action} `{path}`: {source}")]
    File {
        action: &'static str,
        path: Utf8PathBuf,
        source: std::io::Error,
    },
}

/// Returns what a worker has said last, behind a colon, if it has said anything.
fn last(output: &str) -> String {
    let line = output.lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(String::new, |line| format!(": {line}"))
}

impl Error {
    /// Returns the error as one of `operation`.
    pub(crate) fn of(self, operation: Operation) -> backend_api::Error {
        let kind = match &self {
            Self::Process(error) if error.is_killed() => ErrorKind::EngineKilled,
            Self::Process(_) => ErrorKind::ProgramUnavailable,
            Self::Ended { .. } => ErrorKind::EngineFailed,
            Self::Failed { failure, .. } => failure.kind.into(),
            Self::File { .. } => ErrorKind::Storage,
        };
        let error = backend_api::Error::new(ID, operation, kind, self.to_string());
        match self {
            Self::Process(source) => match source.hint() {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
            .with_source(source),
            Self::Ended { output } => error.with_output(output),
            Self::Failed { failure, output } => {
                let error = error.with_step(failure.step).with_output(output);
                match failure.hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
            }
            Self::File { source, .. } => error.with_source(source),
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Failed { failure, .. } if failure.kind == FailureKind::Permission => {
                Reason::PermissionDenied
            }
            Self::Failed { .. } => Reason::Incomplete,
            Self::Process(process::Error::NotFound { .. }) => Reason::NotFound,
            Self::Process(_) | Self::Ended { .. } | Self::File { .. } => Reason::WillNotRun,
        }
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        let reason = error.reason();
        let mut message = error.to_string();
        if let Error::Process(source) = &error
            && let Some(why) = source.source()
        {
            message = format!("{message}: {why}");
        }
        let hint = match error {
            Error::Failed { failure, .. } => failure.hint,
            _ => None,
        };
        let usual = "use an engine: --runtime docker, podman or buildah".to_owned();
        Self {
            reason,
            program: None,
            version: Some(VERSION.to_owned()),
            message,
            hint: hint.unwrap_or(usual),
        }
    }
}
