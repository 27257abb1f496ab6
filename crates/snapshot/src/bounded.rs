//! An archive of which no more is kept in memory than an entry may reasonably say of itself.
//!
//! A header may announce another one of any length, and somebody's archive is a few bytes that are
//! expanded to it. The bound is that of Go's reader, by which `BuildKit` reads.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// How long a header may be that says something of the next one, in bytes.
const LONGEST: u64 = 1 << 20;
/// The unit of a tar: how long every other header is.
const BLOCK: u64 = 512;

/// A tar that is read from its beginning to its end.
pub(crate) struct Archive {
    tar: tar::Archive<Bounded>,
    left: Rc<Cell<u64>>,
}

impl Archive {
    pub(crate) fn new(input: Box<dyn Read>) -> Self {
        let left = Rc::new(Cell::new(0));
        let bounded = Bounded {
            input,
            position: 0,
            left: Rc::clone(&left),
        };
        Self {
            tar: tar::Archive::new(bounded),
            left,
        }
    }

    /// Returns its entries, in order. The contents of each are read before the next one is asked for.
    pub(crate) fn entries(
        &mut self,
    ) -> io::Result<impl Iterator<Item = io::Result<tar::Entry<'_, Bounded>>>> {
        let left = &self.left;
        let entries = self.tar.entries_with_seek()?;
        // Contents are not kept, and may be of any length.
        Ok(entries.inspect(|_| left.set(u64::MAX)))
    }
}

/// Reads as much as is left. Whoever reads headers passes over something before each of them, if only
/// over nothing, and has enough for one again.
pub(crate) struct Bounded {
    input: Box<dyn Read>,
    position: u64,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        if most == 0 && !buffer.is_empty() {
            let message = format!("a header in it is longer than {} MiB", LONGEST >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let most = most.min(buffer.len());
        let count = self.input.read(&mut buffer[..most])?;
        self.left.set(left - count as u64);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Bounded {
    /// Passes over so many bytes; nothing else can be done with a stream.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(distance) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let distance = u64::try_from(distance).map_err(io::Error::other)?;
        let mut passed = self.input.by_ref().take(distance);
        if io::copy(&mut passed, &mut io::sink())? < distance {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += distance;
        self.left.set(BLOCK + LONGEST);
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tar::{EntryType, Header};

    use super::*;

    fn append(tar: &mut Vec<u8>, kind: EntryType, name: &str, bytes: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_path(name).unwrap();
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }

    fn names(tar: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        let mut archive = Archive::new(Box::new(io::Cursor::new(tar)));
        let entries = archive.entries()?;
        entries
            .map(|entry| Ok(entry?.path_bytes().into_owned()))
            .collect()
    }

    #[rstest]
    #[case(EntryType::GNULongName)]
    #[case(EntryType::GNULongLink)]
    #[case(EntryType::XHeader)]
    fn a_header_is_read_up_to_a_bound(#[case] kind: EntryType) {
        for (length, expected) in [(1 << 20, None), ((1 << 20) + 1, Some(()))] {
            let mut tar = Vec::new();
            append(&mut tar, kind, "said", &vec![b'\n'; length]);
            append(&mut tar, EntryType::Regular, "file", b"text");
            let error = names(tar).err().map(|error| error.to_string());
            assert_eq!(error.as_ref().map(|_| ()), expected, "{error:?}");
            let is_said = error.is_none_or(|error| error.contains("longer than 1 MiB"));
            assert!(is_said, "{kind:?}");
        }
    }

    #[test]
    fn the_parts_of_a_sparse_file_are_read_up_to_a_bound() {
        let mut tar = Vec::new();
        append(&mut tar, EntryType::GNUSparse, "file", b"");
        let mut header = Header::from_byte_slice(&tar).clone();
        header.as_gnu_mut().unwrap().set_is_extended(true);
        header.set_cksum();
        tar[..512].copy_from_slice(header.as_bytes());
        // Each says that there is one more.
        let mut more = [0; 512];
        more[504] = 1;
        tar.extend(more.repeat(1 << 12));
        let error = names(tar).unwrap_err().to_string();
        assert!(error.contains("longer than 1 MiB"), "{error}");
    }

    #[test]
    fn contents_may_be_longer() {
        let mut tar = Vec::new();
        let long = vec![1; 3 << 20];
        for name in ["one", "two", "three"] {
            append(&mut tar, EntryType::Regular, name, &long);
        }
        let mut archive = Archive::new(Box::new(io::Cursor::new(tar)));
        let mut lengths = Vec::new();
        for (place, entry) in archive.entries().unwrap().enumerate() {
            let mut contents = Vec::new();
            // What is not read is passed over.
            let read = entry
                .unwrap()
                .take([1, u64::MAX, 0][place])
                .read_to_end(&mut contents);
            lengths.push(read.unwrap());
        }
        assert_eq!(lengths, [1, long.len(), 0]);
    }

    #[test]
    fn an_archive_that_ends_too_soon_is_broken() {
        let mut tar = Vec::new();
        append(&mut tar, EntryType::Regular, "file", &[1; 5000]);
        tar.truncate(1000);
        assert!(names(tar).is_err());
    }
}
