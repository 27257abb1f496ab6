//! Files whose holes an archive leaves out, in the three forms that GNU tar has for extended headers
//! (`--format=posix --sparse`, and `--sparse-version`), as Go reads them.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::ops::Range;

use crate::records::{Records, wrong};

const MAP: &str = "GNU.sparse.map";
const OFFSET: &str = "GNU.sparse.offset";
const LENGTH: &str = "GNU.sparse.numbytes";
const COUNT: &str = "GNU.sparse.numblocks";
/// How long a list of parts in the contents may be, in bytes: the bound of Go's reader.
const LONGEST: usize = 1 << 20;
const BLOCK: usize = 512;

/// Which parts of a file are in an archive, one after the other. All else in it is holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sparse {
    /// In order, and apart from each other.
    parts: Vec<Range<u64>>,
    size: u64,
}

impl Sparse {
    /// Finds out whether an entry is such a file. What its contents begin with is read, if that says
    /// so. `size` is how long the file is if nothing else is said.
    pub(crate) fn read(
        records: &Records,
        size: u64,
        contents: &mut impl Read,
    ) -> io::Result<Option<Self>> {
        let version = (
            records.bytes("GNU.sparse.major").unwrap_or_default(),
            records.bytes("GNU.sparse.minor").unwrap_or_default(),
        );
        let listed = listed(records)?;
        let is_in_contents = match version {
            (b"1", b"0") => true,
            (b"0", b"0" | b"1") => false,
            (b"", b"") if !listed.is_empty() => false,
            _ => return Ok(None),
        };
        let size = match length(records, "GNU.sparse.size")? {
            None => length(records, "GNU.sparse.realsize")?.unwrap_or(size),
            Some(size) => size,
        };
        let numbers = if is_in_contents {
            in_contents(contents)?
        } else {
            let count = length(records, COUNT)?.ok_or_else(|| wrong(COUNT))?;
            if count.checked_mul(2) != Some(listed.len() as u64) {
                return Err(wrong(COUNT));
            }
            listed
        };
        let parts = parts(&numbers, size)?;
        Ok(Some(Self { parts, size }))
    }

    /// Fills a new file: with the parts, and with holes.
    pub(crate) fn write(&self, contents: &mut impl Read, file: &mut File) -> io::Result<()> {
        file.set_len(self.size)?;
        for part in &self.parts {
            file.seek(SeekFrom::Start(part.start))?;
            let length = part.end - part.start;
            if io::copy(&mut contents.take(length), file)? < length {
                return Err(broken(
                    "of a sparse file less is in the archive than it says",
                ));
            }
        }
        if contents.read(&mut [0])? > 0 {
            return Err(broken("a sparse file has more contents than parts"));
        }
        Ok(())
    }
}

/// Returns the number that a key stands for, which cannot be negative.
fn length(records: &Records, key: &str) -> io::Result<Option<u64>> {
    let number = records.number(key)?.map(u64::try_from).transpose();
    number.map_err(|_| wrong(key))
}

/// Returns the numbers that records list: an offset, a length, and so on.
fn listed(records: &Records) -> io::Result<Vec<u64>> {
    let number = |text: &[u8]| {
        let text = str::from_utf8(text).ok();
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| wrong(MAP))
    };
    let mut numbers = Vec::new();
    for (key, value) in records.iter() {
        if !matches!(key, OFFSET | LENGTH) {
            continue;
        }
        if (key == OFFSET) != numbers.len().is_multiple_of(2) {
            return Err(wrong(key));
        }
        numbers.push(number(value)?);
    }
    match records.bytes(MAP) {
        Some(map) if numbers.is_empty() => map.split(|byte| *byte == b',').map(number).collect(),
        _ => Ok(numbers),
    }
}

/// Reads the numbers that contents begin with: how many parts there are, and for each of them its
/// offset and its length, each in a line. They fill whole blocks.
fn in_contents(contents: &mut impl Read) -> io::Result<Vec<u64>> {
    let number = |line: &[u8]| {
        let line = str::from_utf8(line).ok();
        line.and_then(|line| line.parse::<u64>().ok())
            .ok_or_else(|| broken("the list of a sparse file's parts makes no sense"))
    };
    let mut text = Vec::new();
    fill(&mut text, 1, contents)?;
    let first = text.split(|byte| *byte == b'\n').next();
    let count = number(first.unwrap_or_default())?.saturating_mul(2);
    fill(&mut text, count.saturating_add(1), contents)?;
    let count = usize::try_from(count).map_err(io::Error::other)?;
    let lines = text.split(|byte| *byte == b'\n').skip(1);
    lines.take(count).map(number).collect()
}

/// Reads whole blocks until there are so many lines.
fn fill(text: &mut Vec<u8>, lines: u64, contents: &mut impl Read) -> io::Result<()> {
    let ends = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').skip(1).count() as u64;
    let mut found = ends(text);
    let mut block = [0; BLOCK];
    while found < lines {
        if text.len() >= LONGEST {
            return Err(broken(
                "the list of a sparse file's parts is longer than 1 MiB",
            ));
        }
        contents.read_exact(&mut block)?;
        found += ends(&block);
        text.extend_from_slice(&block);
    }
    Ok(())
}

/// Returns the parts that numbers stand for, if they are in order and within the file.
fn parts(numbers: &[u64], size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut parts: Vec<Range<u64>> = Vec::with_capacity(numbers.len() / 2);
    for pair in numbers.chunks_exact(2) {
        let start = pair[0];
        let end = start.checked_add(pair[1]).filter(|end| *end <= size);
        let end = end.ok_or_else(|| broken("a part of a sparse file is beyond its end"))?;
        if parts.last().is_some_and(|last| start < last.end) {
            return Err(broken("the parts of a sparse file are out of order"));
        }
        parts.push(start..end);
    }
    Ok(parts)
}

fn broken(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use rstest::rstest;

    use super::*;

    fn read(records: &[(&str, &str)], contents: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut contents = contents;
        let sparse = Sparse::read(&Records::of(records), 5, &mut contents)?;
        let Some(sparse) = sparse else {
            return Ok(None);
        };
        let mut file = tempfile::tempfile()?;
        sparse.write(&mut contents, &mut file)?;
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn block(text: &str) -> Vec<u8> {
        let mut block = text.as_bytes().to_vec();
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    const V0_0: &[(&str, &str)] = &[
        ("GNU.sparse.size", "8"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "1"),
        ("GNU.sparse.numbytes", "2"),
        ("GNU.sparse.offset", "5"),
        ("GNU.sparse.numbytes", "1"),
    ];
    const V0_1: &[(&str, &str)] = &[
        ("GNU.sparse.size", "8"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.map", "1,2,5,1"),
    ];
    const V1_0: &[(&str, &str)] = &[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "8"),
    ];

    #[rstest]
    #[case::records(V0_0, "abc")]
    #[case::a_list(V0_1, "abc")]
    #[case::contents(V1_0, &format!("{}abc", str::from_utf8(&block("2\n1\n2\n5\n1\n")).unwrap()))]
    fn each_form_is_read(#[case] records: &[(&str, &str)], #[case] contents: &str) {
        let file = read(records, contents.as_bytes()).unwrap().unwrap();
        assert_eq!(file, b"\0ab\0\0c\0\0");
    }

    #[test]
    fn a_list_in_the_contents_may_be_of_several_blocks() {
        let mut list = "200\n".to_owned();
        for place in 0..200 {
            list.push_str(&(1000 + 2 * place).to_string());
            list.push_str("\n1\n");
        }
        let records = [V1_0, &[("GNU.sparse.realsize", "2000")]].concat();
        let contents = [block(&list), vec![b'x'; 200]].concat();
        let file = read(&records, &contents).unwrap().unwrap();
        assert_eq!(file.len(), 2000);
        assert_eq!(file[1000..1004], *b"x\0x\0");
        assert_eq!(file[1398..], [&b"x"[..], &[0; 601]].concat());
    }

    #[rstest]
    #[case::nothing_said(&[], "abc")]
    #[case::a_version_of_the_future(&[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")], "abc")]
    #[case::half_a_version(&[("GNU.sparse.minor", "0"), ("GNU.sparse.map", "0,1")], "abc")]
    fn other_files_are_not_sparse(#[case] records: &[(&str, &str)], #[case] contents: &str) {
        assert_eq!(read(records, contents.as_bytes()).unwrap(), None);
    }

    #[rstest]
    #[case::less_than_said(V0_1, "ab", "less is in the archive")]
    #[case::more_than_said(V0_1, "abcd", "more contents")]
    #[case::no_count(&[("GNU.sparse.map", "0,1")], "a", "numblocks")]
    #[case::another_count(&[("GNU.sparse.map", "0,1"), ("GNU.sparse.numblocks", "2")], "a", "numblocks")]
    #[case::no_number(&[("GNU.sparse.map", "0,x"), ("GNU.sparse.numblocks", "1")], "a", "map")]
    #[case::a_length_first(&[("GNU.sparse.numbytes", "0")], "a", "numbytes")]
    #[case::beyond_the_end(&[("GNU.sparse.map", "4,2"), ("GNU.sparse.numblocks", "1")], "ab", "beyond")]
    #[case::beyond_all(
        &[("GNU.sparse.map", "2,18446744073709551615"), ("GNU.sparse.numblocks", "1")], "ab", "beyond"
    )]
    #[case::out_of_order(
        &[("GNU.sparse.map", "2,2,1,1"), ("GNU.sparse.numblocks", "2")], "abc", "order"
    )]
    #[case::a_list_that_ends_too_soon(V1_0, "2\n1\n", "")]
    fn what_makes_no_sense_is_an_error(
        #[case] records: &[(&str, &str)],
        #[case] contents: &str,
        #[case] said: &str,
    ) {
        let error = read(records, contents.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }

    #[test]
    fn a_list_in_the_contents_has_a_bound() {
        let mut endless = io::repeat(b'1');
        let error = Sparse::read(&Records::of(V1_0), 5, &mut endless).unwrap_err();
        assert!(error.to_string().contains("1 MiB"), "{error}");
        let mut endless = "9223372036854775807\n".as_bytes().chain(io::repeat(b'\n'));
        let error = Sparse::read(&Records::of(V1_0), 5, &mut endless).unwrap_err();
        assert!(error.to_string().contains("1 MiB"), "{error}");
    }

    #[test]
    fn holes_take_no_room() {
        let records = Records::of(&[
            ("GNU.sparse.size", "1073741824"),
            ("GNU.sparse.numblocks", "1"),
            ("GNU.sparse.map", "1073741823,1"),
        ]);
        let mut contents: &[u8] = b"x";
        let sparse = Sparse::read(&records, 1, &mut contents).unwrap().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        sparse.write(&mut contents, &mut file).unwrap();
        let found = file.metadata().unwrap();
        assert_eq!(found.len(), 1 << 30);
        assert!(found.blocks() < 1 << 10, "{}", found.blocks());
    }
}
