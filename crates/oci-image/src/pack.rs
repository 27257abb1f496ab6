//! A layout as one file: a deterministic tar, as it is or compressed, as `BuildKit`'s exporter orders and
//! writes a layout.
//!
//! It knows files of a layout, not what they say.

use std::fs::Permissions;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;

use beneath::Directory;
use camino::Utf8Path;
use go_flate::ParallelGzipEncoder;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::digest::Digest;
use crate::entry::{Device, Time};
use crate::layer::{BLOCK, Header, TarSink, write_padding};
use crate::layout::{INDEX_FILE, within};
use crate::manifest::{Descriptor, OCI_LAYOUT};
use crate::profile::Profile;
use crate::set::ImageSet;

/// Writes the layout as a gzipped tar to `path`, whole or not at all.
///
/// The same layout always gives the same bytes: entries in the order of their names, owned by
/// user and group 0, with the time 0.
pub fn write_archive(images: &ImageSet, profile: &Profile, path: &Utf8Path) -> io::Result<()> {
    write_whole(path, |file| {
        let mut out = ParallelGzipEncoder::with_level(file, profile.level);
        write_entries(images, None, &mut out)?;
        out.finish()?;
        Ok(())
    })
}

/// Writes the layout as a tar to `path`, whole or not at all; entries are those of an archive.
pub fn write_tar_file(images: &ImageSet, path: &Utf8Path) -> io::Result<()> {
    write_whole(path, |file| write_tar(images, file))
}

/// Writes the layout as a tar; entries are those of an archive.
pub fn write_tar(images: &ImageSet, out: impl Write) -> io::Result<()> {
    write_entries(images, None, &mut Plain(out))
}

/// Writes the layout of one image as a tar to `path`, whole or not at all, with what `docker load` reads; see
/// [`write_docker_tar`].
pub fn write_docker_tar_file(images: &ImageSet, name: &str, path: &Utf8Path) -> io::Result<()> {
    write_whole(path, |file| write_docker_tar(images, name, file))
}

/// Writes the layout of one image as a tar, with the list of Docker's archive beside it, in which it has a name with a
/// tag: what reads either takes it.
pub fn write_docker_tar(images: &ImageSet, name: &str, out: impl Write) -> io::Result<()> {
    write_entries(images, Some(name), &mut Plain(out))
}

fn write_whole(
    path: &Utf8Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_str().is_empty());
    let mut file = NamedTempFile::new_in(directory.unwrap_or(Utf8Path::new(".")))?;
    let mut buffered = BufWriter::with_capacity(1 << 16, &mut file);
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Writes the entries of an archive; with `name`, also the list of Docker's.
fn write_entries(images: &ImageSet, name: Option<&str>, out: &mut impl TarSink) -> io::Result<()> {
    write_header("blobs/", b'5', 0o755, 0, out)?;
    write_header("blobs/sha256/", b'5', 0o755, 0, out)?;
    let directory = Directory::open(images.first().directory())?;
    // What else lies in the directory is not the image's.
    let mut blobs: Vec<_> = images.blobs().iter().map(|blob| blob.digest).collect();
    blobs.sort_unstable_by_key(Digest::hex);
    for digest in blobs {
        let path = within(&digest);
        let file = directory.file(&path)?;
        let size = file.metadata()?.len();
        write_file(path.as_str(), 0o444, (file, size), out)?;
    }
    let index = directory.read(INDEX_FILE.into(), beneath::MANIFEST)?;
    let size = index.len() as u64;
    write_file(INDEX_FILE, 0o644, (index.as_slice(), size), out)?;
    if let Some(name) = name {
        let list = docker_list(images, name)?;
        let size = list.len() as u64;
        write_file("manifest.json", 0o644, (list.as_slice(), size), out)?;
    }
    let size = OCI_LAYOUT.len() as u64;
    write_file("oci-layout", 0o444, (OCI_LAYOUT.as_bytes(), size), out)?;
    out.write_all(&[0; 2 * BLOCK])
}

/// Returns the list of images in an archive of Docker's.
fn docker_list(images: &ImageSet, name: &str) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed<'a> {
        config: String,
        repo_tags: [&'a str; 1],
        layers: Vec<String>,
    }
    let manifest = images.first().manifest();
    let member = |blob: &Descriptor| within(&blob.digest).into_string();
    let listed = Listed {
        config: member(&manifest.config),
        repo_tags: [name],
        layers: manifest.layers.iter().flatten().map(member).collect(),
    };
    Ok(serde_json::to_vec(&[listed])?)
}

/// A tar as it is.
struct Plain<W>(W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> TarSink for Plain<W> {
    fn end_write(&mut self) {}
}

fn write_file(
    name: &str,
    mode: u32,
    (mut contents, size): (impl Read, u64),
    out: &mut impl TarSink,
) -> io::Result<()> {
    write_header(name, b'0', mode, size, out)?;
    let copied = io::copy(&mut contents, out)?;
    if copied != size {
        return Err(io::Error::other(format!(
            "{name} changed while it was read"
        )));
    }
    write_padding(size, out)
}

fn write_header(
    name: &str,
    kind: u8,
    mode: u32,
    size: u64,
    out: &mut impl TarSink,
) -> io::Result<()> {
    let header = Header {
        name: name.as_bytes().to_vec(),
        link: b"",
        kind,
        mode,
        user: 0,
        group: 0,
        size,
        modified: Time::from_seconds(0),
        device: Device { major: 0, minor: 0 },
        capability: None,
    };
    header.write(0, out)
}
