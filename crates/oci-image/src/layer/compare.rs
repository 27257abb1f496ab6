//! Whether a file of a layer is the one below it: what `BuildKit` leaves out of a layer.
//!
//! It knows two files and when the layer came about. It does not know names.

use std::io;

use super::content::Content;
use super::means::Means;
use super::tree::{Node, Tree};
use crate::entry::{Inode, Kind};

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Nothing has the name below.
    New,
    /// It is another file than below.
    Changed,
    /// It is the file below.
    Same,
    /// It equals the file below in all that is known. It was touched, or else written again
    /// within the second in which the file below was written.
    Doubtful,
}

/// What a layer is compared with.
pub(crate) struct Comparison<'a> {
    pub(crate) lower: &'a Tree,
    pub(crate) means: Means,
    /// The time, in seconds, to which canonical layers are clamped.
    pub(crate) epoch: i64,
}

impl Comparison<'_> {
    /// Compares a file with what is under the same name below.
    ///
    /// The rule is `BuildKit`'s: type, mode, owner, device and capability, and for all but
    /// directories size and time; where both times are whole seconds, content.
    pub(crate) fn compare(
        &self,
        upper: &Inode<Content>,
        below: Option<&Node>,
    ) -> io::Result<Likeness> {
        let Some(node) = below else {
            return Ok(Likeness::New);
        };
        let lower = &*node.inode;
        let metadata = |inode: &Inode<Content>| {
            (
                inode.mode,
                inode.user,
                inode.group,
                inode.capability.clone(),
            )
        };
        if metadata(upper) != metadata(lower) {
            return Ok(Likeness::Changed);
        }
        let timed = upper.modified == lower.modified;
        let same = match (&upper.kind, &lower.kind) {
            (Kind::Directory, Kind::Directory) => return Ok(Likeness::Same),
            (Kind::Symlink { target: a }, Kind::Symlink { target: b }) => timed && a == b,
            (Kind::Character(a), Kind::Character(b)) | (Kind::Block(a), Kind::Block(b)) => {
                timed && a == b
            }
            (Kind::Fifo, Kind::Fifo) => timed,
            (
                Kind::File { size, content },
                Kind::File {
                    size: below_size,
                    content: below,
                },
            ) => {
                timed
                    && size == below_size
                    && (*size == 0 || content.digest(*size)? == below.digest(*size)?)
            }
            _ => false,
        };
        Ok(if !same {
            Likeness::Changed
        } else if self.is_certain(upper, node) {
            Likeness::Same
        } else {
            Likeness::Doubtful
        })
    }

    /// Returns whether equal times in whole seconds are equal times.
    fn is_certain(&self, upper: &Inode<Content>, node: &Node) -> bool {
        let seconds = upper.modified.seconds;
        // The archive tells the nanoseconds.
        upper.modified.nanoseconds != 0
            // What comes out of a canonical image has whole seconds, up to the epoch.
            || node.imported
            || seconds <= self.epoch
            // A RUN starts after the newest file below was written. So what it writes is at
            // least as new, and what is older was not written by it.
            || (self.means == Means::Run && self.lower.newest() > Some(seconds))
    }
}
