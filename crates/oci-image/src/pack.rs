//! A layout as one file: a deterministic tar, as it is or compressed, as `BuildKit`'s exporter orders and
//! writes a layout.
//!
//! It knows files of a layout, not what they say.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use go_flate::ParallelGzipEncoder;
use tempfile::NamedTempFile;

use crate::entry::{Device, Time};
use crate::layer::{BLOCK, Header, TarSink, write_padding};
use crate::layout::Layout;

/// Writes the layout as a gzipped tar to `path`, whole or not at all.
///
/// The same layout always gives the same bytes: entries in the order of their names, owned by
/// user and group 0, with the time 0.
pub fn write_archive(layout: &Layout, path: &Utf8Path) -> io::Result<()> {
    write_whole(path, |file| {
        let mut out = ParallelGzipEncoder::new(file);
        write_entries(layout, &mut out)?;
        out.finish()?;
        Ok(())
    })
}

/// Writes the layout as a tar to `path`, whole or not at all; entries are those of an archive.
pub fn write_tar_file(layout: &Layout, path: &Utf8Path) -> io::Result<()> {
    write_whole(path, |file| write_tar(layout, file))
}

/// Writes the layout as a tar; entries are those of an archive.
pub fn write_tar(layout: &Layout, out: impl Write) -> io::Result<()> {
    write_entries(layout, &mut Plain(out))
}

fn write_whole(
    path: &Utf8Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Utf8Path::new(".")))?;
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

fn write_entries(layout: &Layout, out: &mut impl TarSink) -> io::Result<()> {
    write_header("blobs/", b'5', 0o755, 0, out)?;
    write_header("blobs/sha256/", b'5', 0o755, 0, out)?;
    let mut blobs: Vec<String> = fs::read_dir(layout.folder().join("blobs/sha256"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    blobs.sort_unstable();
    for name in blobs {
        write_file(layout, &format!("blobs/sha256/{name}"), 0o444, out)?;
    }
    write_file(layout, "index.json", 0o644, out)?;
    write_file(layout, "oci-layout", 0o444, out)?;
    out.write_all(&[0; 2 * BLOCK])
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

fn write_file(layout: &Layout, name: &str, mode: u32, out: &mut impl TarSink) -> io::Result<()> {
    let mut file = File::open(layout.folder().join(name))?;
    let size = file.metadata()?.len();
    write_header(name, b'0', mode, size, out)?;
    let copied = io::copy(&mut file, out)?;
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
