//! Where an image goes that is in no tree: which paths may be written, and what may be replaced there.
//!
//! What lies outside of the trees is the user's; what lies in one may have come with it. It does not know
//! what an image is.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use beneath::{Directory, Typed};
use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;

/// Where a built image goes.
pub enum Delivery {
    /// An OCI layout in this directory, which is replaced as a whole.
    Directory(Utf8PathBuf),
    /// A tar of the layout, into this file, whole or not at all.
    File(Utf8PathBuf),
    /// A tar of the layout. Nothing is written before the image is whole.
    Stream(Box<dyn Write + Send>),
}

/// Why an image cannot go where it is to go.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Standard output is a terminal.
    #[error("refusing to write an image to a terminal")]
    Terminal,
    /// A layout is to go to standard output.
    #[error("dest=- writes a tar archive, so tar=false is not possible")]
    LayoutToOutput,
    /// A tar is to go in place of a directory.
    #[error("`{path}` is a directory")]
    IsDirectory {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// The directory that the image is to go into does not exist.
    #[error("there is no directory `{path}` for the image")]
    NoDirectory {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// A symbolic link is in the tree where the image is to go.
    #[error("`{path}` is a symbolic link, which may have come with the tree")]
    LinkInTree {
        /// The link.
        path: Utf8PathBuf,
    },
    /// A pipe or a device is in the tree where the image is to go.
    #[error("`{path}` is not a regular file, and could have come with the tree")]
    SpecialInTree {
        /// What is there.
        path: Utf8PathBuf,
    },
    /// A layout is to go in place of something that is none.
    #[error("`{path}` exists and is no layout of an image: it is not replaced")]
    Taken {
        /// Where the layout is to go.
        path: Utf8PathBuf,
    },
    /// Files are to go in place of something.
    #[error("`{path}` exists and is not an empty directory: it is not replaced")]
    NotEmpty {
        /// Where the files are to go.
        path: Utf8PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot write {path}: {source}")]
    Io {
        /// Where the image is to go.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl DeliveryError {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Terminal
            | Self::LayoutToOutput
            | Self::IsDirectory { .. }
            | Self::NoDirectory { .. }
            | Self::LinkInTree { .. }
            | Self::SpecialInTree { .. }
            | Self::Taken { .. }
            | Self::NotEmpty { .. } => ErrorKind::Usage,
            Self::Io { .. } => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Terminal => "redirect standard output, or name a file",
            Self::LayoutToOutput => return None,
            Self::IsDirectory { .. } => {
                "name a file in it, or have a layout written, not an archive"
            }
            Self::NoDirectory { .. } => "create it, or name another",
            Self::LinkInTree { .. } => {
                "no symbolic link in the tree is followed: name what it leads to, if that is what you mean"
            }
            Self::SpecialInTree { .. } => {
                "write to standard output, which is `-`, or name a file outside of the tree"
            }
            Self::Taken { .. } | Self::NotEmpty { .. } => {
                "name another directory, or remove it yourself"
            }
            Self::Io { source, .. } => beneath::hint(source),
        })
    }
}

impl Delivery {
    /// Delivers to what is open as standard output: a tar, unless that is a terminal.
    pub fn to_output(
        output: BorrowedFd<'_>,
        is_terminal: bool,
        tar: bool,
    ) -> Result<Self, DeliveryError> {
        if !tar {
            return Err(DeliveryError::LayoutToOutput);
        }
        if is_terminal {
            return Err(DeliveryError::Terminal);
        }
        let output = output.try_clone_to_owned();
        let output = output.map_err(|error| cannot_write("standard output".into(), error))?;
        Ok(Self::Stream(Box::new(File::from(output))))
    }

    /// Delivers to a path that a user typed, relative to `root`: a tar, or a layout. No link in one of
    /// `trees` decides where that is.
    pub fn to_path(
        trees: &[Utf8PathBuf],
        root: &Utf8Path,
        named: &Utf8Path,
        tar: bool,
    ) -> Result<Self, DeliveryError> {
        let typed = beneath::typed(trees, root, named);
        let typed = typed.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_directory(named),
            _ => cannot_write(named, error),
        })?;
        match (tar, typed.in_tree) {
            (true, true) => file_in_tree(named, &typed),
            (true, false) => file(named, typed.full()),
            (false, true) => directory_in_tree(named, &typed),
            (false, false) => directory(named, typed.full()),
        }
    }
}

/// Returns the path of a directory that files may be put into: one that is empty, or not there. No link in one of
/// `trees` decides where that is.
///
/// # Errors
///
/// Something else is there, or cannot be looked at.
pub fn to_files(
    trees: &[Utf8PathBuf],
    root: &Utf8Path,
    named: &Utf8Path,
) -> Result<Utf8PathBuf, DeliveryError> {
    let delivery = Delivery::to_path(trees, root, named, false);
    let not_empty = || DeliveryError::NotEmpty {
        path: named.to_owned(),
    };
    let path = match delivery {
        Ok(Delivery::Directory(path)) => path,
        Ok(_) | Err(DeliveryError::Taken { .. }) => return Err(not_empty()),
        Err(error) => return Err(error),
    };
    match path
        .read_dir_utf8()
        .map(|mut entries| entries.next().is_none())
    {
        Ok(true) => Ok(path),
        Ok(false) => Err(not_empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(cannot_write(named, error)),
    }
}

impl Delivery {
    /// Writes bytes: into a file, whole or not at all, or into what is open.
    ///
    /// # Errors
    ///
    /// The operating system refuses it.
    pub fn write(self, bytes: &[u8]) -> Result<(), DeliveryError> {
        match self {
            Self::Stream(mut stream) => {
                let written = stream.write_all(bytes).and_then(|()| stream.flush());
                written.map_err(|error| cannot_write("what is open".into(), error))
            }
            Self::File(path) | Self::Directory(path) => {
                let parent = path.parent().unwrap_or(Utf8Path::new("."));
                let name = path.file_name().unwrap_or_default();
                let written =
                    Directory::open(parent).and_then(|parent| parent.write(name.into(), bytes));
                written.map_err(|error| cannot_write(&path, error))
            }
        }
    }
}

/// Delivers a tar: in place of a file, or into what is no file, such as a pipe. `named` is how the path
/// was written.
fn file(named: &Utf8Path, path: Utf8PathBuf) -> Result<Delivery, DeliveryError> {
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(is_directory(named)),
        Ok(found) if !found.is_file() => {
            let opened = File::options().write(true).open(&path);
            let opened = opened.map_err(|error| cannot_write(named, error))?;
            Ok(Delivery::Stream(Box::new(opened)))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(named, error)),
        Err(_) if !path.parent().is_some_and(Utf8Path::is_dir) => Err(no_directory(named)),
        _ => Ok(Delivery::File(path)),
    }
}

/// Delivers a tar to a path in the tree: in place of a file, and of nothing else. What else is there may have
/// come with the tree.
fn file_in_tree(named: &Utf8Path, typed: &Typed) -> Result<Delivery, DeliveryError> {
    let parent = typed.path.parent().unwrap_or(Utf8Path::new(""));
    match typed.base.directory(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_directory(named)),
        Err(error) => return Err(cannot_write(named, error)),
        Ok(_) => {}
    }
    let found = typed.base.metadata(&typed.path);
    let found = found.map_err(|error| cannot_write(named, error))?;
    let path = named.to_owned();
    match found {
        Some(found) if found.is_dir() => Err(is_directory(named)),
        Some(found) if found.is_symlink() => Err(DeliveryError::LinkInTree { path }),
        Some(found) if !found.is_file() => Err(DeliveryError::SpecialInTree { path }),
        _ => Ok(Delivery::File(typed.full())),
    }
}

/// Delivers a layout to a path in the tree.
fn directory_in_tree(named: &Utf8Path, typed: &Typed) -> Result<Delivery, DeliveryError> {
    let is_free = match typed.base.directory(&typed.path) {
        Ok(directory) => {
            let entries = directory.entries();
            let is_empty = entries.is_ok_and(|entries| entries.is_empty());
            let marker = directory.metadata("oci-layout".into());
            is_empty || matches!(marker, Ok(Some(marker)) if marker.is_file())
        }
        Err(error) if beneath::problem(&error).is_some() => {
            return Err(cannot_write(named, error));
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    free(is_free, named)?;
    Ok(Delivery::Directory(typed.full()))
}

/// Delivers a layout, in place of one that is there: of nothing else. Directories on the way are made.
fn directory(named: &Utf8Path, path: Utf8PathBuf) -> Result<Delivery, DeliveryError> {
    let is_free = match path.read_dir_utf8() {
        Ok(mut entries) => entries.next().is_none() || path.join("oci-layout").is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    free(is_free, named)?;
    Ok(Delivery::Directory(path))
}

fn free(is_free: bool, named: &Utf8Path) -> Result<(), DeliveryError> {
    if is_free {
        return Ok(());
    }
    Err(DeliveryError::Taken {
        path: named.to_owned(),
    })
}

fn is_directory(named: &Utf8Path) -> DeliveryError {
    DeliveryError::IsDirectory {
        path: named.to_owned(),
    }
}

/// Refuses what could not be written after all the work.
fn no_directory(named: &Utf8Path) -> DeliveryError {
    DeliveryError::NoDirectory {
        path: named.parent().unwrap_or(named).to_owned(),
    }
}

fn cannot_write(named: &Utf8Path, source: io::Error) -> DeliveryError {
    DeliveryError::Io {
        path: named.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn deliver(root: &Utf8Path, words: &str) -> Result<Delivery, DeliveryError> {
        let (tar, named) = match words.split_once(',') {
            Some((tar, named)) => (tar != "tar=false", named),
            None => (true, words),
        };
        let named = named.strip_prefix("dest=").unwrap();
        Delivery::to_path(&[root.to_owned()], root, named.into(), tar)
    }

    fn root() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        (temporary, Utf8PathBuf::from_path_buf(root).unwrap())
    }

    #[test]
    fn a_layout_replaces_nothing_but_a_layout() {
        let (_temporary, root) = root();
        for (directory, file) in [("full", "file"), ("layout", "oci-layout")] {
            fs::create_dir(root.join(directory)).unwrap();
            fs::write(root.join(directory).join(file), "").unwrap();
        }
        fs::create_dir(root.join("empty")).unwrap();
        symlink("full", root.join("link")).unwrap();
        for (destination, is_taken) in [
            ("full", false),
            ("full/file", false),
            ("link", false),
            ("layout", true),
            ("empty", true),
            ("new", true),
        ] {
            let delivery = deliver(&root, &format!("tar=false,dest={destination}"));
            assert_eq!(delivery.is_ok(), is_taken, "{destination}");
        }
    }

    #[test]
    fn outside_of_the_tree_a_link_is_followed_and_what_is_no_file_is_written_into() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        fs::create_dir(&root).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        symlink("file", outside.join("link")).unwrap();
        symlink("/dev/null", outside.join("null")).unwrap();
        for link in [outside.join("link").as_str(), "../link"] {
            let Ok(Delivery::File(path)) = deliver(&root, &format!("dest={link}")) else {
                panic!("expected a file");
            };
            assert_eq!(path, outside.join("file"));
        }
        for device in ["../null", "/dev/null"] {
            let delivery = deliver(&root, &format!("dest={device}"));
            assert!(matches!(delivery, Ok(Delivery::Stream(_))), "{device}");
        }
        assert!(deliver(&root, "dest=.").is_err());
        assert!(deliver(&root, "dest=../nowhere/new").is_err());
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = format!("dest=/proc/self/fd/{}", writer.as_raw_fd());
        assert!(matches!(deliver(&root, &pipe), Ok(Delivery::Stream(_))));
    }

    #[test]
    fn a_destination_means_what_the_kernel_says() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        for directory in [&root, &outside.join("deep/directory")] {
            fs::create_dir_all(directory).unwrap();
        }
        symlink("deep/directory", outside.join("link")).unwrap();
        symlink("deep/new", outside.join("dangling")).unwrap();
        for (named, expected) in [("link/../new", "deep/new"), ("dangling", "deep/new")] {
            let Ok(Delivery::File(path)) = deliver(&root, &format!("dest=../{named}")) else {
                panic!("expected a file");
            };
            assert_eq!(path, outside.join(expected));
        }
    }

    #[test]
    fn files_replace_nothing() {
        let (_temporary, root) = root();
        for (directory, file) in [("full", "file"), ("layout", "oci-layout")] {
            fs::create_dir(root.join(directory)).unwrap();
            fs::write(root.join(directory).join(file), "").unwrap();
        }
        fs::create_dir(root.join("empty")).unwrap();
        symlink("empty", root.join("link")).unwrap();
        for (destination, is_taken) in [
            ("full", false),
            ("full/file", false),
            ("layout", false),
            ("link", false),
            ("empty", true),
            ("new", true),
        ] {
            let found = to_files(std::slice::from_ref(&root), &root, destination.into());
            assert_eq!(found.is_ok(), is_taken, "{destination}");
        }
    }

    #[test]
    fn bytes_are_in_a_file_whole() {
        let (_temporary, root) = root();
        fs::write(root.join("file"), "longer before").unwrap();
        for name in ["file", "new"] {
            let delivery = deliver(&root, &format!("dest={name}")).unwrap();
            delivery.write(b"now").unwrap();
            assert_eq!(fs::read(root.join(name)).unwrap(), b"now");
        }
        assert_eq!(root.read_dir_utf8().unwrap().count(), 2);
    }

    #[test]
    fn no_link_in_the_tree_decides_what_is_written() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        fs::create_dir_all(root.join("out")).unwrap();
        fs::create_dir(outside.join("directory")).unwrap();
        fs::write(outside.join("file"), "precious").unwrap();
        symlink("../file", root.join("file")).unwrap();
        symlink("../directory", root.join("directory")).unwrap();
        symlink("../nothing", root.join("dangling")).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        let pipe = root.join("pipe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, pipe.as_str(), kind, mode, 0).unwrap();
        let absolute = root.join("file");
        for destination in [
            "file",
            absolute.as_str(),
            "directory/new",
            "dangling",
            "pipe",
        ] {
            for tar in ["true", "false"] {
                let delivery = deliver(&root, &format!("tar={tar},dest={destination}"));
                assert!(delivery.is_err(), "{destination} {tar}");
            }
        }
        for destination in ["new", "out/new", "../new"] {
            let delivery = deliver(&root, &format!("dest={destination}"));
            assert!(matches!(delivery, Ok(Delivery::File(_))), "{destination}");
        }
        assert!(deliver(&root, "dest=nowhere/new").is_err());
    }
}
