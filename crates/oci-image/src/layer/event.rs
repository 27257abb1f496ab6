//! What normalising a layer has to tell. It is data; whoever made the request shows it.

use std::fmt;

use crate::path::TreePath;

/// Something that a person may want to know about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An entry equals what is below it in all that the engine's archive tells, but the archive
    /// does not tell all: times are whole seconds, so that a file that was written again with
    /// the same bytes within a second looks like one that was only touched.
    Ambiguous {
        /// The entry.
        path: TreePath,
        /// What was decided: it is in the layer, or it is not.
        recorded: bool,
    },
    /// Something that the engine left behind was taken out.
    LeftoverRemoved(TreePath),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { path, recorded } => {
                let decision = if *recorded {
                    "counted as written again"
                } else {
                    "left out"
                };
                write!(
                    f,
                    "`{path}` equals the file below it to the second: {decision}"
                )
            }
            Self::LeftoverRemoved(path) => write!(f, "`{path}` is the engine's own: left out"),
        }
    }
}
