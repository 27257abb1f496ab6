//! Writing the artifact: aside, each source hashed while it is copied, and renamed when it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, fchmod};
use sha2::{Digest as _, Sha256};
use state::check_room;

use super::artifact::{self, Blob, CONFIG_CONTENTS, INDEX, LARGEST, VERSION, VERSION_CONTENTS};
use crate::error::{Error, IoContext as _};
use crate::meter::Meter;
use crate::wanted::Wanted;

/// The mode of a file, in a layout and in a tar.
const MODE: u32 = 0o644;

/// What an artifact is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A directory with an OCI layout.
    Layout,
    /// A tar of one.
    Archive,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The digest of the artifact's manifest, as 64 hex digits.
    pub digest: String,
    /// How many different sources.
    pub sources: usize,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Who is told how far the export is, and what tells it to end.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// Hears how many bytes are written.
    pub meter: &'a dyn Meter,
    /// Ends it once it is true.
    pub to_stop: &'a AtomicBool,
}

/// A file of the artifact.
enum Contents<'a> {
    Document(Vec<u8>),
    /// A source, whose file lies in the tree.
    Source {
        wanted: &'a Wanted,
        bytes: u64,
    },
}

/// Writes the sources, which all lie where they belong in `tree`, to `name` in `directory`.
pub(crate) fn export(
    tree: &Utf8Path,
    wanted: &[Wanted],
    directory: &Directory,
    name: &Utf8Path,
    form: Form,
    told: Told<'_>,
) -> Result<Exported, Error> {
    let full = directory.path().join(name);
    is_free(directory, name, form).at("write", &full)?;
    let mut files = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for one in wanted {
        let path = one.path();
        let file = beneath::open(tree.join(&path)).at("open", &path)?;
        let bytes = file.metadata().at("read", &path)?.len();
        let hash = one.source.hash.clone();
        let blob = Blob { hash, bytes };
        files.insert(blob.path(), Contents::Source { wanted: one, bytes });
        sources.insert(blob.hash, bytes);
    }
    let write = |document: serde_json::Result<Vec<u8>>| {
        document.map_err(io::Error::from).at("write", &full)
    };
    let manifest = write(artifact::manifest(&sources))?;
    if manifest.len() as u64 > LARGEST {
        return Err(Error::TooMany(sources.len()));
    }
    let digest = Blob::of(&manifest);
    let documents = [
        (INDEX.to_owned(), write(artifact::index(&digest))?),
        (VERSION.to_owned(), VERSION_CONTENTS.into()),
        (
            Blob::of(CONFIG_CONTENTS.as_bytes()).path(),
            CONFIG_CONTENTS.into(),
        ),
        (digest.path(), manifest),
    ];
    for (path, contents) in documents {
        // A source may be what the configuration is.
        files.insert(path, Contents::Document(contents));
    }
    let temporary = Utf8PathBuf::from(format!(".{name}.{}", printable::hex(&state::random())));
    let written = Output::new(directory, &temporary, form)
        .at("write", &full)
        .and_then(|output| output.write(tree, &full, files, told))
        .and_then(|()| directory.rename(&temporary, name).at("write", &full));
    if let Err(error) = written {
        let _ = directory.remove(&temporary);
        return Err(if told.to_stop.load(Ordering::Relaxed) {
            Error::Interrupted
        } else {
            error
        });
    }
    Ok(Exported {
        digest: digest.hash,
        sources: sources.len(),
        bytes: sources.values().sum(),
    })
}

/// Refuses what would be in the way at the end: a file is replaced, a directory only if it is empty.
fn is_free(directory: &Directory, name: &Utf8Path, form: Form) -> io::Result<()> {
    let Some(found) = directory.metadata(name)? else {
        return Ok(());
    };
    let is_free = match form {
        Form::Archive => !found.is_dir(),
        Form::Layout => found.is_dir() && directory.directory(name)?.entries()?.is_empty(),
    };
    if is_free {
        return Ok(());
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What files are written to.
enum Output {
    Layout(Directory),
    Archive(tar::Builder<BufWriter<File>>),
}

impl Output {
    fn new(directory: &Directory, name: &Utf8Path, form: Form) -> io::Result<Self> {
        Ok(match form {
            Form::Layout => {
                let layout = directory.new_directory(name)?;
                layout.make_directory(artifact::BLOBS.into())?;
                Self::Layout(layout)
            }
            Form::Archive => {
                let file = directory.new_file_of_mode(name, MODE)?;
                Self::Archive(tar::Builder::new(BufWriter::new(file)))
            }
        })
    }

    fn write(
        mut self,
        tree: &Utf8Path,
        full: &Utf8Path,
        files: BTreeMap<String, Contents<'_>>,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let needed = files.values().map(Contents::bytes).sum();
        told.meter.all(needed);
        match &self {
            Self::Layout(layout) => {
                let probe = layout.new_file(Utf8Path::new(VERSION));
                probe.and_then(|file| check_room(needed, &file))
            }
            Self::Archive(archive) => check_room(needed, archive.get_ref().get_ref()),
        }
        .at("write", full)?;
        for (name, contents) in files {
            let bytes = contents.bytes();
            match contents {
                Contents::Document(document) => {
                    self.add(&name, bytes, document.as_slice())
                        .at("write", full)?;
                    told.meter.done(bytes);
                }
                Contents::Source { wanted, .. } => {
                    let path = wanted.path();
                    let file = beneath::open(tree.join(&path)).at("open", &path)?;
                    let mut hashing = Hashing {
                        from: file.take(bytes),
                        hasher: Sha256::new(),
                        told,
                    };
                    self.add(&name, bytes, &mut hashing).at("write", full)?;
                    if printable::hex(&hashing.hasher.finalize()) != wanted.source.hash {
                        return Err(Error::Changed(path));
                    }
                }
            }
        }
        match self {
            Self::Layout(_) => Ok(()),
            Self::Archive(archive) => archive
                .into_inner()
                .and_then(|mut file| file.flush())
                .at("write", full),
        }
    }

    fn add(&mut self, name: &str, bytes: u64, mut from: impl Read) -> io::Result<()> {
        match self {
            Self::Layout(layout) => {
                let mut file = layout.new_file_of_mode(Utf8Path::new(name), MODE)?;
                fchmod(&file, Mode::from_raw_mode(MODE))?;
                io::copy(&mut from, &mut file).map(drop)
            }
            Self::Archive(archive) => {
                let mut header = tar::Header::new_ustar();
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(MODE);
                header.set_uid(0);
                header.set_gid(0);
                header.set_mtime(0);
                header.set_size(bytes);
                archive.append_data(&mut header, name, from)
            }
        }
    }
}

impl Contents<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Document(document) => document.len() as u64,
            Self::Source { bytes, .. } => *bytes,
        }
    }
}

/// Hashes what is read, until it is told to stop.
struct Hashing<'a> {
    from: io::Take<File>,
    hasher: Sha256,
    told: Told<'a>,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.told.to_stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        let length = self.from.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.told.meter.done(length as u64);
        Ok(length)
    }
}
