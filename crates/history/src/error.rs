//! Why a history could not be looked at.

/// Why a history could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no range.
    #[error("`{0}` is not a range of commits")]
    Range(String),
    /// A name is that of no commit.
    #[error("`{0}` does not name a commit of this repository")]
    NoCommit(String),
    /// Nothing is in it.
    #[error("there is no commit in the range {0}")]
    Empty(String),
    /// Its older end is beside the line.
    #[error("`{from}` is not on the line of first parents that leads to `{to}`")]
    BesideLine {
        /// The older end.
        from: String,
        /// The newer end.
        to: String,
    },
    /// There is nothing that could be touched.
    #[error("the commit {0} has no directory packages/")]
    NoPackages(String),
    /// Git did not answer.
    #[error(transparent)]
    Git(#[from] git::Error),
}

impl Error {
    /// Returns what can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Range(_) => Some(
                "write A..B, for example 2026.02.0..HEAD, or one commit for all that leads to it",
            ),
            Self::NoCommit(_) => Some(
                "a clone without all of history or without tags may lack it: git fetch --unshallow --tags",
            ),
            Self::Empty(_) => Some("the older end comes first: OLD..NEW"),
            Self::BesideLine { .. } => Some(
                "name one that is: git log --first-parent; if the line was turned around by a merge of it, say so to who did that",
            ),
            Self::NoPackages(_) => Some("name the directory of a tree with -C"),
            Self::Git(git::Error::Outside(_)) => Some("a history is that of a clone: git clone"),
            Self::Git(error) => error.hint(),
        }
    }
}
