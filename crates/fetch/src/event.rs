//! What happens while sources are fetched, and who is told.

use std::time::Duration;

use crate::report::{How, Unfetched, Why};
use crate::wanted::Wanted;

/// Who is told what happens. It is called from several threads.
pub trait Listener: Send + Sync {
    /// Hears one thing that happens.
    fn hear(&self, event: Event<'_>);
}

/// Nobody.
impl Listener for () {
    fn hear(&self, _: Event<'_>) {}
}

/// Something that happens while sources are fetched.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many different sources are looked at.
    Began {
        /// How many.
        sources: usize,
    },
    /// Another process is fetching the same source.
    Waiting {
        /// The source.
        source: &'a Wanted,
    },
    /// A mirror is asked.
    Asked {
        /// The source.
        source: &'a Wanted,
        /// The mirror.
        mirror: &'a str,
    },
    /// A mirror sends a source.
    Sends {
        /// The source.
        source: &'a Wanted,
        /// How many bytes are there already.
        from: u64,
        /// How many bytes it has, if that is known.
        length: Option<u64>,
    },
    /// So many more bytes of a source have arrived.
    Arrived {
        /// The source.
        source: &'a Wanted,
        /// How many.
        bytes: u64,
    },
    /// A mirror has failed, and is asked once more.
    Again {
        /// The source.
        source: &'a Wanted,
        /// The mirror.
        mirror: &'a str,
        /// Why it failed.
        why: &'a transfer::Error,
        /// How long is waited before.
        pause: Duration,
    },
    /// A mirror has failed, and is not asked again.
    Failed {
        /// The source.
        source: &'a Wanted,
        /// The mirror.
        mirror: &'a str,
        /// Why it failed.
        why: &'a Why,
    },
    /// A source is where it belongs.
    Done {
        /// The source.
        source: &'a Wanted,
        /// How it came there.
        how: &'a How,
    },
    /// A source cannot be had.
    Unfetched {
        /// The source.
        source: &'a Unfetched,
    },
    /// Something that somebody should know.
    Notice {
        /// The source.
        source: &'a Wanted,
        /// One sentence.
        message: &'a str,
    },
}
