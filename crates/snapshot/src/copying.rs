//! How files are copied: where to, and to whom they belong then.

use crate::mode::Permissions;
use crate::owner::Owner;

/// To whom the files of a source belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// To whom the tree says: it is a build's own.
    Kept,
    /// To user and group 0, without attributes: it is somebody's directory.
    Root,
}

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct Copying<'a> {
    /// Where to: absolute, with a slash at its end if it has to be a directory.
    pub destination: &'a [u8],
    /// Who owns what is copied, if not whom the source says.
    pub owner: Option<Owner>,
    /// The permissions of what is copied, if not those of the source. If it is a number, directories that
    /// are made on the way have it too, but what is unpacked has its own.
    pub mode: Option<&'a Permissions>,
}
