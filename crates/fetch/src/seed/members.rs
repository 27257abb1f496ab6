//! The files of an artifact, in a directory or in a tar: which there are, how large they are, and what is in them.
//! What a layout cannot have is refused. It does not know what the files are for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use beneath::{Directory, Kind};
use camino::Utf8Path;

use super::artifact::BLOBS;
use super::error::Invalid;

/// The most files of an artifact: more than a manifest can name.
const MOST: usize = 100_000;
/// The size of a block of a tar, and how many end it at least.
const BLOCK: u64 = 512;
const END: u64 = 2 * BLOCK;
/// How many zeros may follow the files of a tar: archivers fill up to records.
const MOST_ZEROS: u64 = 1 << 20;

/// The beginnings of what is compressed.
const COMPRESSED: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ", "xz"),
    (b"BZh", "bzip2"),
];

/// Where an artifact is read from.
#[derive(Debug)]
pub enum Input {
    /// A directory with an OCI layout.
    Layout(Directory),
    /// A tar of one.
    Archive(File),
}

/// The files of an artifact, by their paths.
#[derive(Debug)]
pub(super) struct Members {
    input: Input,
    files: BTreeMap<String, Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// Where it begins in a tar.
    start: u64,
    bytes: u64,
}

impl Members {
    pub(super) fn read(input: Input) -> Result<Self, Invalid> {
        let mut files = BTreeMap::new();
        match &input {
            Input::Layout(directory) => list(directory, "", &mut files)?,
            Input::Archive(file) => list_archive(file, &mut files)?,
        }
        Ok(Self { input, files })
    }

    /// Returns the paths of all files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Opens a file, which must have so many bytes, if that is known. Returns how many it has.
    pub(super) fn open(
        &self,
        path: &str,
        expected: Option<u64>,
    ) -> Result<(u64, io::Take<File>), Invalid> {
        let found = self.files.get(path);
        let Member { start, bytes } = *found.ok_or_else(|| Invalid::Missing(path.to_owned()))?;
        if let Some(expected) = expected
            && expected != bytes
        {
            return Err(Invalid::Size {
                name: path.to_owned(),
                found: bytes,
                expected,
            });
        }
        let opened = match &self.input {
            Input::Layout(directory) => directory.file(Utf8Path::new(path)),
            Input::Archive(file) => file.try_clone().and_then(|mut file| {
                file.seek(SeekFrom::Start(start))?;
                Ok(file)
            }),
        };
        let file = opened.map_err(|error| Invalid::Read(path.to_owned(), error))?;
        Ok((bytes, file.take(bytes)))
    }

    /// Reads a document of at most `largest` bytes.
    pub(super) fn document(
        &self,
        path: &str,
        expected: Option<u64>,
        largest: u64,
    ) -> Result<Vec<u8>, Invalid> {
        let (bytes, mut file) = self.open(path, expected)?;
        if bytes > largest {
            return Err(Invalid::TooLarge {
                name: path.to_owned(),
                bytes,
                largest,
            });
        }
        let mut contents = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        let read = file.read_exact(&mut contents);
        read.map_err(|error| Invalid::Read(path.to_owned(), error))?;
        Ok(contents)
    }
}

/// Lists what is in a directory of a layout.
fn list(
    directory: &Directory,
    path: &str,
    files: &mut BTreeMap<String, Member>,
) -> Result<(), Invalid> {
    let shown = if path.is_empty() { "." } else { path };
    let failed = |error| Invalid::Read(shown.to_owned(), error);
    for entry in directory.entries().map_err(failed)? {
        let name = if path.is_empty() {
            entry.name.clone()
        } else {
            format!("{path}/{}", entry.name)
        };
        match entry.kind {
            Kind::Directory if is_directory(&name) => {
                let below = directory.directory(Utf8Path::new(&entry.name));
                list(&below.map_err(failed)?, &name, files)?;
            }
            Kind::File => {
                let found = directory.metadata(Utf8Path::new(&entry.name));
                let found = found.map_err(failed)?;
                let bytes = found.map_or(0, |found| found.len());
                insert(files, name, Member { start: 0, bytes })?;
            }
            Kind::Directory => return Err(Invalid::NotRegular(name, "a directory")),
            Kind::Link => return Err(Invalid::NotRegular(name, "a symbolic link")),
            Kind::Other => return Err(Invalid::NotRegular(name, "a pipe, a socket or a device")),
        }
    }
    Ok(())
}

/// Lists what is in a tar, which begins at the beginning of its file and ends with it.
fn list_archive(file: &File, files: &mut BTreeMap<String, Member>) -> Result<(), Invalid> {
    let mut beginning = [0; 8];
    let length = file.read_at(&mut beginning, 0).map_err(Invalid::NotTar)?;
    for (magic, name) in COMPRESSED {
        if beginning[..length].starts_with(magic) {
            return Err(Invalid::Compressed(name));
        }
    }
    let length = file.metadata().map_err(Invalid::NotTar)?.len();
    let mut archive = tar::Archive::new(file);
    // What extends a header is not read: no file of an artifact needs it, and it may be large.
    let entries = archive
        .entries_with_seek()
        .map_err(Invalid::NotTar)?
        .raw(true);
    let mut end = 0;
    for entry in entries {
        let entry = entry.map_err(Invalid::NotTar)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name);
        let (start, bytes) = (entry.raw_file_position(), entry.size());
        let last = start.checked_add(bytes).filter(|last| *last <= length);
        end = last
            .and_then(|last| last.checked_next_multiple_of(BLOCK))
            .ok_or(Invalid::EndsEarly)?;
        match entry.header().entry_type() {
            tar::EntryType::Regular => {
                insert(files, name.to_owned(), Member { start, bytes })?;
            }
            tar::EntryType::Directory if is_directory(name.trim_end_matches('/')) => {}
            kind => return Err(Invalid::NotRegular(name.to_owned(), word(kind))),
        }
    }
    ends(file, end, length)
}

/// Looks at what follows the last file of a tar: zeros, enough of them, and nothing else.
fn ends(file: &File, end: u64, length: u64) -> Result<(), Invalid> {
    let left = length.saturating_sub(end);
    if left < END {
        return Err(Invalid::EndsEarly);
    }
    if left > MOST_ZEROS {
        return Err(Invalid::Follows(end + MOST_ZEROS));
    }
    let mut zeros = vec![0; usize::try_from(left).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut zeros, end)
        .map_err(Invalid::NotTar)?;
    match zeros.iter().position(|byte| *byte != 0) {
        Some(place) => Err(Invalid::Follows(end + place as u64)),
        None => Ok(()),
    }
}

fn insert(
    files: &mut BTreeMap<String, Member>,
    name: String,
    member: Member,
) -> Result<(), Invalid> {
    if files.len() >= MOST {
        return Err(Invalid::TooMany(MOST));
    }
    if files.insert(name.clone(), member).is_some() {
        return Err(Invalid::Twice(name));
    }
    Ok(())
}

/// Tells whether a layout has such a directory.
fn is_directory(path: &str) -> bool {
    path.is_empty() || path == "." || path == "blobs" || path == BLOBS
}

fn word(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Link => "a hard link",
        tar::EntryType::Symlink => "a symbolic link",
        tar::EntryType::Directory => "a directory",
        tar::EntryType::Char | tar::EntryType::Block => "a device",
        tar::EntryType::Fifo => "a named pipe",
        _ => "an extension of a tar",
    }
}
