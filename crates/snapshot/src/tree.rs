//! A tree of files: found below a descriptor of its root, and never left.
//!
//! A path is first resolved as a process in the tree would see it, links included, to a
//! [`Place`] without any; that is then opened with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so that
//! a link that came in between is an error and no way out.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use crate::error::{Context as _, Error, Result, shown};
use crate::owner::Owner;
use crate::place::Place;
use crate::special::{self, set_owner};

/// How many symbolic links are followed on one path.
const LINK_LIMIT: usize = 255;

/// The set-group-ID bit.
const SET_GROUP: u32 = 0o2000;

/// A tree of files.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// A directory that was made on the way to another.
pub type CreatedDirectory = Place;

impl Tree {
    /// Opens the tree below the directory at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty());
        Ok(Self {
            root: root.at("open", path.as_os_str().as_bytes())?,
        })
    }

    /// Makes a tree of an open directory.
    pub fn of(root: OwnedFd) -> Self {
        Self { root }
    }

    /// Returns the open directory that is its root.
    pub fn into_root(self) -> OwnedFd {
        self.root
    }

    /// Returns where a path leads to, every link followed; from the first name on that is not
    /// there, the path is taken as it is.
    pub fn resolve(&self, path: &[u8]) -> Result<Place> {
        self.walk(path, true)
    }

    /// Returns where a path leads to, its last name not followed if it is a link.
    pub fn resolve_parent(&self, path: &[u8]) -> Result<Place> {
        self.walk(path, false)
    }

    fn walk(&self, path: &[u8], follow_last: bool) -> Result<Place> {
        if let Some(place) = self.without_links(path, follow_last) {
            return Ok(place);
        }
        let mut place = Place::root();
        // The names that are still to be walked, the next one last.
        let mut ahead: Vec<Vec<u8>> = Vec::new();
        push_names(&mut ahead, path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            let next = place.join(&name);
            let plain = name == b".." || (ahead.is_empty() && !follow_last);
            let target = if plain {
                None
            } else {
                self.link_target(&next)?
            };
            let Some(target) = target else {
                place = next;
                continue;
            };
            links += 1;
            if links > LINK_LIMIT {
                return Err(Error::TooManyLinks(shown(path)));
            }
            if target.starts_with(b"/") {
                place = Place::root();
            }
            push_names(&mut ahead, &target);
        }
        Ok(place)
    }

    /// Returns where a path leads to if all on the way to it is there and no link: with one call, however
    /// deep that is.
    fn without_links(&self, path: &[u8], follow_last: bool) -> Option<Place> {
        // What a link before it leads to is not there by its name.
        if path.split(|byte| *byte == b'/').any(|name| name == b"..") {
            return None;
        }
        let place = Place::new(path);
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        if follow_last {
            let file = self.open_flags(&place, flags, Mode::empty()).ok()?;
            let status = rustix::fs::fstat(&file).ok()?;
            return (kind(&status) != FileType::Symlink).then_some(place);
        }
        let flags = flags | OFlags::DIRECTORY;
        self.open_flags(&place.parent(), flags, Mode::empty())
            .ok()?;
        Some(place)
    }

    /// Returns the target of a link; nothing where there is none.
    fn link_target(&self, place: &Place) -> Result<Option<Vec<u8>>> {
        match self.status(place)? {
            Some(status) if kind(&status) == FileType::Symlink => self.read_link(place).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads a link.
    pub fn read_link(&self, place: &Place) -> Result<Vec<u8>> {
        let (directory, name) = self.parent(place)?;
        let target = rustix::fs::readlinkat(directory, OsStr::from_bytes(name), Vec::new());
        Ok(target.at("read the link", place.as_bytes())?.into_bytes())
    }

    /// Returns the status of what is at a place, if something is; a link is not followed.
    pub fn status(&self, place: &Place) -> Result<Option<Stat>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        match self.open_flags(place, flags, Mode::empty()) {
            Ok(file) => {
                let seen = rustix::fs::fstat(&file).and_then(|mut status| {
                    special::see(&mut status, file.as_fd())?;
                    Ok(status)
                });
                seen.at("ask about", place.as_bytes()).map(Some)
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error).at("ask about", place.as_bytes()),
        }
    }

    /// Opens what is at a place.
    pub fn open_at(&self, place: &Place, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        self.open_flags(place, flags, mode)
            .at("open", place.as_bytes())
    }

    /// Opens a file to read it.
    pub fn read(&self, place: &Place) -> Result<File> {
        // A named pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        self.open_at(place, flags, Mode::empty()).map(File::from)
    }

    /// Opens a directory.
    pub fn directory(&self, place: &Place) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        self.open_at(place, flags, Mode::empty())
    }

    /// Opens a directory, if there is one, in directories only.
    pub(crate) fn directory_if_there(&self, place: &Place) -> Result<Option<OwnedFd>> {
        self.open_if_there(place, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Tells whether something is there, in directories only.
    pub(crate) fn has(&self, place: &Place) -> Result<bool> {
        let found = self.open_if_there(place, OFlags::PATH)?;
        Ok(found.is_some())
    }

    pub(crate) fn open_if_there(&self, place: &Place, flags: OFlags) -> Result<Option<OwnedFd>> {
        match self.open_flags(place, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            opened => opened.at("open", place.as_bytes()).map(Some),
        }
    }

    /// Opens the directory that a place is in, and returns it with the place's name.
    pub fn parent<'place>(&self, place: &'place Place) -> Result<(OwnedFd, &'place [u8])> {
        let directory = self.directory(&place.parent())?;
        Ok((directory, place.name().unwrap_or(b".")))
    }

    fn open_flags(&self, place: &Place, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        #[cfg(test)]
        tests::LOOK_UPS.with(|count| count.set(count.get() + 1));
        let path = OsStr::from_bytes(place.relative());
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, resolve)
    }

    /// Returns the names in a directory, in the order of their bytes.
    pub fn names(&self, place: &Place) -> Result<Vec<Vec<u8>>> {
        names(&self.directory(place)?).at("read", place.as_bytes())
    }

    /// Makes a directory and those that it is in, each with the same mode and owner. Without an owner they are root's.
    /// Each inherits what mkdir(2) inherits from a directory with the set-group-ID bit: this bit and, without an owner,
    /// the group. Returns those that were not there, outermost first.
    pub fn make_directories(
        &self,
        place: &Place,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<Vec<CreatedDirectory>> {
        let mut created = Vec::new();
        let found = self.status(place)?;
        if found.is_some_and(|status| kind(&status) == FileType::Directory) {
            return Ok(created);
        }
        let mut directory = Place::root();
        for name in place.names() {
            directory.step(name);
            match self.status(&directory)? {
                Some(status) if kind(&status) == FileType::Directory => continue,
                Some(_) => {
                    return Err(Errno::NOTDIR).at("make the directory", directory.as_bytes());
                }
                None => {}
            }
            let above = self.status(&directory.parent())?;
            let above = above.filter(|status| status.st_mode & SET_GROUP != 0);
            let group = above.map_or(0, |above| above.st_gid);
            let owner = owner.unwrap_or(Owner { user: 0, group });
            let mode = mode | above.map_or(0, |_| SET_GROUP);
            let (parent, name) = self.parent(&directory)?;
            let name = OsStr::from_bytes(name);
            let made = rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700))
                .and_then(|()| set_owner(parent.as_fd(), name.as_bytes(), owner))
                .and_then(|()| set_mode(parent.as_fd(), name.as_bytes(), mode));
            made.at("make the directory", directory.as_bytes())?;
            created.push(directory.clone());
        }
        Ok(created)
    }

    /// Removes what is at a place, with all that is in it.
    pub fn remove(&self, place: &Place) -> Result<()> {
        let (directory, name) = self.parent(place)?;
        beneath::remove(directory.as_fd(), name).at("remove", place.as_bytes())
    }

    /// Removes what is at a place; the directory that it is in keeps its times.
    pub fn remove_unnoticed(&self, place: &Place) -> Result<()> {
        let before = self.status(&place.parent())?;
        self.remove(place)?;
        match before {
            Some(status) if !place.parent().is_root() => {
                self.set_times(&place.parent(), &times(&status))
            }
            _ => Ok(()),
        }
    }

    /// Sets the time of last modification, and that of last access with it.
    pub fn set_times(&self, place: &Place, times: &Timestamps) -> Result<()> {
        let (directory, name) = self.parent(place)?;
        set_times(directory.as_fd(), name, times).at("set the times of", place.as_bytes())
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

fn push_names(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/').rev();
    ahead.extend(
        names
            .filter(|name| !matches!(*name, b"" | b"."))
            .map(<[u8]>::to_vec),
    );
}

/// Returns the status of a name in an open directory, if it is there; a link is not followed.
pub(crate) fn status_in(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match special::status_at(directory, OsStr::from_bytes(name)) {
        Ok(status) => Ok(Some(status)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file in an open directory, to read it and its attributes; a link is not followed.
pub(crate) fn open_in(directory: BorrowedFd<'_>, name: &[u8]) -> Result<File, Errno> {
    // A named pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())?;
    Ok(file.into())
}

/// Returns what kind of file it is.
pub(crate) fn kind(status: &Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

/// Returns its permissions: the twelve bits.
pub(crate) fn permissions(status: &Stat) -> u32 {
    status.st_mode & 0o7777
}

/// Returns the times of a file, to be set on another.
pub(crate) fn times(status: &Stat) -> Timestamps {
    let time = |seconds: i64, fraction: u64| Timespec {
        tv_sec: seconds,
        // Less than a thousand million.
        tv_nsec: i64::try_from(fraction).unwrap_or(0),
    };
    Timestamps {
        last_access: time(status.st_atime, status.st_atime_nsec),
        last_modification: time(status.st_mtime, status.st_mtime_nsec),
    }
}

/// Returns the names in an open directory, in the order of their bytes.
pub(crate) fn names(directory: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = beneath::names(directory)?;
    names.sort_unstable();
    Ok(names)
}

/// Sets the permissions of a file; a link has none, and is not followed.
pub(crate) fn set_mode(directory: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    let status = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind(&status) == FileType::Symlink {
        return Ok(());
    }
    rustix::fs::chmodat(
        directory,
        name,
        Mode::from_raw_mode(mode & 0o7777),
        AtFlags::empty(),
    )
}

pub(crate) fn set_times(
    directory: BorrowedFd<'_>,
    name: &[u8],
    times: &Timestamps,
) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    rustix::fs::utimensat(directory, name, times, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many paths this thread has asked the kernel for.
        pub(super) static LOOK_UPS: Cell<u64> = const { Cell::new(0) };
    }

    /// Returns how many paths the kernel is asked for while something is done.
    pub(crate) fn look_ups(act: impl FnOnce()) -> u64 {
        let before = LOOK_UPS.get();
        act();
        LOOK_UPS.get() - before
    }

    /// Makes directories, one in another, deeper than any path is long.
    pub(crate) fn deep(directory: &Path, depth: usize) {
        let mut directory = rustix::fs::open(directory, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..depth {
            rustix::fs::mkdirat(&directory, "d", Mode::RWXU).unwrap();
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
            directory = rustix::fs::openat(&directory, "d", flags, Mode::empty()).unwrap();
        }
    }

    /// Does something with as much room on the stack, and as many descriptors, as it takes to walk down.
    pub(crate) fn walking<T: Send>(walk: impl FnOnce() -> T + Send) -> T {
        use rustix::process::{Resource, getrlimit, setrlimit};

        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(64 << 20);
            thread.spawn_scoped(scope, walk).unwrap().join().unwrap()
        })
    }

    #[test]
    fn a_link_that_comes_in_between_is_no_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (
            directory.path().join("inside"),
            directory.path().join("outside"),
        );
        for path in [&inside, &outside] {
            std::fs::create_dir(path).unwrap();
        }
        std::fs::write(outside.join("secret"), "").unwrap();
        let tree = Tree::open(&inside).unwrap();
        // Where it leads to was found out before it was a link.
        let place = tree.resolve(b"/way/secret").unwrap();
        for target in [outside.as_path(), Path::new("../outside")] {
            std::os::unix::fs::symlink(target, inside.join("way")).unwrap();
            assert!(tree.read(&place).is_err());
            assert!(tree.directory(&place.parent()).is_err());
            assert!(tree.make_directories(&place, 0o755, None).is_err());
            std::fs::remove_file(inside.join("way")).unwrap();
        }
    }

    #[test]
    fn what_a_directory_inherits_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let tree = Tree::open(temporary.path()).unwrap();
        let own = Some(Owner {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        });
        let mode = |path: &str| tree.status(&Place::new(path)).unwrap().unwrap().st_mode & 0o7777;
        tree.make_directories(&Place::new("shared"), 0o710, own)
            .unwrap();
        let shared = Place::new("shared");
        let (directory, name) = tree.parent(&shared).unwrap();
        set_mode(directory.as_fd(), name, 0o2710).unwrap();
        for (path, expected) in [
            ("shared/a/b", 0o2755),
            ("shared/a", 0o2755),
            ("other/a", 0o755),
        ] {
            tree.make_directories(&Place::new(path), 0o755, own)
                .unwrap();
            assert_eq!(mode(path), expected, "{path}");
        }
    }
}
