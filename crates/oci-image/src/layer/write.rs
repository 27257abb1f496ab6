//! Writes a canonical layer: entries, their content, the end mark; and compresses it.
//!
//! It knows how a record becomes bytes, not why it is there.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use camino::Utf8Path;
use go_flate::{Company, ParallelGzipEncoder};
use tempfile::NamedTempFile;

use super::archive::WHITEOUT;
use super::block::BLOCK;
use super::content::Content;
use super::header::{Header, write_padding};
use super::record::{Change, Record};
use super::sink::TarSink;
use crate::digest::{DiffId, Hashing, Measured};
use crate::entry::{Device, Inode, Kind, Time};
use crate::path::TreePath;
use crate::profile::Profile;

/// A layer as a compressed blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerBlob {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The digest and the size of the blob, which is the tar compressed.
    pub blob: Measured,
}

/// A layer that is compressed, in a file that has no name yet.
pub(crate) struct Written {
    file: NamedTempFile,
    layer: LayerBlob,
}

impl Written {
    /// Takes a file that is a compressed layer.
    pub(crate) fn new(file: NamedTempFile, layer: LayerBlob) -> Self {
        Self { file, layer }
    }

    /// Returns what it is.
    pub(crate) fn layer(&self) -> LayerBlob {
        self.layer
    }

    /// Waits until the disk has it, and keeps it in `blobs` as a blob named by its digest.
    pub(crate) fn keep(self, blobs: &Utf8Path) -> io::Result<LayerBlob> {
        crate::layout::keep_blob(self.file, &self.layer.blob.digest, blobs)?;
        Ok(self.layer)
    }
}

/// Writes a layer into a file in the directory `blobs`; `company` are all layers that are being written.
pub(crate) fn write_blob(
    records: &[Record],
    profile: &Profile,
    blobs: &Utf8Path,
    company: &Company,
) -> io::Result<Written> {
    compress((profile, blobs, company), |tar| {
        write_tar(records, profile.epoch, tar)
    })
}

/// Writes a tar as it is into such a file.
pub(crate) fn copy_blob(
    mut tar: File,
    profile: &Profile,
    blobs: &Utf8Path,
    company: &Company,
) -> io::Result<Written> {
    compress((profile, blobs, company), |out| {
        io::copy(&mut tar, out).map(drop)
    })
}

type Compressed<'a> = Hashing<ParallelGzipEncoder<Hashing<BufWriter<&'a mut NamedTempFile>>>>;

fn compress(
    (profile, blobs, company): (&Profile, &Utf8Path, &Company),
    write: impl FnOnce(&mut Compressed<'_>) -> io::Result<()>,
) -> io::Result<Written> {
    let mut file = NamedTempFile::new_in(blobs)?;
    let compressed = Hashing::new(BufWriter::with_capacity(1 << 16, &mut file));
    let mut tar = Hashing::new(ParallelGzipEncoder::in_company(
        compressed,
        profile.level,
        company,
    ));
    write(&mut tar)?;
    let (encoder, plain) = tar.finish();
    let (mut buffered, blob) = encoder.finish()?.finish();
    buffered.flush()?;
    drop(buffered);
    let diff_id = DiffId(plain.digest);
    Ok(Written {
        file,
        layer: LayerBlob { diff_id, blob },
    })
}

/// Returns the digest that a layer has as a tar.
pub(crate) fn diff_id(records: &[Record], epoch: i64) -> io::Result<DiffId> {
    let mut tar = Hashing::new(io::sink());
    write_tar(records, epoch, &mut tar)?;
    let (_, plain) = tar.finish();
    Ok(DiffId(plain.digest))
}

/// Writes a layer as a tar.
pub(crate) fn write_tar(records: &[Record], epoch: i64, out: &mut impl TarSink) -> io::Result<()> {
    for record in records {
        match &record.change {
            Change::Delete => deletion(&record.path).write(epoch, out)?,
            Change::Link { inode, leader } => {
                let mut header = header(&record.path, inode);
                (header.kind, header.link, header.size) = (b'1', leader.as_bytes(), 0);
                header.write(epoch, out)?;
            }
            Change::Put(inode) => {
                header(&record.path, inode).write(epoch, out)?;
                if let Kind::File { size, content } = &inode.kind {
                    content.write_to(*size, out)?;
                    write_padding(*size, out)?;
                }
            }
        }
    }
    out.write_all(&[0; 2 * BLOCK])
}

fn header<'a>(path: &TreePath, inode: &'a Inode<Content>) -> Header<'a> {
    let mut name = path.as_bytes().to_vec();
    let no_device = Device { major: 0, minor: 0 };
    let (kind, link, size, device) = match &inode.kind {
        Kind::File { size, .. } => (b'0', &b""[..], *size, no_device),
        Kind::Symlink { target } => (b'2', &**target, 0, no_device),
        Kind::Character(device) => (b'3', &b""[..], 0, *device),
        Kind::Block(device) => (b'4', &b""[..], 0, *device),
        Kind::Directory => {
            name.push(b'/');
            (b'5', &b""[..], 0, no_device)
        }
        Kind::Fifo => (b'6', &b""[..], 0, no_device),
    };
    Header {
        name,
        link,
        kind,
        mode: inode.mode,
        user: inode.user,
        group: inode.group,
        size,
        modified: inode.modified,
        device,
        capability: inode.capability.as_deref(),
    }
}

/// Returns the header that deletes a name. Its time is 0, which the epoch does not raise.
fn deletion(deleted: &TreePath) -> Header<'static> {
    let directory = deleted.parent().unwrap_or_else(TreePath::root);
    let mark = directory.child(&[WHITEOUT, deleted.name()].concat());
    Header {
        name: mark.as_bytes().to_vec(),
        link: b"",
        kind: b'0',
        mode: 0,
        user: 0,
        group: 0,
        size: 0,
        modified: Time::from_seconds(0),
        device: Device { major: 0, minor: 0 },
        capability: None,
    }
}
