//! A directory that is open, and what is done beneath it: nothing is read, written, truncated or
//! removed through a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use crate::open::open_beneath;
use crate::problem::Problem;
use crate::read::{read_open, regular, text};
use crate::remove::remove;

/// The mode of a directory that is made, and of a file, before the umask.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// A directory that is open.
#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    path: Utf8PathBuf,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name; what is not UTF-8 in it is replaced, so that it names nothing.
    pub name: String,
    /// The name as it is.
    pub raw: OsString,
    /// What it is the name of. A symbolic link is one, whatever it leads to.
    pub kind: Kind,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe, a socket or a device.
    Other,
}

impl Directory {
    /// Opens a directory that is trusted, and makes it and those on the way that are not there.
    pub fn open_or_make(path: &Utf8Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::open(path)
    }

    /// Opens a directory that is trusted: symbolic links on the way to it are followed.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            descriptor: rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Returns the path that it was opened by: for messages, and for programs that take paths.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Opens a directory beneath.
    pub fn directory(&self, path: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(Self {
            descriptor: self.open_flags(path, flags, Mode::empty())?,
            path: self.path.join(path),
        })
    }

    /// Opens a directory beneath, and makes it and those on the way that are not there.
    pub fn make_directory(&self, path: &Utf8Path) -> io::Result<Self> {
        let (mut made, names) = match self.directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.directory(Utf8Path::new(""))?, path.components())
            }
            opened => return opened,
        };
        for name in names {
            let name = Utf8Path::new(name.as_str());
            match rustix::fs::mkdirat(&made, name.as_str(), Mode::from_raw_mode(DIRECTORY_MODE)) {
                Ok(()) | Err(Errno::EXIST) => made = made.directory(name)?,
                Err(error) => return Err(error.into()),
            }
        }
        made.path = self.path.join(path);
        Ok(made)
    }

    /// Makes a directory that is not there yet, and opens it. The one that it is in must be there.
    pub fn new_directory(&self, path: &Utf8Path) -> io::Result<Self> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(DIRECTORY_MODE))?;
        self.directory(path)
    }

    /// Makes a directory in it with a hidden name that nobody else chooses, for what is to be called `name` once it is
    /// whole. Returns that name too.
    pub fn new_unfinished(&self, name: &str) -> io::Result<(Self, Utf8PathBuf)> {
        let temporary = Utf8PathBuf::from(format!(".{name}.{}", random()?));
        Ok((self.new_directory(&temporary)?, temporary))
    }

    /// Opens a regular file beneath, for reading.
    pub fn file(&self, path: &Utf8Path) -> io::Result<File> {
        // To open a device is to use it already; a named pipe would wait for its writer.
        let found = File::from(self.open_flags(path, OFlags::PATH, Mode::empty())?);
        regular_or_link(&found.metadata()?, path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_flags(path, flags, Mode::empty())?);
        regular(&file.metadata()?)?;
        Ok(file)
    }

    /// Opens a regular file beneath, for reading and writing, and makes it if it is not there. Its
    /// contents stay.
    pub fn file_to_keep(&self, path: &Utf8Path, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_flags(path, flags, Mode::from_raw_mode(mode))?);
        regular(&file.metadata()?)?;
        Ok(file)
    }

    /// Makes a file beneath, to be written. Whatever had its name has it no longer, and stays as it
    /// is if it has another: nothing is truncated.
    pub fn new_file(&self, path: &Utf8Path) -> io::Result<File> {
        self.new_file_of_mode(path, FILE_MODE)
    }

    /// Makes a file beneath, as [`new_file`](Self::new_file) does, with a mode before the umask.
    pub fn new_file_of_mode(&self, path: &Utf8Path, mode: u32) -> io::Result<File> {
        let (parent, name) = self.parent(path)?;
        remove(parent.as_fd(), name.as_bytes())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::from_raw_mode(mode);
        Ok(parent.open_flags(Utf8Path::new(name), flags, mode)?.into())
    }

    /// Reads a regular file of at most `limit` bytes.
    pub fn read(&self, path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
        read_open(&self.file(path)?, limit)
    }

    /// Reads a regular file of at most `limit` bytes, which must be UTF-8.
    pub fn read_text(&self, path: &Utf8Path, limit: u64) -> io::Result<String> {
        text(self.read(path, limit)?)
    }

    /// Writes a file so that it is there whole or not at all, whatever happens meanwhile, and makes
    /// the directories on the way to it.
    pub fn write(&self, path: &Utf8Path, contents: &[u8]) -> io::Result<()> {
        let parent = self.make_directory(path.parent().unwrap_or(Utf8Path::new("")))?;
        let name = name_of(path)?;
        let temporary = Utf8PathBuf::from(format!(".{name}.{}", random()?));
        let mut file = parent.new_file(&temporary)?;
        let written = file.write_all(contents).and_then(|()| {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(FILE_MODE))?;
            rustix::fs::renameat(&parent, temporary.as_str(), &parent, name)?;
            Ok(())
        });
        if written.is_err() {
            let _ = parent.remove(&temporary);
        }
        written
    }

    /// Renames what is at `path` to `new`, which may be there if it is of the same kind.
    pub fn rename(&self, path: &Utf8Path, new: &Utf8Path) -> io::Result<()> {
        let (from, name) = self.parent(path)?;
        let (to, new) = self.parent(new)?;
        Ok(rustix::fs::renameat(&from, name, &to, new)?)
    }

    /// Removes what is at `path`, with all that is in it; of a symbolic link only the link. What is
    /// gone already is no error.
    pub fn remove(&self, path: &Utf8Path) -> io::Result<()> {
        match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok((parent, name)) => Ok(remove(parent.as_fd(), name.as_bytes())?),
        }
    }

    /// Removes a name in it, which need not be UTF-8, as [`remove`](Self::remove) does.
    pub fn remove_raw(&self, name: &OsStr) -> io::Result<()> {
        let is_one = !matches!(name.as_bytes(), b"" | b"." | b"..");
        if !is_one || name.as_bytes().contains(&b'/') {
            return Err(Problem::Outside(name.to_string_lossy().into_owned().into()).into());
        }
        Ok(remove(self.as_fd(), name.as_bytes())?)
    }

    /// Returns what is said of the file at `path`, if something is there; a symbolic link is not
    /// followed.
    pub fn metadata(&self, path: &Utf8Path) -> io::Result<Option<Metadata>> {
        match self.open_flags(path, OFlags::PATH, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => File::from(found?).metadata().map(Some),
        }
    }

    /// Returns what the file system says of the directory itself.
    pub fn itself(&self) -> io::Result<Metadata> {
        File::from(self.descriptor.try_clone()?).metadata()
    }

    /// Returns the status of a name in it; a symbolic link is not followed. It is for many files of one
    /// directory, each by one system call.
    pub fn status(&self, name: &str) -> io::Result<rustix::fs::Stat> {
        Ok(rustix::fs::statat(
            &self.descriptor,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Returns what is in it, sorted by name.
    pub fn entries(&self) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.descriptor)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say it here.
                FileType::Unknown => {
                    let status =
                        rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(status.st_mode)
                }
                kind => kind,
            };
            entries.push(DirEntry {
                name: name.to_string_lossy().into_owned(),
                raw: OsStr::from_bytes(name.to_bytes()).to_owned(),
                kind: match kind {
                    FileType::RegularFile => Kind::File,
                    FileType::Directory => Kind::Directory,
                    FileType::Symlink => Kind::Link,
                    _ => Kind::Other,
                },
            });
        }
        entries.sort_unstable_by(|one, other| one.raw.cmp(&other.raw));
        Ok(entries)
    }

    /// Opens the directory that `path` is in.
    fn parent<'path>(&self, path: &'path Utf8Path) -> io::Result<(Self, &'path str)> {
        let name = name_of(path)?;
        let parent = self.directory(path.parent().unwrap_or(Utf8Path::new("")))?;
        Ok((parent, name))
    }

    fn open_flags(&self, path: &Utf8Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        open_beneath(self.descriptor.as_fd(), path, flags, mode)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn name_of(path: &Utf8Path) -> io::Result<&str> {
    path.file_name()
        .ok_or_else(|| Problem::Outside(path.to_owned()).into())
}

/// Returns a part of a name that nobody else chooses.
fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Refuses what is no regular file, and says where a symbolic link is in the way.
fn regular_or_link(metadata: &Metadata, path: &Utf8Path) -> io::Result<()> {
    if metadata.is_symlink() {
        return Err(Problem::Link(path.to_owned()).into());
    }
    regular(metadata)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;
    use crate::problem::problem;

    /// A directory with links out of it, and a file outside that must stay as it is.
    struct Scene {
        _temporary: tempfile::TempDir,
        outside: Utf8PathBuf,
        directory: Directory,
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(temporary.path()).unwrap();
            let (outside, inside) = (root.join("outside"), root.join("inside"));
            fs::create_dir_all(outside.join("work")).unwrap();
            fs::create_dir(&inside).unwrap();
            fs::write(outside.join("file"), "precious").unwrap();
            symlink(&outside, inside.join("directory")).unwrap();
            symlink(outside.join("file"), inside.join("file")).unwrap();
            Self {
                directory: Directory::open(&inside).unwrap(),
                outside,
                _temporary: temporary,
            }
        }

        fn holds(&self) {
            let file = fs::read_to_string(self.outside.join("file")).unwrap();
            assert_eq!(file, "precious");
            assert_eq!(fs::read_dir(&self.outside).unwrap().count(), 2);
        }
    }

    #[rstest]
    #[case::read(|inside: &Directory| inside.read("directory/file".into(), 99).map(drop), "directory")]
    #[case::read_a_link(|inside: &Directory| inside.read("file".into(), 99).map(drop), "file")]
    #[case::write(|inside: &Directory| inside.write("directory/new".into(), b""), "directory")]
    #[case::truncate(|inside: &Directory| inside.new_file("directory/file".into()).map(drop), "directory")]
    #[case::lock(|inside: &Directory| inside.file_to_keep("file".into(), 0o600).map(drop), "file")]
    #[case::remove(|inside: &Directory| inside.remove("directory/work".into()), "directory")]
    #[case::make(|inside: &Directory| inside.make_directory("directory/a/b".into()).map(drop), "directory")]
    #[case::rename(|inside: &Directory| inside.rename("directory/file".into(), "x".into()), "directory")]
    #[case::metadata(|inside: &Directory| inside.metadata("directory/file".into()).map(drop), "directory")]
    fn nothing_is_done_through_a_link(
        #[case] work: fn(&Directory) -> io::Result<()>,
        #[case] link: &str,
    ) {
        let scene = Scene::new();
        let error = work(&scene.directory).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::Link(link.into())));
        scene.holds();
    }

    #[test]
    fn a_link_is_replaced_and_removed_but_not_followed() {
        let scene = Scene::new();
        scene.directory.write("file".into(), b"new").unwrap();
        assert_eq!(scene.directory.read("file".into(), 3).unwrap(), b"new");
        scene.directory.remove("directory".into()).unwrap();
        scene.directory.remove("directory".into()).unwrap();
        scene.directory.remove("nothing/file".into()).unwrap();
        assert!(
            scene
                .directory
                .metadata("directory".into())
                .unwrap()
                .is_none()
        );
        scene.holds();
    }

    #[test]
    fn a_new_file_leaves_other_names_of_the_old_one_alone() {
        let scene = Scene::new();
        let inside = scene.directory.path().to_owned();
        fs::hard_link(scene.outside.join("file"), inside.join("log")).unwrap();
        let mut file = scene.directory.new_file("log".into()).unwrap();
        file.write_all(b"other").unwrap();
        scene.holds();
    }

    #[test]
    fn what_is_no_directory_is_not_opened_as_one_and_no_pipe_is_waited_for() {
        let scene = Scene::new();
        let inside = scene.directory.path().to_owned();
        fs::write(inside.join("plain"), "").unwrap();
        rustix::fs::mknodat(
            CWD,
            inside.join("pipe").as_str(),
            FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        for name in ["plain", "pipe"] {
            let error = Directory::open(&inside.join(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{name}");
            let error = scene.directory.directory(name.into()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{name}");
        }
        let expected = Some(Problem::NotRegular("a named pipe"));
        let error = scene.directory.file("pipe".into()).unwrap_err();
        assert_eq!(problem(&error), expected.as_ref());
        let error = scene.directory.file_to_keep("pipe".into(), 0o600);
        assert_eq!(problem(&error.unwrap_err()), expected.as_ref());
    }

    #[test]
    fn what_is_written_is_there_whole_and_directories_are_made() {
        let scene = Scene::new();
        scene.directory.write("a/b/c".into(), b"contents").unwrap();
        let inner = scene.directory.directory("a/b".into()).unwrap();
        assert_eq!(inner.read_text("c".into(), 99).unwrap(), "contents");
        let entries = inner.entries().unwrap();
        let entry = DirEntry {
            name: "c".to_owned(),
            raw: "c".into(),
            kind: Kind::File,
        };
        assert_eq!(entries, [entry]);
        scene
            .directory
            .rename("a/b/c".into(), "a/d".into())
            .unwrap();
        assert!(inner.entries().unwrap().is_empty());
    }

    #[test]
    fn what_is_unfinished_has_a_name_that_nobody_else_chooses() {
        let scene = Scene::new();
        let [one, other] = [(); 2].map(|()| scene.directory.new_unfinished("a").unwrap().1);
        assert!(one.as_str().starts_with(".a.") && one != other);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_removed_by_its_bytes() {
        let scene = Scene::new();
        let name = OsStr::from_bytes(b"\xff");
        let path = scene.directory.path().as_std_path().join(name);
        fs::create_dir_all(path.join(name)).unwrap();
        let entries = scene.directory.entries().unwrap();
        let raw = &entries.last().unwrap().raw;
        assert_eq!(raw, name);
        scene.directory.remove_raw(raw).unwrap();
        assert!(!path.exists());
        for name in ["", ".", "..", "directory/file"] {
            let error = scene.directory.remove_raw(name.as_ref()).unwrap_err();
            assert_eq!(problem(&error), Some(&Problem::Outside(name.into())));
        }
        scene.holds();
    }
}
