//! A layer as it is handed to this crate: an engine's archive, and how it came about.

use camino::Utf8PathBuf;

use super::leftover::Leftover;
use super::made::Destination;

/// The layer of one step, as an engine made it.
#[derive(Debug, Clone)]
pub struct LayerSource {
    /// Its tar: uncompressed, in any of tar's formats, a file that can be read by offset. None
    /// where the engine made no layer for the step: the canonical layer is then empty.
    pub tar: Option<Utf8PathBuf>,
    /// How the engine decided what is in it.
    pub recorded: Recorded,
    /// What the engine may have left in it that is not the build's.
    pub leftovers: Vec<Leftover>,
    /// Where its step copies to, if it is a COPY or an ADD.
    pub destination: Option<Destination>,
}

impl LayerSource {
    /// Tells whether it matters what is below the layer.
    pub(crate) fn compares(&self) -> bool {
        let mode = self.destination.as_ref().and_then(|place| place.mode);
        self.tar.is_some()
            && (self.recorded == Recorded::Touched || !self.leftovers.is_empty() || mode.is_some())
    }
}

/// How an engine decides what belongs into a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// By comparing with the file system below, as `BuildKit` does it: entries are complete, in
    /// order, and none equals what is below.
    Changes,
    /// In the same way, and then the times were clamped. What that left of the form of a header stays.
    Rewritten,
    /// By listing what was touched, with times in whole seconds: entries may equal what is below.
    Touched,
}
