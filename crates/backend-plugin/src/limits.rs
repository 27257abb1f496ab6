//! What a plugin may take: time and output.

use std::time::Duration;

/// How long a plugin may take, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a probe may take.
    pub probe: Duration,
    /// How long any other operation may go on without a byte of output. (A build has no limit
    /// as a whole: how long a package takes is the package's own affair.)
    pub silence: Duration,
    /// How long a plugin may take to end after its answer, before it is ended.
    pub farewell: Duration,
    /// How many bytes an operation may write, to both streams together.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(30),
            silence: Duration::from_secs(3600),
            farewell: Duration::from_secs(10),
            output: 256 << 20,
        }
    }
}
