//! What came of fetching.

use std::fmt;
use std::io;
use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::wanted::Wanted;

/// What came of each source, in the order in which they were wanted.
#[derive(Debug, Default)]
pub struct Report {
    /// What was wanted, and how it came to its place; or why it did not.
    pub sources: Vec<(Wanted, Result<How, Unfetched>)>,
}

/// How a source came to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It was there.
    Present,
    /// It was in the store.
    Stored,
    /// A mirror had it.
    Fetched {
        /// The mirror.
        mirror: String,
        /// How many bytes it has.
        bytes: u64,
    },
}

/// A source that no mirror gave.
#[derive(Debug, Clone)]
pub struct Unfetched {
    /// The source.
    pub wanted: Box<Wanted>,
    /// Each mirror, and what it did.
    pub attempts: Arc<[Attempt]>,
}

/// A mirror that did not give a source.
#[derive(Debug)]
pub struct Attempt {
    /// The mirror.
    pub mirror: String,
    /// What it did.
    pub why: Why,
}

/// Why a mirror did not give a source.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It could not be downloaded.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// It gave something else.
    #[error(
        "the contents are others: sha256 {found}{}{}{}",
        said(", called ", media_type.as_ref()),
        said(", said to be encoded as ", encoding.as_ref()),
        said(", kept as ", kept.as_ref())
    )]
    Wrong {
        /// The hash of what it gave.
        found: String,
        /// What a server says that it is.
        media_type: Option<String>,
        /// How a server says that it is encoded.
        encoding: Option<String>,
        /// Where it is kept for inspection.
        kept: Option<Utf8PathBuf>,
    },
    /// It is a file that cannot be read.
    #[error("it cannot be read: {0}")]
    File(io::Error),
    /// It is a file that the user has not allowed.
    #[error("it is in none of the directories that your own settings allow")]
    NotAllowed,
    /// It is no address.
    #[error(transparent)]
    Invalid(#[from] transfer::InvalidAddress),
    /// Nothing may reach the network.
    #[error("it is not asked, since nothing may reach the network")]
    Offline,
}

fn said(before: &str, what: Option<impl fmt::Display>) -> String {
    what.map_or_else(String::new, |what| format!("{before}{what}"))
}

impl Report {
    /// Returns what no mirror gave.
    pub fn failed(&self) -> impl Iterator<Item = &Unfetched> {
        let sources = self.sources.iter();
        sources.filter_map(|(_, came)| came.as_ref().err())
    }
}

impl Why {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Transfer(error) => error.hint(),
            Self::NotAllowed => Some(
                "name its directory in `directories` of [fetch] in your own stagex.toml, if you trust what the \
                 tree says of it",
            ),
            Self::Offline => Some("leave out --offline, or set offline = false"),
            _ => None,
        }
    }
}

impl Unfetched {
    /// Says the same of another source with the same hash.
    pub(crate) fn of(self, wanted: &Wanted) -> Self {
        Self {
            wanted: Box::new(wanted.clone()),
            ..self
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        let mut hints: Vec<String> = Vec::new();
        for attempt in self.attempts.iter() {
            if let Some(hint) = attempt.why.hint()
                && !hints.iter().any(|known| known == hint)
            {
                hints.push(hint.to_owned());
            }
        }
        hints.push(format!(
            "if you have it, put it at {}; other places can be named in by-hash of [fetch] in stagex.toml",
            self.wanted.path()
        ));
        hints.join("\n")
    }
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wanted {
            package,
            source,
            declared,
            ..
        } = &*self.wanted;
        write!(
            f,
            "{package}: the source `{}` cannot be fetched\n  declared in {declared}\n  expected {}, sha256 {}",
            source.key, source.file, source.hash
        )?;
        for Attempt { mirror, why } in self.attempts.iter() {
            write!(f, "\n  {mirror}: {why}")?;
        }
        Ok(())
    }
}
