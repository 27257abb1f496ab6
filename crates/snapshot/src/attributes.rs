//! The extended attributes of files: which of them go with a file, and how they are set.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, XattrFlags};
use rustix::io::Errno;

use crate::special;
use crate::tree::{kind, open_in};

/// What tar's extended headers put before the name of an attribute.
pub(crate) const IN_TAR: &str = "SCHILY.xattr.";
/// The one attribute that an image keeps.
pub(crate) const CAPABILITY: &str = "security.capability";

/// Tells whether an attribute of a file goes with it. Others are the system's own affair, and so are
/// those by which directories are stacked, and which say what a file stands for.
pub(crate) fn is_kept(key: &str) -> bool {
    let ours = ["user.overlay.", special::PREFIX];
    let is_ours = || ours.iter().any(|prefix| key.starts_with(prefix));
    key == CAPABILITY || (key.starts_with("user.") && !is_ours())
}

/// Sets an attribute of a file or directory.
pub(crate) fn set_attribute(
    directory: BorrowedFd<'_>,
    name: &[u8],
    key: &str,
    value: &[u8],
) -> Result<(), Errno> {
    match open_for_attributes(directory, name)? {
        Some(file) => set_attribute_of(&file, key, value),
        None => Ok(()),
    }
}

/// Sets an attribute of an open file.
pub(crate) fn set_attribute_of(file: &File, key: &str, value: &[u8]) -> Result<(), Errno> {
    rustix::fs::fsetxattr(file, key, value, XattrFlags::empty())
}

/// Opens a file to read or set its attributes; nothing for what is neither file nor directory.
fn open_for_attributes(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<File>, Errno> {
    let path = OsStr::from_bytes(name);
    let status = rustix::fs::statat(directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
    // To open a device would be to use it.
    if !matches!(kind(&status), FileType::RegularFile | FileType::Directory) {
        return Ok(None);
    }
    open_in(directory, name).map(Some)
}
