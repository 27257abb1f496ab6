//! Changes become a tar: the layer of a step. Which changes there are is for others.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use rustix::fs::FileType;
use tar::{EntryType, Header};

use crate::attributes::{CAPABILITY, IN_TAR};
use crate::change::{Change, File as Found};
use crate::contents::{copy_contents, small};
use crate::error::{Context as _, Result};
use crate::tree::Tree;

/// The unit of a tar.
const BLOCK: usize = 512;
/// How much is written at once.
const BUFFER: usize = 1 << 17;

/// Writes a layer: the changes of `upper`, in their order.
///
/// Times before 1970 are an extended header, and so are capabilities; long names are GNU's. Holes
/// of a sparse file stay holes in the tar's own file.
pub fn write(changes: &[Change], upper: &Tree, output: File) -> Result<()> {
    let mut writer = Writer {
        output,
        offset: 0,
        buffer: Vec::with_capacity(2 * BUFFER),
    };
    for change in changes {
        writer.change(change, upper)?;
    }
    writer.finish().at("write", b"a layer")
}

struct Writer {
    output: File,
    /// How long the tar is, together with what is in the buffer.
    offset: u64,
    buffer: Vec<u8>,
}

impl Writer {
    fn change(&mut self, change: &Change, upper: &Tree) -> Result<()> {
        match change {
            Change::Delete(place) => {
                let mut path = place.parent().as_bytes()[1..].to_vec();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(b".wh.");
                path.extend_from_slice(place.name().unwrap_or_default());
                let mut header = Header::new_gnu();
                header.set_entry_type(EntryType::Regular);
                header.set_mode(0);
                header.set_uid(0);
                header.set_gid(0);
                header.set_mtime(0);
                header.set_size(0);
                self.entry(&mut header, &path, &[]).at("write", &path)
            }
            Change::Put { place, file, first } => {
                let path = place.as_bytes()[1..].to_vec();
                self.put(
                    path,
                    file,
                    first.as_ref().map(|first| &first.as_bytes()[1..]),
                    || upper.read(place),
                )
            }
        }
    }

    fn put(
        &mut self,
        mut path: Vec<u8>,
        file: &Found,
        first: Option<&[u8]>,
        open: impl FnOnce() -> Result<File>,
    ) -> Result<()> {
        let mut header = Header::new_gnu();
        let mut link: &[u8] = &[];
        let kind = match file.kind {
            FileType::RegularFile => EntryType::Regular,
            FileType::Directory => {
                path.push(b'/');
                EntryType::Directory
            }
            FileType::Symlink => {
                link = &file.target;
                EntryType::Symlink
            }
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            // A layer has no sockets.
            FileType::Socket | FileType::Unknown => return Ok(()),
        };
        header.set_entry_type(kind);
        if let Some(first) = first {
            header.set_entry_type(EntryType::Link);
            link = first;
        }
        let has_contents = header.entry_type() == EntryType::Regular;
        header.set_mode(file.mode);
        header.set_uid(file.owner.user.into());
        header.set_gid(file.owner.group.into());
        header.set_size(if has_contents { file.size } else { 0 });
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let numbers = [
                rustix::fs::major(file.device),
                rustix::fs::minor(file.device),
            ];
            let set = header
                .set_device_major(numbers[0])
                .and_then(|()| header.set_device_minor(numbers[1]));
            set.at("write", &path)?;
        }
        let mut extensions = Vec::new();
        match u64::try_from(file.seconds) {
            Ok(seconds) => header.set_mtime(seconds),
            Err(_) => extensions.extend(record("mtime", file.seconds.to_string().as_bytes())),
        }
        if let Some(value) = &file.capability {
            extensions.extend(record(&format!("{IN_TAR}{CAPABILITY}"), value));
        }
        if !extensions.is_empty() {
            self.extension(EntryType::XHeader, b"PaxHeaders", &extensions)
                .at("write", &path)?;
        }
        self.entry(&mut header, &path, link).at("write", &path)?;
        if has_contents && file.size > 0 {
            let contents = open()?;
            self.contents(&contents, file.size).at("write", &path)?;
        }
        Ok(())
    }

    /// Writes a header under a name, and for a link its target.
    fn entry(&mut self, header: &mut Header, path: &[u8], link: &[u8]) -> io::Result<()> {
        if link.len() >= 100 {
            self.extension(EntryType::GNULongLink, b"././@LongLink", &terminated(link))?;
        }
        if path.len() >= 100 {
            self.extension(EntryType::GNULongName, b"././@LongLink", &terminated(path))?;
        }
        let old = header.as_old_mut();
        fill(&mut old.name, path);
        fill(&mut old.linkname, link);
        header.set_cksum();
        self.write(header.as_bytes())
    }

    /// Writes an entry that says something of the next one.
    fn extension(&mut self, kind: EntryType, name: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        fill(&mut header.as_old_mut().name, name);
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.write(bytes)?;
        self.pad()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        if self.buffer.len() > BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Appends `size` bytes of a file, the holes of a large one as holes.
    fn contents(&mut self, file: &File, size: u64) -> io::Result<()> {
        if let Some(size) = small(size) {
            let start = self.buffer.len();
            self.buffer.resize(start + size, 0);
            (&*file).read_exact(&mut self.buffer[start..])?;
            self.offset += size as u64;
            return self.pad();
        }
        self.flush()?;
        let start = self.offset;
        copy_contents(file, &self.output, size, start)?;
        self.offset = start + size;
        self.output.seek(SeekFrom::Start(self.offset))?;
        self.pad()
    }

    fn pad(&mut self) -> io::Result<()> {
        let rest = usize::try_from(self.offset.next_multiple_of(BLOCK as u64) - self.offset);
        self.write(&[0; BLOCK][..rest.unwrap_or(0)])
    }

    fn finish(mut self) -> io::Result<()> {
        self.write(&[0; 2 * BLOCK])?;
        self.flush()
    }
}

fn fill(field: &mut [u8], value: &[u8]) {
    let count = value.len().min(field.len());
    field[..count].copy_from_slice(&value[..count]);
}

fn terminated(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.push(0);
    bytes
}

/// Returns a record of an extended header: its length, itself included, and `key=value`.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("k", "v", "6 k=v\n")]
    #[case("key", "value", "13 key=value\n")]
    #[case("k", "vvvv", "9 k=vvvv\n")]
    #[case("k", "vvvvv", "11 k=vvvvv\n")]
    fn a_record_counts_its_own_length(#[case] key: &str, #[case] value: &str, #[case] text: &str) {
        assert_eq!(record(key, value.as_bytes()), text.as_bytes());
    }
}
