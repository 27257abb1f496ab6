//! Every way in which a job can fail, in the words of [`Failure`].

use std::io;

use backend_api::StepId;

use crate::job::{Failure, FailureKind};

/// A result of a worker.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            step: None,
        }
    }

    /// Says which step failed.
    #[must_use]
    pub(crate) fn at(mut self, step: Option<StepId>) -> Self {
        self.step = step;
        self
    }

    /// Says in what it was that something failed.
    #[must_use]
    pub(crate) fn within(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The package's own fault.
    pub(crate) fn build(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Build, message)
    }

    /// What this backend does not do.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unsupported, message)
    }

    /// What the system does not do.
    pub(crate) fn io(action: &str, path: impl std::fmt::Display, source: &io::Error) -> Self {
        let message = format!("cannot {action} `{path}`: {}", told(source));
        let failure = Self::new(kind(source), message);
        match source.kind() {
            io::ErrorKind::StorageFull => failure.with_hint(
                "free some space on the file system of the work directory, which is in out/",
            ),
            _ => failure,
        }
    }

    /// No thread can be started for this build.
    pub(crate) fn thread(source: &io::Error) -> Self {
        let message = format!("cannot start a thread: {source}");
        if is_exhausted(source) {
            return Self::exhausted(message);
        }
        Self::new(FailureKind::Internal, message)
    }

    /// There are as many processes as there may be.
    fn exhausted(message: String) -> Self {
        Self::new(FailureKind::Permission, message).with_hint(
            "there are as many processes as this user, or the control group that this is in, may \
             have: raise `ulimit -u` or the group's pids.max, or build fewer packages at once (--jobs)",
        )
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Refuses what an instruction says.
pub(crate) fn unsupported(keyword: &str, what: &str) -> Failure {
    let message = format!("{keyword} {what} is not supported without an engine");
    let hint = "write it in another way, or use --runtime docker, podman or buildah";
    Failure::unsupported(message).with_hint(hint)
}

fn kind(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => FailureKind::Storage,
        _ => FailureKind::Internal,
    }
}

/// Says what is wrong, in words of our own where a person can do something about it.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    }
}

impl From<snapshot::Error> for Failure {
    fn from(error: snapshot::Error) -> Self {
        if let snapshot::Error::Io {
            action,
            path,
            source,
        } = &error
            && kind(source) == FailureKind::Storage
        {
            return Self::io(action, path, source);
        }
        Self::build(error.to_string())
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Self {
        let message = error.to_string();
        match error {
            sandbox::Error::NoProgram(_) | sandbox::Error::Execute { .. } => Self::build(message),
            sandbox::Error::Namespaces { source, .. }
            | sandbox::Error::Start { source, .. }
            | sandbox::Error::Network { source, .. }
                if is_exhausted(&source) =>
            {
                Self::exhausted(message)
            }
            sandbox::Error::Namespaces { .. } => Self::new(FailureKind::Permission, message)
                .with_hint(
                    "an ordinary user needs namespaces (sysctl kernel.unprivileged_userns_clone=1, \
                     user.max_user_namespaces), newuidmap (Debian: apt-get install uidmap), and \
                     ranges in /etc/subuid and /etc/subgid",
                ),
            sandbox::Error::User { .. } => Self::build(message).with_hint(
                "an ordinary user's builds have the users of the ranges in /etc/subuid and \
                 /etc/subgid: longer ones have more (usermod --add-subuids, --add-subgids)",
            ),
            sandbox::Error::Mount { .. }
            | sandbox::Error::Network { .. }
            | sandbox::Error::Start { .. } => Self::new(FailureKind::Internal, message),
        }
    }
}

/// Tells whether there may be no more processes, or threads, than there are.
fn is_exhausted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
