//! What a layer is told from besides its files: which kind of step made it.

/// How the files of a layer came there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// Programs wrote or touched them: their times are from when they did.
    Run,
    /// They were copied or unpacked, with the times that they had.
    Copy,
}
