//! Removes files, however deep directories lie in one another: a build can have them deeper than a path
//! may be long, and deeper than a process has descriptors, and room on its stack, to walk down to.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// How many directories are open at once. What lies deeper is moved up, and removed from there.
const DEPTH: usize = 128;

/// Removes all that is in a directory, which must not be a symbolic link to one.
pub fn clear(directory: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
    Ok(empty(directory.as_fd())?)
}

/// Removes a name from a directory, with all that is in it. What is gone already is no error.
pub fn remove(directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    if is_unlinked(directory, name)? {
        return Ok(());
    }
    empty(open(directory, name)?.as_fd())?;
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
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
    fn remove(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
    ) -> Result<(), Errno> {
        if is_unlinked(directory, name)? || (depth >= DEPTH && self.is_moved_up(directory, name)?) {
            return Ok(());
        }
        let inner = open(directory, name)?;
        for name in names(&inner)? {
            self.remove(inner.as_fd(), OsStr::from_bytes(&name), depth + 1)?;
        }
        rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
    }

    fn is_moved_up(&mut self, directory: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
        let mut is_opened = false;
        loop {
            let new = format!("{}", self.moved);
            self.moved += 1;
            match rustix::fs::renameat_with(directory, name, self.top, new, RenameFlags::NOREPLACE)
            {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST) => {}
                // To be in another directory it is changed itself, which its mode may deny.
                Err(Errno::ACCESS) if !is_opened => {
                    rustix::fs::chmodat(directory, name, Mode::RWXU, AtFlags::empty())?;
                    is_opened = true;
                }
                // The overlay file system moves no directory that is below it. Nor is it deeper there
                // than a path is long.
                Err(Errno::XDEV) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Removes a name, unless it is a directory's, also where the mode of the directory that it is in denies that.
/// Returns whether it is gone.
fn is_unlinked(directory: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
    let unlink = || rustix::fs::unlinkat(directory, name, AtFlags::empty());
    let unlinked = match unlink() {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(directory, Mode::RWXU)?;
            unlink()
        }
        unlinked => unlinked,
    };
    match unlinked {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Which of the two is said of a directory depends on the file system.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the names in a directory, in no order.
pub fn names(directory: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Opens a directory, also where its mode denies that.
fn open(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(directory, name, flags, Mode::empty());
    match open() {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(directory, name, Mode::RWXU, AtFlags::empty())?;
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
    fn directories_deeper_than_a_path_is_long_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let mut directory = open(CWD, temporary.path().as_os_str()).unwrap();
        for depth in 0..2100 {
            // Where what is moved up would come to lie there is something already.
            for name in ["0", "1"] {
                rustix::fs::mkdirat(&directory, name, Mode::RWXU).unwrap();
            }
            directory = open(directory.as_fd(), OsStr::new(["0", "1"][depth % 2])).unwrap();
        }
        clear(temporary.path()).unwrap();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[rstest]
    #[case::nobody(Mode::empty())]
    #[case::nobody_but_readers(Mode::RUSR | Mode::XUSR)]
    fn deep_directories_that_are_closed_are_removed(#[case] mode: Mode) {
        let temporary = tempfile::tempdir().unwrap();
        let mut directory = open(CWD, temporary.path().as_os_str()).unwrap();
        for _ in 0..3 * DEPTH {
            rustix::fs::mkdirat(&directory, "directory", Mode::RWXU).unwrap();
            let inner = open(directory.as_fd(), OsStr::new("directory")).unwrap();
            rustix::fs::fchmod(&directory, mode).unwrap();
            directory = inner;
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
        fs::create_dir_all(outside.join("directory")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        assert!(clear(&inside.join("link")).is_err());
        clear(&inside).unwrap();
        assert!(outside.join("directory").exists() && !inside.join("link").exists());
    }
}
