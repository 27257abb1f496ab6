//! The files of a context: what lies in the directory that COPY and ADD read, as version control keeps
//! it, and the hash by which each file is known from then on.
//!
//! The directory is read through no symbolic link. It does not know what becomes of the files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use beneath::{Directory, Kind};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;
use package_tree::Hermetic;
use state::{Hashes, Identity, Inputs, IoContext as _};

use crate::error::Error;

/// The name of the context, and of the directory of a context, that holds sources.
pub(crate) const FETCH: &str = "fetch";

/// One file of a package's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFile {
    /// Its path within the directory.
    pub path: Utf8PathBuf,
    /// What it is.
    pub kind: ContextFileKind,
}

/// What a file of a context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextFileKind {
    /// A directory.
    Directory,
    /// A symbolic link to this.
    Symlink(Utf8PathBuf),
    /// A regular file.
    File {
        /// Whether it may be executed: all that version control keeps of a mode.
        executable: bool,
        /// What the file system said of it when it was listed.
        identity: Identity,
        /// The sha256, in hex, by which it is known to what is built from it. None if nobody asked.
        hash: Option<String>,
    },
    /// A named pipe or a device, which no two engines copy alike.
    Special(&'static str),
}

/// Which files of a directory are none of its context's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// In a package: what lies under `fetch/`, where other tools leave sources.
    Fetch,
    /// Of a context that a user has named: the directory in which `stagex` itself works, if it is in there. Everything
    /// else is the context's, as with any other builder.
    Own {
        /// Device and inode of the directory.
        own: Option<(u64, u64)>,
        /// Whether the one that it is in was made for it.
        made_out: bool,
    },
}

impl Foreign {
    /// Returns which files are none of a context's that a user has named, while `own` is worked in.
    pub fn of_user(own: &Utf8Path) -> Self {
        let found = fs::symlink_metadata(own).ok();
        Self::Own {
            own: found.map(|found| (found.dev(), found.ino())),
            made_out: own.join(state::MADE).exists(),
        }
    }

    fn has(self, path: &Utf8Path, metadata: &fs::Metadata) -> bool {
        match self {
            Self::Fetch => path == FETCH,
            Self::Own { own, .. } => own == Some((metadata.dev(), metadata.ino())),
        }
    }

    /// Tells whether this is the directory that was made for the one in which `stagex` works, of which nothing is listed.
    fn is_out(self, directory: &Directory, path: &Utf8Path) -> io::Result<bool> {
        let has = |found: Option<fs::Metadata>| found.is_some_and(|found| self.has(path, &found));
        Ok(matches!(self, Self::Own { made_out: true, .. })
            && has(directory.metadata(&path.join(state::OWN))?))
    }
}

/// Opens the directory of a package, which lies at `path` in the tree in `root`.
pub fn open_package(root: &Utf8Path, path: &Utf8Path) -> Result<Directory, state::Error> {
    let opened = Directory::open(root).and_then(|root| root.directory(path));
    opened.at("open", &root.join(path))
}

/// Lists the files of the context in `directory`, sorted by path: a directory stands before what is in
/// it. Sockets are none of its files: nothing of them can be copied, and no engine does.
pub fn list_context(directory: &Directory, foreign: Foreign) -> Result<Vec<ContextFile>, Error> {
    let mut files = Vec::new();
    list_below(directory, Utf8Path::new(""), foreign, &mut files).at("read", directory.path())?;
    Ok(files)
}

/// Leaves of the files of a context, which lies at `within`, those that a hermetic build declares, and the directories
/// that they are in. Returns what to say of the others, if there are any.
pub fn leave_declared(
    files: &mut Vec<ContextFile>,
    within: &Utf8Path,
    hermetic: &Hermetic,
) -> Option<String> {
    let is_directory = |file: &ContextFile| file.kind == ContextFileKind::Directory;
    let (mut left, mut others) = (BTreeSet::new(), Vec::new());
    for file in files.iter().filter(|file| !is_directory(file)) {
        if hermetic.is_declared(&within.join(&file.path)) {
            left.extend(file.path.ancestors().map(Utf8Path::to_owned));
        } else {
            others.push(file.path.to_string());
        }
    }
    // Outside of version control, an empty directory is a file as any other.
    files.retain(|file| {
        left.contains(&file.path) || (is_directory(file) && hermetic.tracked.is_none())
    });
    Hermetic::notice(others)
}

fn list_below(
    directory: &Directory,
    within: &Utf8Path,
    foreign: Foreign,
    files: &mut Vec<ContextFile>,
) -> io::Result<()> {
    // Not one stays open for each of the directories that lie in one another.
    let entries = list_one(&directory.directory(within)?, within, foreign)?;
    for file in entries {
        let within = (file.kind == ContextFileKind::Directory).then(|| file.path.clone());
        files.push(file);
        if let Some(within) = within {
            let before = files.len();
            list_below(directory, &within, foreign, files)?;
            if files.len() == before && foreign.is_out(directory, &within)? {
                files.pop();
            }
        }
    }
    Ok(())
}

fn list_one(
    directory: &Directory,
    within: &Utf8Path,
    foreign: Foreign,
) -> io::Result<Vec<ContextFile>> {
    let mut files = Vec::new();
    for entry in directory.entries()? {
        let name = Utf8Path::new(&entry.name);
        let path = within.join(name);
        let metadata = directory.metadata(name)?.ok_or_else(|| gone(&path))?;
        if foreign.has(&path, &metadata) {
            continue;
        }
        let kind = match entry.kind {
            Kind::Directory => ContextFileKind::Directory,
            Kind::Link => ContextFileKind::Symlink(target(directory, name)?),
            Kind::File => ContextFileKind::File {
                executable: is_executable(&metadata),
                identity: Identity::of(&metadata),
                hash: None,
            },
            Kind::Other if metadata.file_type().is_socket() => continue,
            Kind::Other if metadata.file_type().is_fifo() => {
                ContextFileKind::Special("a named pipe")
            }
            Kind::Other => ContextFileKind::Special("a device"),
        };
        files.push(ContextFile { path, kind });
    }
    Ok(files)
}

/// Tells whether a layer with a file of this name would delete another file. What engines make of one
/// differs: the file, a deletion, or an error.
pub(crate) fn is_deletion(name: &str) -> bool {
    name.starts_with(".wh.")
}

/// Says why a file is not there whose name was listed just now.
fn gone(path: &Utf8Path) -> io::Error {
    if path.as_str().contains(char::REPLACEMENT_CHARACTER) {
        let message = format!("the name `{path}` is not UTF-8");
        return io::Error::new(io::ErrorKind::InvalidData, message);
    }
    io::ErrorKind::NotFound.into()
}

/// Returns what a symbolic link says.
fn target(directory: &Directory, name: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let target = rustix::fs::readlinkat(directory, name.as_str(), Vec::new())?;
    let target = target.into_string().map_err(|_| {
        let message = format!("the target of the symbolic link `{name}` is not UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })?;
    Ok(target.into())
}

pub(crate) fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

/// Refuses a text that was read of a file and is not the one by which that is known.
pub(crate) fn check(files: &[ContextFile], path: &Utf8Path, text: &str) -> Result<(), Error> {
    let of_file = |file: &&ContextFile| file.path == path;
    match files.iter().find(of_file).map(|file| &file.kind) {
        Some(ContextFileKind::File {
            hash: Some(hash), ..
        }) if *hash != Digest::of(text.as_bytes()).hex() => Err(Error::Changed {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Writes down the files of a package, which lie in `directory` of the tree, and with each of them the hash by
/// which it is known from now on.
pub fn inputs_of_files(
    directory: &Utf8Path,
    files: &mut [ContextFile],
    hashes: &Hashes,
) -> Result<Inputs, Error> {
    use ContextFileKind::{Directory, File, Special, Symlink};

    let mut inputs = Inputs::default();
    for file in files {
        match &mut file.kind {
            Directory => inputs.add("directory", file.path.as_str(), ""),
            Symlink(target) => inputs.add("symlink", file.path.as_str(), target.as_str()),
            Special(found) => inputs.add("special", file.path.as_str(), found),
            File {
                executable,
                identity,
                hash: known,
            } => {
                let path = directory.join(&file.path);
                let hash = hashes.sha256(&path, *identity).at("read", &path)?;
                let kind = if *executable { "program" } else { "file" };
                inputs.add(kind, file.path.as_str(), &hash);
                *known = Some(hash);
            }
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests;
