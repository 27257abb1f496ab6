//! Why a plugin did not do what it was asked, and the one way of each reason into the API's
//! words.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use backend_api::{ErrorKind, Operation, Reason, Unavailable};
use camino::{Utf8Path, Utf8PathBuf};

use crate::command::PROTOCOL;
use crate::name::Name;
use crate::parse::{Absence, Refusal};

/// Why a plugin did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Error {
    program: Utf8PathBuf,
    cause: Box<Cause>,
    stderr: String,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Cause {
    /// It could not be run to its end.
    Process(process::Error),
    /// It ended without an answer.
    Died(ExitStatus),
    /// It did what the protocol does not have.
    Misbehaved(String),
    /// It speaks another version of the protocol.
    Version(u64),
    /// It said that it cannot.
    Refused(Refusal),
    /// It said that its engine is not there.
    Absent(Absence),
}

impl Error {
    pub(crate) fn new(program: &Utf8Path, cause: Cause) -> Self {
        Self {
            program: program.to_owned(),
            cause: Box::new(cause),
            stderr: String::new(),
        }
    }

    pub(crate) fn with_stderr(mut self, stderr: String) -> Self {
        self.stderr = stderr;
        self
    }

    /// Returns the error as one of `name` in `operation`.
    pub(crate) fn of(self, name: &Name, operation: Operation) -> backend_api::Error {
        let (kind, message, hint) = (self.kind(), self.message(), self.hint());
        let error = backend_api::Error::new(name.as_str().to_owned(), operation, kind, message);
        let error = match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        match *self.cause {
            Cause::Refused(Refusal { output, step, .. }) => error
                .with_step(step)
                .with_output(output.unwrap_or(self.stderr)),
            Cause::Process(source) => error.with_source(source).with_output(self.stderr),
            _ => error.with_output(self.stderr),
        }
    }

    fn kind(&self) -> ErrorKind {
        match &*self.cause {
            Cause::Process(
                process::Error::NotFound { .. } | process::Error::NotPermitted { .. },
            )
            | Cause::Absent(_) => ErrorKind::ProgramUnavailable,
            Cause::Died(status) if status.signal().is_some() => ErrorKind::EngineKilled,
            Cause::Process(_) | Cause::Died(_) => ErrorKind::EngineFailed,
            Cause::Misbehaved(_) | Cause::Version(_) => ErrorKind::Unexpected,
            Cause::Refused(refusal) => refusal.kind,
        }
    }

    fn message(&self) -> String {
        let program = &self.program;
        match &*self.cause {
            Cause::Process(error) => error.to_string(),
            Cause::Died(status) => format!("`{program}` ended without an answer ({status})"),
            Cause::Misbehaved(what) => format!("`{program}` {what}"),
            Cause::Version(found) => format!(
                "`{program}` speaks version {found} of the plugin protocol, expected {PROTOCOL}"
            ),
            Cause::Refused(refusal) => format!("`{program}`: {}", refusal.message),
            Cause::Absent(absence) => format!("`{program}`: {}", absence.message),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match &*self.cause {
            Cause::Process(process::Error::NotFound { .. }) => {
                "say where the plugin is with --engine NAME=PATH, or put it on PATH"
            }
            Cause::Process(process::Error::NotPermitted { .. }) => {
                "make the file executable (chmod +x)"
            }
            Cause::Died(status) if status.signal().is_some() => process::KILLED_HINT,
            Cause::Process(_) | Cause::Died(_) => {
                "what the plugin wrote to its standard error is in the log"
            }
            Cause::Misbehaved(_) => {
                "this is a fault of the plugin: what it may say is in docs/plugin-protocol.md"
            }
            Cause::Version(found) if *found < PROTOCOL => "install a later version of the plugin",
            Cause::Version(_) => "install a later stagex, or an earlier version of the plugin",
            Cause::Refused(refusal) => return refusal.hint.clone(),
            Cause::Absent(absence) => return Some(absence.hint.clone()),
        };
        Some(hint.to_owned())
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        let message = error.message();
        let hint = error.hint().unwrap_or_default();
        let reason = match &*error.cause {
            Cause::Process(process::Error::NotFound { .. }) => Reason::NotFound,
            Cause::Process(process::Error::NotPermitted { .. }) => Reason::PermissionDenied,
            Cause::Version(found) if *found < PROTOCOL => Reason::TooOld,
            Cause::Absent(absence) => absence.reason,
            _ => Reason::WillNotRun,
        };
        let (program, version) = match *error.cause {
            Cause::Process(process::Error::NotFound { .. }) => (None, None),
            Cause::Absent(absence) => (Some(error.program), absence.version),
            _ => (Some(error.program), None),
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
