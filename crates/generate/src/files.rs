//! The files of a context, archives among them, and writing them.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use camino::Utf8Path;

/// The mode of a context's directories, and of its files that can be run. A context has no other modes than version
/// control knows.
const RUNNABLE: u32 = 0o755;
/// The mode of its other files.
const PLAIN: u32 = 0o644;
/// The time of what is in an archive: after the epoch of every image, so that it is cut down to it.
const TIME: u64 = 1_000_000_000;

/// A file of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the context.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What a file of a context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// What is in it.
        contents: String,
        /// Whether it can be run.
        runnable: bool,
    },
    /// An empty directory; those with something in them are made by the way.
    Directory,
    /// A symbolic link.
    Link(String),
    /// A tar.
    Archive {
        /// What is in it.
        members: Vec<Member>,
        /// Whether it is compressed with gzip.
        compressed: bool,
    },
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: MemberKind,
    /// Its mode.
    pub mode: u32,
    /// Its owner and its group.
    pub owner: (u64, u64),
}

/// What a member of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file with this in it.
    File(String),
    /// A directory.
    Directory,
    /// A symbolic link.
    Link(String),
    /// Another name of a member before it.
    Hard(String),
}

/// Writes the files of a context into a directory, which is made.
pub(crate) fn write_all(entries: &[Entry], directory: &Utf8Path) -> io::Result<()> {
    make_directories(directory, Utf8Path::new(""))?;
    for entry in entries {
        let path = directory.join(&entry.path);
        let parent = Utf8Path::new(&entry.path).parent();
        make_directories(directory, parent.unwrap_or(Utf8Path::new("")))?;
        match &entry.kind {
            Kind::File { contents, runnable } => {
                write(&path, contents.as_bytes(), *runnable)?;
            }
            Kind::Directory => make_directories(directory, Utf8Path::new(&entry.path))?,
            Kind::Link(target) => symlink(target, &path)?,
            Kind::Archive {
                members,
                compressed,
            } => write(&path, &archive(members, *compressed)?, false)?,
        }
    }
    Ok(())
}

/// Makes a directory below `base` and those above it, whatever the umask is.
fn make_directories(base: &Utf8Path, path: &Utf8Path) -> io::Result<()> {
    let ancestors: Vec<_> = path.ancestors().collect();
    for ancestor in ancestors.into_iter().rev() {
        let directory = base.join(ancestor);
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(RUNNABLE))?;
    }
    Ok(())
}

fn write(path: &Utf8Path, bytes: &[u8], runnable: bool) -> io::Result<()> {
    fs::write(path, bytes)?;
    let mode = if runnable { RUNNABLE } else { PLAIN };
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes an archive.
fn archive(members: &[Member], compressed: bool) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(member.mode);
        header.set_uid(member.owner.0);
        header.set_gid(member.owner.1);
        header.set_mtime(TIME);
        header.set_size(0);
        match &member.kind {
            MemberKind::File(contents) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(contents.len() as u64);
                builder.append_data(&mut header, &member.path, contents.as_bytes())?;
            }
            MemberKind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, &member.path, io::empty())?;
            }
            MemberKind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, &member.path, target)?;
            }
            MemberKind::Hard(target) => {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, &member.path, target)?;
            }
        }
    }
    let bytes = builder.into_inner()?;
    if !compressed {
        return Ok(bytes);
    }
    let mut encoder = go_flate::GzipEncoder::new(Vec::new());
    encoder.write_all(&bytes)?;
    encoder.finish()
}
