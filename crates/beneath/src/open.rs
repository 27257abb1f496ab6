//! Opening a path beneath an open directory, through no symbolic link: by `openat2`, or name by
//! name where the kernel, or a filter of system calls, refuses that.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::problem::Problem;

/// How everything is opened: no link at the end of a path is followed, and no process that is started has it.
const ALWAYS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// Opens `path` beneath `directory`. An empty path is the directory itself.
pub(crate) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &Utf8Path,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let path = plain(path)?;
    let flags = flags.union(ALWAYS);
    let opened = match at_once(directory, &path, flags, mode) {
        Err(Errno::NOSYS | Errno::PERM) => name_by_name(directory, &path, flags, mode),
        opened => opened,
    };
    opened.map_err(|error| explain(directory, &path, error))
}

/// Returns a path without `.`, and refuses one that leads out of its directory.
fn plain(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let mut plain = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::Normal(name) => plain.push(name),
            Utf8Component::CurDir => {}
            _ => return Err(Problem::Outside(path.to_owned()).into()),
        }
    }
    if plain.as_str().is_empty() {
        plain.push(".");
    }
    Ok(plain)
}

fn at_once(
    directory: BorrowedFd<'_>,
    path: &Utf8Path,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        let path = path.as_str();
        match rustix::fs::openat2(directory, path, flags, mode, resolve) {
            // Something was renamed or mounted meanwhile.
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

fn name_by_name(
    directory: BorrowedFd<'_>,
    path: &Utf8Path,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let on_the_way = ALWAYS | OFlags::PATH | OFlags::DIRECTORY;
    let mut parent: Option<OwnedFd> = None;
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let at = parent.as_ref().map_or(directory, |parent| parent.as_fd());
        if names.peek().is_none() {
            return rustix::fs::openat(at, name.as_str(), flags, mode);
        }
        let next = rustix::fs::openat(at, name.as_str(), on_the_way, Mode::empty())?;
        parent = Some(next);
    }
    Err(Errno::NOENT)
}

/// Returns the error of opening `path`, which says so if a symbolic link was in the way.
fn explain(directory: BorrowedFd<'_>, path: &Utf8Path, error: Errno) -> io::Error {
    if matches!(error, Errno::LOOP | Errno::NOTDIR) {
        let prefixes: Vec<_> = path.ancestors().collect();
        for prefix in prefixes.into_iter().rev().skip(1) {
            let status = rustix::fs::statat(directory, prefix.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            if status.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink) {
                return Problem::Link(prefix.to_owned()).into();
            }
        }
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rstest::rstest;
    use rustix::io::FdFlags;

    use super::*;
    use crate::problem::problem;

    type Open = fn(BorrowedFd<'_>, &Utf8Path, OFlags, Mode) -> Result<OwnedFd, Errno>;

    #[rstest]
    fn no_link_is_followed(
        #[values(at_once as Open, name_by_name as Open)] open: Open,
        #[values("link", "link/file", "a/link", "a/link/file", "a/up/secret")] path: &str,
    ) {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::create_dir(temporary.path().join("elsewhere")).unwrap();
        fs::write(temporary.path().join("elsewhere/file"), "secret").unwrap();
        fs::write(temporary.path().join("secret"), "secret").unwrap();
        for link in ["link", "a/link"] {
            symlink(temporary.path().join("elsewhere"), root.join(link)).unwrap();
        }
        symlink("../..", root.join("a/up")).unwrap();
        let directory = fs::File::open(&root).unwrap();
        let path = Utf8Path::new(path);
        let flags = OFlags::RDONLY | ALWAYS;
        let error = open(directory.as_fd(), path, flags, Mode::empty()).unwrap_err();
        let error = explain(directory.as_fd(), path, error);
        let link = Utf8Path::new(path.as_str().trim_end_matches("/file"));
        let link = Utf8Path::new(link.as_str().trim_end_matches("/secret"));
        assert_eq!(problem(&error), Some(&Problem::Link(link.to_owned())));
    }

    #[rstest]
    fn what_is_there_is_opened(#[values(at_once as Open, name_by_name as Open)] open: Open) {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir_all(temporary.path().join("a/b")).unwrap();
        fs::write(temporary.path().join("a/b/file"), "x").unwrap();
        let directory = fs::File::open(temporary.path()).unwrap();
        for path in [".", "a", "a/b", "a/b/file"] {
            open(
                directory.as_fd(),
                path.into(),
                OFlags::RDONLY,
                Mode::empty(),
            )
            .unwrap();
        }
        let missing = open(
            directory.as_fd(),
            "a/c/d".into(),
            OFlags::RDONLY,
            Mode::empty(),
        );
        assert_eq!(missing.unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn what_is_opened_is_no_link_and_is_nothing_for_a_process_that_is_started() {
        let temporary = tempfile::tempdir().unwrap();
        symlink("elsewhere", temporary.path().join("link")).unwrap();
        let directory = fs::File::open(temporary.path()).unwrap();
        // Of a link nothing but itself can be had, by one way as by the other.
        let open = |path: &str| {
            let opened = open_beneath(directory.as_fd(), path.into(), OFlags::PATH, Mode::empty());
            let opened = opened.unwrap();
            let flags = rustix::io::fcntl_getfd(&opened).unwrap();
            assert!(flags.contains(FdFlags::CLOEXEC), "{path}");
            FileType::from_raw_mode(rustix::fs::fstat(&opened).unwrap().st_mode)
        };
        assert_eq!(open("link"), FileType::Symlink);
        assert_eq!(open(""), FileType::Directory);
    }

    #[rstest]
    fn what_is_no_directory_is_not_opened_on_the_way(
        #[values(at_once as Open, name_by_name as Open)] open: Open,
    ) {
        let temporary = tempfile::tempdir().unwrap();
        let _socket = UnixListener::bind(temporary.path().join("socket")).unwrap();
        let directory = fs::File::open(temporary.path()).unwrap();
        let flags = OFlags::RDONLY | ALWAYS;
        let opened = open(
            directory.as_fd(),
            "socket/file".into(),
            flags,
            Mode::empty(),
        );
        assert_eq!(opened.unwrap_err(), Errno::NOTDIR);
    }

    #[rstest]
    #[case("/etc")]
    #[case("..")]
    #[case("a/../../b")]
    fn no_path_leads_out(#[case] path: &str) {
        let error = plain(path.into()).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::Outside(path.into())));
    }
}
