//! What can be wrong with a tree, and where: all of it at once, so that one run is enough to
//! mend it.

use std::fmt;
use std::io;

use camino::Utf8PathBuf;
use documents::ErrorKind;

/// One thing that is wrong, shown as `file:line:column: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the tree's root; none where it is no file's fault.
    pub file: Option<Utf8PathBuf>,
    /// Line and column, from 1, where there are any.
    pub position: Option<(usize, usize)>,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Makes a problem that is no file's fault.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            file: None,
            position: None,
            message: message.into(),
            hint: None,
        }
    }

    /// Makes a problem of a file, or of a directory, that cannot be read.
    pub(crate) fn unreadable(error: &io::Error) -> Self {
        let problem = Self::new(format!("cannot be read: {error}"));
        match beneath::problem(error) {
            Some(beneath::Problem::Link(_)) => problem
                .hint("replace the link with the file: no symbolic link is followed in packages/"),
            Some(beneath::Problem::NotUtf8(_)) => problem.hint("save it as UTF-8"),
            _ => problem,
        }
    }

    /// Says in which file it is.
    pub(crate) fn in_file(mut self, file: impl Into<Utf8PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Says on which line and in which column it is, from 1.
    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.position = Some((line, column));
        self
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes a problem of what a Containerfile's parser says.
    pub(crate) fn of_containerfile(error: &containerfile::Error) -> Self {
        let problem =
            Self::new(error.kind.to_string()).at(error.position.line, error.position.column);
        match error.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some((line, column)) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Returns of which kind they are where targets were looked for in a tree: what is no file's fault is the command
    /// line's.
    pub fn kind(&self) -> ErrorKind {
        if self.0.iter().all(|problem| problem.file.is_none()) {
            ErrorKind::Usage
        } else {
            ErrorKind::Tree
        }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
