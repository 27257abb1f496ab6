//! Removes files, however deep folders lie in one another: a build can have them deeper than a path
//! may be long, and deeper than a process has descriptors, and room on its stack, to walk down to.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// How many folders are open at once. What lies deeper is moved up, and removed from there.
const DEPTH: usize = 128;

/// Removes all that is in a folder, which must not be a symbolic link to one.
pub fn clear(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
    Ok(empty(folder.as_fd())?)
}

/// Removes a name from a folder, with all that is in it. What is gone already is no error.
pub fn remove(folder: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    if is_unlinked(folder, name)? {
        return Ok(());
    }
    empty(open(folder, name)?.as_fd())?;
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

fn empty(top: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut removal = Removal { top, moved: 0 };
    loop {
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            removal.remove(top, OsStr::from_bytes(&name), 1)?;
        }
    }
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Removal<'_> {
    fn remove(&mut self, folder: BorrowedFd<'_>, name: &OsStr, depth: usize) -> Result<(), Errno> {
        if is_unlinked(folder, name)? || (depth >= DEPTH && self.is_moved_up(folder, name)?) {
            return Ok(());
        }
        let inner = open(folder, name)?;
        for name in names(&inner)? {
            self.remove(inner.as_fd(), OsStr::from_bytes(&name), depth + 1)?;
        }
        rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
    }

    fn is_moved_up(&mut self, folder: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
        let mut is_opened = false;
        loop {
            let new = format!("{}", self.moved);
            self.moved += 1;
            match rustix::fs::renameat_with(folder, name, self.top, new, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST) => {}
                // To be in another folder it is changed itself, which its mode may deny.
                Err(Errno::ACCESS) if !is_opened => {
                    rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
                    is_opened = true;
                }
                // The overlay file system moves no folder that is below it. Nor is it deeper there
                // than a path is long.
                Err(Errno::XDEV) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Removes a name, unless it is a folder's, also where the mode of the folder that it is in denies that.
/// Returns whether it is gone.
fn is_unlinked(folder: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
    let unlink = || rustix::fs::unlinkat(folder, name, AtFlags::empty());
    let unlinked = match unlink() {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(folder, Mode::RWXU)?;
            unlink()
        }
        unlinked => unlinked,
    };
    match unlinked {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Which of the two is said of a folder depends on the file system.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the names in a folder, in no order.
pub fn names(folder: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Opens a folder, also where its mode denies that.
fn open(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(folder, name, flags, Mode::empty());
    match open() {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            open()
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[test]
    fn folders_deeper_than_a_path_is_long_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let mut folder = open(CWD, temporary.path().as_os_str()).unwrap();
        for depth in 0..2100 {
            // Where what is moved up would come to lie there is something already.
            for name in ["0", "1"] {
                rustix::fs::mkdirat(&folder, name, Mode::RWXU).unwrap();
            }
            folder = open(folder.as_fd(), OsStr::new(["0", "1"][depth % 2])).unwrap();
        }
        clear(temporary.path()).unwrap();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[rstest]
    #[case::nobody(Mode::empty())]
    #[case::nobody_but_readers(Mode::RUSR | Mode::XUSR)]
    fn deep_folders_that_are_closed_are_removed(#[case] mode: Mode) {
        let temporary = tempfile::tempdir().unwrap();
        let mut folder = open(CWD, temporary.path().as_os_str()).unwrap();
        for _ in 0..3 * DEPTH {
            rustix::fs::mkdirat(&folder, "folder", Mode::RWXU).unwrap();
            let inner = open(folder.as_fd(), OsStr::new("folder")).unwrap();
            rustix::fs::fchmod(&folder, mode).unwrap();
            folder = inner;
        }
        rustix::fs::chmodat(CWD, temporary.path(), Mode::RWXU, AtFlags::empty()).unwrap();
        clear(temporary.path()).unwrap();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let (inside, outside) = (temporary.path().join("in"), temporary.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir_all(outside.join("folder")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        assert!(clear(&inside.join("link")).is_err());
        clear(&inside).unwrap();
        assert!(outside.join("folder").exists() && !inside.join("link").exists());
    }
}
