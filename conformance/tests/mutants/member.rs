//! The members of a tar as raw blocks, to change one thing in them and leave the rest as it is.
//!
//! Knows fields of headers; shares nothing with the reader and the writer that are tested.

use std::collections::BTreeMap;
use std::ops::Range;

const BLOCK: usize = 512;
const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const USER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const USER_NAME: Range<usize> = 265..297;
const GROUP_NAME: Range<usize> = 297..329;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

/// What the extended attribute of file capabilities is called in a record.
pub(crate) const CAPABILITY: &[u8] = b"SCHILY.xattr.security.capability";

/// A header and the content behind it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Raw {
    header: [u8; BLOCK],
    content: Vec<u8>,
}

/// A member of a tar, with the headers before it that say more of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Member {
    before: Vec<Raw>,
    main: Raw,
}

/// Reads a tar that is not damaged.
pub(crate) fn read(tar: &[u8]) -> Vec<Member> {
    let (mut members, mut before, mut rest) = (Vec::new(), Vec::new(), tar);
    while let Some((header, after)) = rest.split_first_chunk::<BLOCK>() {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let kind = header[KIND];
        let size = match kind {
            b'1'..=b'6' => 0,
            _ => usize::try_from(number(&header[SIZE])).expect("a size is not negative"),
        };
        let raw = Raw {
            header: *header,
            content: after[..size].to_vec(),
        };
        rest = &after[size.next_multiple_of(BLOCK)..];
        match kind {
            b'x' | b'g' | b'L' | b'K' => before.push(raw),
            _ => members.push(Member {
                before: std::mem::take(&mut before),
                main: raw,
            }),
        }
    }
    members
}

/// Writes a tar; `end_write` is called where Go's writer ends a write that is no whole block.
pub(crate) fn write<W: std::io::Write>(
    members: &[Member],
    out: &mut W,
    end_write: impl Fn(&mut W),
) -> std::io::Result<()> {
    for raw in members.iter().flat_map(Member::blocks) {
        out.write_all(&raw.header)?;
        out.write_all(&raw.content)?;
        end_write(out);
        let filled = raw.content.len().next_multiple_of(BLOCK);
        out.write_all(&vec![0; filled - raw.content.len()])?;
    }
    out.write_all(&[0; 2 * BLOCK])
}

impl Member {
    /// Makes an empty file or, with a slash at the end of its name, an empty directory.
    pub(crate) fn empty(name: &str) -> Self {
        let mut member = Self {
            before: Vec::new(),
            main: Raw {
                header: [0; BLOCK],
                content: Vec::new(),
            },
        };
        let directory = name.ends_with('/');
        member.main.header[MAGIC].copy_from_slice(b"ustar\x0000");
        member.main.header[NAME][..name.len()].copy_from_slice(name.as_bytes());
        for field in [USER, GROUP, SIZE, TIME] {
            member.set_number(field, 0);
        }
        member.set_kind(if directory { b'5' } else { b'0' });
        member.set_mode(if directory { 0o755 } else { 0o644 });
        member
    }

    fn blocks(&self) -> impl Iterator<Item = &Raw> {
        self.before.iter().chain([&self.main])
    }

    /// Returns the name without `./` at its beginning and a slash at its end.
    pub(crate) fn path(&self) -> Vec<u8> {
        let name = self.name();
        let name = name.strip_prefix(b"./").unwrap_or(&name);
        name.strip_suffix(b"/").unwrap_or(name).to_vec()
    }

    /// Returns the name as it is written.
    pub(crate) fn name(&self) -> Vec<u8> {
        let long = self.record(b"path").or_else(|| self.gnu(b'L'));
        long.unwrap_or_else(|| {
            let (prefix, name) = (self.text(PREFIX), self.text(NAME));
            match prefix {
                _ if self.main.header[MAGIC] != *b"ustar\x0000" => name.to_vec(),
                b"" => name.to_vec(),
                prefix => [prefix, b"/", name].concat(),
            }
        })
    }

    /// Returns the part of the name that is in the field for prefixes.
    pub(crate) fn prefix(&self) -> &[u8] {
        self.text(PREFIX)
    }

    /// Writes the name in two parts.
    pub(crate) fn set_split(&mut self, prefix: &[u8], name: &[u8]) {
        self.put_text(PREFIX, prefix);
        self.put_text(NAME, name);
    }

    /// Returns what a link of either kind says.
    pub(crate) fn link(&self) -> Vec<u8> {
        let long = self.record(b"linkpath").or_else(|| self.gnu(b'K'));
        long.unwrap_or_else(|| self.text(LINK).to_vec())
    }

    /// Returns the letter of its type.
    pub(crate) fn kind(&self) -> u8 {
        self.main.header[KIND]
    }

    pub(crate) fn set_kind(&mut self, kind: u8) {
        self.main.header[KIND] = kind;
        self.seal();
    }

    pub(crate) fn mode(&self) -> i64 {
        number(&self.main.header[MODE])
    }

    pub(crate) fn set_mode(&mut self, mode: i64) {
        self.set_number(MODE, mode);
    }

    /// Returns the numbers of user and group.
    pub(crate) fn owner(&self) -> (i64, i64) {
        let number = |key: &[u8], field| self.decimal(key).unwrap_or_else(|| self.number(field));
        (number(b"uid", USER), number(b"gid", GROUP))
    }

    pub(crate) fn set_owner(&mut self, user: i64, group: i64) {
        self.remove_record(b"uid");
        self.remove_record(b"gid");
        self.set_number(USER, user);
        self.set_number(GROUP, group);
    }

    pub(crate) fn set_owner_names(&mut self, user: &str, group: &str) {
        for (field, text) in [(USER_NAME, user), (GROUP_NAME, group)] {
            self.put_text(field, text.as_bytes());
        }
    }

    /// Writes the numbers of a device.
    pub(crate) fn set_device(&mut self, major: i64, minor: i64) {
        self.set_number(MAJOR, major);
        self.set_number(MINOR, minor);
    }

    /// Returns the time in whole seconds, rounded down.
    pub(crate) fn seconds(&self) -> i64 {
        let Some(text) = self.record(b"mtime") else {
            return self.number(TIME);
        };
        let text = String::from_utf8(text).expect("a time is text");
        let seconds: f64 = text.parse().expect("a time is a number");
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times of tests are far from the limit"
        )]
        let seconds = seconds.floor() as i64;
        seconds
    }

    pub(crate) fn set_seconds(&mut self, seconds: i64) {
        self.remove_record(b"mtime");
        self.set_number(TIME, seconds);
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.main.content
    }

    pub(crate) fn set_content(&mut self, content: Vec<u8>) {
        let size = i64::try_from(content.len()).expect("contents of tests are small");
        self.main.content = content;
        self.set_number(SIZE, size);
    }

    /// Adds a block of zeros behind the content, of which the header does not know.
    pub(crate) fn add_a_block(&mut self) {
        self.main.content.extend([0; BLOCK]);
    }

    /// Gives two members each other's everything but the name.
    pub(crate) fn exchange(&mut self, other: &mut Self) {
        std::mem::swap(self, other);
        for field in [NAME, PREFIX] {
            let mine = self.main.header[field.clone()].to_vec();
            let others = other.main.header[field.clone()].to_vec();
            self.main.header[field.clone()].copy_from_slice(&others);
            other.main.header[field].copy_from_slice(&mine);
        }
        self.seal();
        other.seal();
    }

    /// Makes a hard link a file of its own, like the one that it is to.
    pub(crate) fn become_copy_of(&mut self, file: &Self) {
        self.remove_record(b"linkpath");
        self.set_link(file.text(LINK));
        self.set_kind(file.kind());
        self.set_content(file.content().to_vec());
    }

    /// Writes what a link of either kind says.
    pub(crate) fn set_link(&mut self, target: &[u8]) {
        self.put_text(LINK, target);
    }

    /// Returns the value of a PAX record.
    pub(crate) fn record(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.records().remove(key)
    }

    /// Adds a PAX record.
    pub(crate) fn set_record(&mut self, key: &[u8], value: &[u8]) {
        let mut records = self.records();
        records.insert(key.to_vec(), value.to_vec());
        self.set_records(&records);
    }

    /// Removes a PAX record, if it is there.
    pub(crate) fn remove_record(&mut self, key: &[u8]) {
        let mut records = self.records();
        if records.remove(key).is_some() {
            self.set_records(&records);
        }
    }

    fn records(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut records = BTreeMap::new();
        for extended in self.before.iter().filter(|raw| raw.header[KIND] == b'x') {
            let mut rest = extended.content.as_slice();
            while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
                let length = String::from_utf8_lossy(&rest[..blank]).parse();
                let (record, after) = rest.split_at(length.expect("a length is a number"));
                let record = &record[blank + 1..record.len() - 1];
                let equals = record.iter().position(|byte| *byte == b'=');
                let equals = equals.expect("a record has a key");
                records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
                rest = after;
            }
        }
        records
    }

    fn set_records(&mut self, records: &BTreeMap<Vec<u8>, Vec<u8>>) {
        self.before.retain(|raw| raw.header[KIND] != b'x');
        if records.is_empty() {
            return;
        }
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + " =\n".len();
            let mut length = rest + rest.to_string().len();
            length = rest + length.to_string().len();
            content.extend_from_slice(format!("{length} ").as_bytes());
            content.extend_from_slice(&[key, &b"="[..], value, b"\n"].concat());
        }
        let mut extended = Self::empty("PaxHeaders.0/member");
        extended.set_kind(b'x');
        extended.set_mode(0);
        extended.set_content(content);
        self.before.push(extended.main);
    }

    fn decimal(&self, key: &[u8]) -> Option<i64> {
        let text = String::from_utf8(self.record(key)?).expect("a number is text");
        Some(text.parse().expect("a number is one"))
    }

    fn gnu(&self, kind: u8) -> Option<Vec<u8>> {
        let raw = self.before.iter().find(|raw| raw.header[KIND] == kind)?;
        Some(up_to_nul(&raw.content).to_vec())
    }

    fn text(&self, field: Range<usize>) -> &[u8] {
        up_to_nul(&self.main.header[field])
    }

    fn number(&self, field: Range<usize>) -> i64 {
        number(&self.main.header[field])
    }

    /// Writes octal digits, or what does not fit these in GNU's way.
    fn set_number(&mut self, field: Range<usize>, value: i64) {
        let field = &mut self.main.header[field];
        let width = field.len() - 1;
        let digits = format!("{value:0width$o}");
        if digits.len() == width && value >= 0 {
            field[..width].copy_from_slice(digits.as_bytes());
            field[width] = 0;
        } else {
            let bytes = value.to_be_bytes();
            field.fill(if value < 0 { 0xff } else { 0 });
            let start = field.len().saturating_sub(bytes.len());
            let skipped = bytes.len().saturating_sub(field.len());
            field[start..].copy_from_slice(&bytes[skipped..]);
            field[0] |= 0x80;
        }
        self.seal();
    }

    fn put_text(&mut self, field: Range<usize>, text: &[u8]) {
        let field = &mut self.main.header[field];
        field.fill(0);
        field[..text.len()].copy_from_slice(text);
        self.seal();
    }

    fn seal(&mut self) {
        self.main.header[CHECKSUM].fill(b' ');
        let sum: u32 = self.main.header.iter().map(|byte| u32::from(*byte)).sum();
        self.main.header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn number(field: &[u8]) -> i64 {
    if field[0] & 0x80 != 0 {
        let start = if field[0] & 0x40 != 0 {
            -1
        } else {
            i64::from(field[0] & 0x3f)
        };
        let rest = field[1..].iter();
        return rest.fold(start, |value, byte| (value << 8) | i64::from(*byte));
    }
    let digits = String::from_utf8_lossy(field);
    let digits = digits.trim_matches(['\0', ' ']);
    i64::from_str_radix(digits, 8).unwrap_or(0)
}
