//! What came of a check.
//!
//! It does not know how it is shown.

use std::io;

use camino::Utf8PathBuf;
use documents::ErrorKind;
use package_tree::{Problem, Problems};

use crate::finding::Finding;
use crate::rule::{RuleSet, Severity};

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The rules that were checked.
    pub set: RuleSet,
    /// How many Containerfiles were read.
    pub files: usize,
    /// What was found and not suppressed, by file, line and column.
    pub findings: Vec<Finding>,
    /// How many findings were suppressed.
    pub suppressed: usize,
}

impl Outcome {
    /// Returns how many findings are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of_it = |finding: &&Finding| finding.rule.severity == severity;
        self.findings.iter().filter(of_it).count()
    }
}

/// Why nothing can be checked, or repaired.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory of no package.
    #[error("there is no package in {0}")]
    NoPackage(Utf8PathBuf),
    /// There is no tree.
    #[error(transparent)]
    Tree(Problems),
    /// What was asked for is not in the tree.
    #[error(transparent)]
    Targets(Problems),
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::Write { .. } => ErrorKind::Environment,
            Self::NoPackage(_) => ErrorKind::Usage,
            Self::Tree(_) => ErrorKind::Tree,
            Self::Targets(problems) => problems.kind(),
        }
    }

    /// Returns what failed, each with what can be done about it.
    pub fn problems(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => {
                vec![(self.to_string(), Some(beneath::hint(source).to_owned()))]
            }
            Self::NoPackage(_) => vec![(self.to_string(), None)],
            Self::Tree(Problems(problems)) | Self::Targets(Problems(problems)) => {
                let pair = |problem: &Problem| (problem.to_string(), problem.hint.clone());
                problems.iter().map(pair).collect()
            }
        }
    }
}
