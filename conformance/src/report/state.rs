//! A verdict's kind, as reports show it: never by colour alone.

use crate::matrix::Verdict;

/// A verdict's kind, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Holds,
    Differs,
    CannotRun,
    Fails,
}

impl State {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Differs { .. } => Self::Differs,
            Verdict::CannotRun { .. } => Self::CannotRun,
            Verdict::Fails(_) => Self::Fails,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Differs => "differs",
            Self::CannotRun => "cannot-run",
            Self::Fails => "fails",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Holds => "✓",
            Self::Differs => "≠",
            Self::CannotRun => "–",
            Self::Fails => "✗",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Holds => "hold",
            Self::Differs => "differ as listed",
            Self::CannotRun => "cannot run here",
            Self::Fails => "fail",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Holds => "Cells that hold",
            Self::Differs => "Listed differences",
            Self::CannotRun => "Cells that cannot run here",
            Self::Fails => "Cells that fail",
        }
    }
}
