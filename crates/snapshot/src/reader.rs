//! Reads a tar as Go's reader does, by which `BuildKit` reads archives and layers: what an entry means,
//! where a tar ends, and what is none, is what that makes of it. The library that writes tars here
//! differs from it in all three (`docs/decisions/0010`).
//!
//! No more is kept in memory than an entry may reasonably say of itself: a header may announce
//! another one of any length, and somebody's archive is a few bytes that are expanded to it.

use std::io::{self, Read};

use rustix::fs::Timespec;

use crate::block::{BLOCK, Block, Format, text, wrong};
use crate::records::{Records, bounded};
use crate::sparse::Sparse;

/// How long a header may be that says something of the next one, in bytes: the bound of Go's reader.
const LONGEST: u64 = 1 << 20;

/// A tar that is read from its beginning to its end. What is read of it are the contents of the entry
/// that was returned last.
pub(crate) struct Reader<'a> {
    input: Box<dyn Read + 'a>,
    /// How much of the contents is left, and how much then fills their last block.
    left: u64,
    padding: u64,
}

/// An entry: its header, together with those that say something of it.
#[derive(Debug)]
pub(crate) struct Header {
    /// The fields, as all headers together have them. A file and a directory are of the kinds `0` and `5`.
    pub(crate) block: Block,
    pub(crate) time: Timespec,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
    /// Of a file whose holes the archive leaves out.
    pub(crate) sparse: Option<Sparse>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: Box<dyn Read + 'a>) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
        }
    }

    /// Returns the next entry. What was not read of the last one is passed over.
    pub(crate) fn next(&mut self) -> io::Result<Option<Header>> {
        let mut records = Records::default();
        let (mut long_path, mut long_link) = (Vec::new(), Vec::new());
        loop {
            if !self.pass_over()? {
                return Ok(None);
            }
            let Some(block) = self.block()? else {
                return Ok(None);
            };
            let block = Block::parse(&block)?;
            self.begin(block.kind, block.size)?;
            match block.kind {
                b'x' => records = Records::parse(&self.special()?)?,
                b'g' => {
                    Records::parse(&self.special()?)?;
                    return Ok(Some(Header::new(block, &Records::default())?));
                }
                b'L' => long_path = text(&self.special()?).to_vec(),
                b'K' => long_link = text(&self.special()?).to_vec(),
                _ => return self.entry(block, &records, long_path, long_link).map(Some),
            }
        }
    }

    /// Puts together what is known of an entry, whose contents come next.
    fn entry(
        &mut self,
        block: Block,
        records: &Records,
        long_path: Vec<u8>,
        long_link: Vec<u8>,
    ) -> io::Result<Header> {
        let mut header = Header::new(block, records)?;
        let block = &mut header.block;
        if !long_path.is_empty() {
            block.path = long_path;
        }
        if !long_link.is_empty() {
            block.link = long_link;
        }
        if block.kind == 0 {
            // The oldest tars have no letter for directories.
            block.kind = if block.path.ends_with(b"/") {
                b'5'
            } else {
                b'0'
            };
        }
        self.begin(block.kind, block.size)?;
        if block.kind == b'S' {
            if block.format != Format::Gnu {
                return Err(wrong("a sparse file in a format that has none"));
            }
            return Ok(header);
        }
        header.sparse = Sparse::read(records, block.size.cast_unsigned(), self)?;
        if header.sparse.is_some() {
            if has_no_contents(block.kind) {
                return Err(wrong("a sparse file that is no file"));
            }
            if let Some(name) = records.bytes("GNU.sparse.name") {
                block.path = name.to_vec();
            }
        }
        Ok(header)
    }

    /// Makes the contents of an entry what is read next.
    fn begin(&mut self, kind: u8, size: i64) -> io::Result<()> {
        self.left = match u64::try_from(size) {
            _ if has_no_contents(kind) => 0,
            Ok(size) => size,
            Err(_) => return Err(wrong("an entry has a negative size")),
        };
        self.padding = self.left.next_multiple_of(BLOCK as u64) - self.left;
        Ok(())
    }

    /// Passes over what is left of the last entry. Returns whether the tar goes on: it may end where
    /// only a last block is to be filled.
    fn pass_over(&mut self) -> io::Result<bool> {
        io::copy(self, &mut io::sink())?;
        let mut rest = self.input.by_ref().take(self.padding);
        Ok(io::copy(&mut rest, &mut io::sink())? == self.padding)
    }

    /// Reads a header's block; nothing at the end of the tar.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        for is_first in [true, false] {
            match fill(&mut self.input, &mut block)? {
                0 => return Ok(None),
                BLOCK if block == [0; BLOCK] => {}
                BLOCK if is_first => return Ok(Some(block)),
                BLOCK => return Err(wrong("something stands behind the end of a tar")),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(None)
    }

    /// Reads the contents of an entry that says something of the next one.
    fn special(&mut self) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.by_ref().take(LONGEST + 1).read_to_end(&mut contents)?;
        if contents.len() as u64 > LONGEST {
            return Err(wrong("a header in it is longer than 1 MiB"));
        }
        Ok(contents)
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Header {
    fn new(mut block: Block, records: &Records) -> io::Result<Self> {
        // They are not looked at, but have to make sense.
        for key in ["atime", "ctime"] {
            records.time(key)?;
        }
        for (key, field) in [("path", &mut block.path), ("linkpath", &mut block.link)] {
            if let Some(name) = records.bytes(key) {
                *field = name.to_vec();
            }
        }
        let numbers = [
            ("uid", &mut block.user),
            ("gid", &mut block.group),
            ("size", &mut block.size),
        ];
        for (key, field) in numbers {
            if let Some(number) = records.number(key)? {
                *field = number;
            }
        }
        let time = records.time("mtime")?;
        Ok(Self {
            time: time.unwrap_or_else(|| bounded(block.time, 0, false)),
            attributes: records.attributes(),
            sparse: None,
            block,
        })
    }
}

/// Tells whether nothing stands behind the header of an entry, whatever its size.
fn has_no_contents(kind: u8) -> bool {
    matches!(kind, b'1'..=b'6')
}

/// Reads until something is full, or the input ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match input.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// An entry of a tar, in GNU's format unless changed.
    #[derive(Clone)]
    struct TestEntry {
        kind: u8,
        path: &'static [u8],
        contents: Vec<u8>,
        /// Written over the header, before its checksum.
        fields: Vec<(usize, &'static [u8])>,
    }

    fn made(kind: u8, path: &'static str, contents: &[u8]) -> TestEntry {
        TestEntry {
            kind,
            path: path.as_bytes(),
            contents: contents.to_vec(),
            fields: Vec::new(),
        }
    }

    impl TestEntry {
        fn with(mut self, place: usize, field: &'static [u8]) -> Self {
            self.fields.push((place, field));
            self
        }

        fn bytes(&self) -> Vec<u8> {
            let mut block = [0; BLOCK];
            let size = format!("{:011o}", self.contents.len());
            let mut put = |place: usize, field: &[u8]| {
                block[place..place + field.len()].copy_from_slice(field);
            };
            put(0, self.path);
            put(124, size.as_bytes());
            put(156, &[self.kind]);
            put(257, b"ustar  \0");
            for (place, field) in &self.fields {
                put(*place, field);
            }
            put(148, b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            let mut bytes = [&block[..], &self.contents].concat();
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            bytes
        }
    }

    const USTAR: &[u8] = b"ustar\x0000";
    const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

    fn tar(entries: &[TestEntry]) -> Vec<u8> {
        let mut tar: Vec<u8> = entries.iter().flat_map(TestEntry::bytes).collect();
        tar.extend(END);
        tar
    }

    fn headers(tar: &[u8]) -> io::Result<Vec<Header>> {
        let mut reader = Reader::new(Box::new(io::Cursor::new(tar.to_vec())));
        let mut headers = Vec::new();
        while let Some(header) = reader.next()? {
            headers.push(header);
        }
        Ok(headers)
    }

    fn paths(entries: &[TestEntry]) -> io::Result<Vec<String>> {
        let path = |header: Header| String::from_utf8(header.block.path).unwrap();
        Ok(headers(&tar(entries))?.into_iter().map(path).collect())
    }

    #[rstest]
    #[case::of_two_the_last(&[made(b'L', "l", b"one\0"), made(b'L', "l", b"two\0")], "two")]
    #[case::up_to_a_zero(&[made(b'L', "l", b"one\0two")], "one")]
    #[case::an_empty_one_says_nothing(&[made(b'L', "l", b"\0")], "file")]
    #[case::of_a_record(&[made(b'x', "x", b"12 path=one\n")], "one")]
    #[case::of_two_records_the_last(&[made(b'x', "x", b"12 path=one\n12 path=two\n")], "two")]
    #[case::of_two_headers_the_last(
        &[made(b'x', "x", b"12 path=one\n"), made(b'x', "x", b"10 uid=12\n")], "file"
    )]
    #[case::an_empty_record_says_nothing(&[made(b'x', "x", b"8 path=\n")], "file")]
    #[case::gnus_before_a_record(
        &[made(b'L', "l", b"one\0"), made(b'x', "x", b"12 path=two\n")], "one"
    )]
    fn names_of_other_headers(#[case] before: &[TestEntry], #[case] expected: &str) {
        let entries = [before, &[made(b'0', "file", b"text")]].concat();
        assert_eq!(paths(&entries).unwrap(), [expected]);
    }

    #[rstest]
    #[case::ustars(made(b'0', "file", b"").with(257, USTAR).with(345, b"pre/fix"), "pre/fix/file")]
    #[case::none_of_the_oldest(made(b'0', "file", b"").with(257, &[0; 8]).with(345, b"pre"), "file")]
    #[case::stars(
        made(b'0', "file", b"").with(257, USTAR).with(345, b"pre").with(508, b"tar\0"), "pre/file"
    )]
    #[case::gnus_times(made(b'0', "file", b"").with(345, b"00000000005\x0000000000006\0"), "file")]
    #[case::what_go_wrote(made(b'0', "file", b"").with(345, b"pre"), "pre/file")]
    fn what_stands_before_a_name(#[case] entry: TestEntry, #[case] expected: &str) {
        assert_eq!(paths(&[entry]).unwrap(), [expected]);
    }

    #[rstest]
    #[case::a_checksum(&made(b'0', "file", b"").bytes().iter().map(|b| b & 0x7e).collect::<Vec<_>>())]
    #[case::a_number(&tar(&[made(b'0', "file", b"").with(108, b"99999")]))]
    #[case::a_size(&tar(&[made(b'0', "file", b"").with(124, &[0xff; 12])]))]
    #[case::a_record(&tar(&[made(b'x', "x", b"8 path=a\n"), made(b'0', "file", b"")]))]
    #[case::a_record_of_zeros(&tar(&[made(b'x', "x", b"11 path=\0a\n"), made(b'0', "file", b"")]))]
    #[case::a_number_of_a_record(&tar(&[made(b'x', "x", b"8 gid=x\n"), made(b'0', "f", b"")]))]
    #[case::a_time_of_a_record(&tar(&[made(b'x', "x", b"11 atime=x\n"), made(b'0', "f", b"")]))]
    #[case::contents_of_a_directory(&tar(&[made(b'5', "directory", b"text")]))]
    #[case::contents_of_an_old_directory(&tar(&[made(0, "directory/", b"text").with(257, &[0; 8])]))]
    #[case::something_behind_the_end(&[&[0; BLOCK][..], &made(b'0', "file", b"").bytes()].concat())]
    #[case::half_a_header(&made(b'0', "file", b"").bytes()[..100])]
    #[case::half_of_the_contents(&made(b'0', "file", &[1; 600]).bytes()[..BLOCK + 100])]
    #[case::a_sparse_file_of_another_format(&tar(&[made(b'S', "file", b"").with(257, USTAR)]))]
    fn what_is_broken(#[case] tar: &[u8]) {
        assert!(headers(tar).is_err());
    }

    #[rstest]
    #[case::two_blocks(&END)]
    #[case::one_block(&END[BLOCK..])]
    #[case::none(&[])]
    fn a_tar_may_end_with(#[case] end: &[u8]) {
        let entry = made(b'0', "file", b"text").bytes();
        assert_eq!(headers(&[&entry, end].concat()).unwrap().len(), 1);
        assert_eq!(
            headers(&[&entry[..BLOCK + 4], &[][..]].concat())
                .unwrap()
                .len(),
            1
        );
        assert_eq!(headers(end).unwrap().len(), 0);
    }

    #[test]
    fn what_is_not_read_is_passed_over() {
        let long = vec![7; 3 << 20];
        let tar = tar(&[
            made(b'0', "a", &long),
            made(b'0', "b", &long),
            made(b'0', "c", b"1"),
        ]);
        let mut reader = Reader::new(Box::new(io::Cursor::new(tar)));
        let mut lengths = Vec::new();
        for most in [1, u64::MAX, 0] {
            reader.next().unwrap().unwrap();
            let mut contents = Vec::new();
            lengths.push(
                reader
                    .by_ref()
                    .take(most)
                    .read_to_end(&mut contents)
                    .unwrap(),
            );
        }
        assert_eq!(lengths, [1, long.len(), 0]);
        assert!(reader.next().unwrap().is_none());
    }

    #[rstest]
    #[case(b'L')]
    #[case(b'K')]
    #[case(b'x')]
    #[case(b'g')]
    fn a_header_is_read_up_to_a_bound(#[case] kind: u8) {
        let mut record = b"1048576 comment=".to_vec();
        record.resize((1 << 20) - 1, b'a');
        record.push(b'\n');
        let entries = [made(kind, "h", &record), made(b'0', "f", b"")];
        assert!(paths(&entries).is_ok());
        record.push(b'\n');
        let error = paths(&[made(kind, "h", &record), made(b'0', "f", b"")]).unwrap_err();
        assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
    }

    #[test]
    fn numbers_of_records_go_before_those_of_fields() {
        let entries = [
            made(b'x', "x", b"13 uid=70000\n10 size=3\n7 gid=\n"),
            made(b'0', "file", b"text").with(108, b"5").with(116, b"6"),
        ];
        let mut reader = Reader::new(Box::new(io::Cursor::new(tar(&entries))));
        let header = reader.next().unwrap().unwrap();
        assert_eq!((header.block.user, header.block.group), (70_000, 6));
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).unwrap();
        assert_eq!(contents, b"tex");
    }
}
