//! What the extended header of a tar's entry says, as Go reads it: of records with the same key the
//! last one holds, and one without a value says nothing.

use std::collections::BTreeMap;
use std::io;

use rustix::fs::Timespec;

use crate::attributes::IN_TAR;

/// The records of an extended header, in order.
#[derive(Debug, Default)]
pub(crate) struct Records(Vec<(String, Vec<u8>)>);

impl Records {
    pub(crate) fn parse(mut text: &[u8]) -> io::Result<Self> {
        let mut records = Vec::new();
        while !text.is_empty() {
            let (record, rest) = first(text).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "an extended header is broken")
            })?;
            // Of the keys that mean something none has other characters.
            records.push((
                String::from_utf8_lossy(record.0).into_owned(),
                record.1.to_vec(),
            ));
            text = rest;
        }
        Ok(Self(records))
    }

    /// Returns all records, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Returns what a key stands for.
    pub(crate) fn bytes(&self, key: &str) -> Option<&[u8]> {
        let (_, value) = self.iter().filter(|(found, _)| *found == key).last()?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns what a key stands for, as text.
    pub(crate) fn text(&self, key: &str) -> io::Result<Option<&str>> {
        let text = self.bytes(key).map(str::from_utf8).transpose();
        text.map_err(|_| wrong(key))
    }

    /// Returns the number that a key stands for.
    pub(crate) fn number(&self, key: &str) -> io::Result<Option<i64>> {
        let number = self.text(key)?.map(str::parse).transpose();
        number.map_err(|_| wrong(key))
    }

    /// Returns the time that a key stands for.
    pub(crate) fn time(&self, key: &str) -> io::Result<Option<Timespec>> {
        let text = self.text(key)?;
        text.map(|text| decimal_time(text).ok_or_else(|| wrong(key)))
            .transpose()
    }

    /// Returns the extended attributes of the file.
    pub(crate) fn attributes(&self) -> Vec<(String, Vec<u8>)> {
        let attributes = self.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(IN_TAR)?;
            Some((name.to_owned(), value.to_vec()))
        });
        let mut attributes: BTreeMap<_, _> = attributes.collect();
        attributes.retain(|_, value: &mut Vec<u8>| !value.is_empty());
        attributes.into_iter().collect()
    }
}

/// The keys of names, in which no zero can be.
const NAMES: [&[u8]; 4] = [b"path", b"linkpath", b"uname", b"gname"];

type Record<'a> = (&'a [u8], &'a [u8]);

/// Takes a record off: its length, itself included, a blank, `key=value`, and the end of the line.
fn first(text: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let blank = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
    let record = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    let zeros = if NAMES.contains(&key) { value } else { key };
    (!key.is_empty() && !zeros.contains(&0)).then_some(((key, value), &text[length..]))
}

/// Says that a record makes no sense.
pub(crate) fn wrong(key: &str) -> io::Error {
    let message = format!("the record {key} of an extended header makes no sense");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads `-5`, `1.5` and the like, as seconds since 1970.
fn decimal_time(text: &str) -> Option<Timespec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds = digits.parse().ok()?;
    Some(bounded(seconds, nanoseconds, whole.starts_with('-')))
}

/// The last time that is still one to Go, whose own have 64 bits for nanoseconds.
const LAST_TIME: (i64, i64) = (i64::MAX / 1_000_000_000, i64::MAX % 1_000_000_000);

/// Returns a time, or 1970 for one that is before that or after the last.
pub(crate) fn bounded(seconds: i64, nanoseconds: i64, negative: bool) -> Timespec {
    if negative || seconds < 0 || (seconds, nanoseconds) > LAST_TIME {
        return Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
    }
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
}

#[cfg(test)]
impl Records {
    pub(crate) fn of(records: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        Self(records.iter().map(owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.5", 1, 500_000_000)]
    #[case("7", 7, 0)]
    #[case("7.", 7, 0)]
    #[case("1.1234567899", 1, 123_456_789)]
    #[case("-5", 0, 0)]
    #[case("-0.5", 0, 0)]
    #[case("9223372036.854775807", 9_223_372_036, 854_775_807)]
    #[case("9223372036.854775808", 0, 0)]
    #[case("9223372037", 0, 0)]
    fn times_of_extended_headers(#[case] text: &str, #[case] seconds: i64, #[case] rest: i64) {
        let records = Records::of(&[("mtime", text)]);
        let time = records.time("mtime").unwrap().unwrap();
        assert_eq!((time.tv_sec, time.tv_nsec), (seconds, rest));
    }

    #[rstest]
    #[case("soon")]
    #[case("1.1234567890x")]
    #[case("1.-5")]
    fn what_is_no_time_is_an_error(#[case] text: &str) {
        assert!(Records::of(&[("mtime", text)]).time("mtime").is_err());
    }

    #[rstest]
    #[case("6 a=b\n", Some(("a", "b")))]
    #[case("8 a=b=c\n", Some(("a", "b=c")))]
    #[case("5 a=\n", Some(("a", "")))]
    #[case("8 a=b\nc\n", Some(("a", "b\nc")))]
    #[case("8 a=b\0c\n", Some(("a", "b\0c")))]
    #[case("5 =b\n", None)]
    #[case("5 ab\n", None)]
    #[case("5 a=b\n", None)]
    #[case("7 a=b\n", None)]
    #[case("+6 a=b", None)]
    #[case("8 a\0b=c\n", None)]
    #[case("12 path=a\0b\n", None)]
    #[case("0 ", None)]
    #[case("", None)]
    #[case("18446744073709551615 a=b\n", None)]
    fn records_of_a_header(#[case] text: &str, #[case] expected: Option<(&str, &str)>) {
        let found = first(text.as_bytes()).map(|(record, _)| record);
        let expected = expected.map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_last_of_two_holds() {
        let records = Records::of(&[("uid", "1"), ("gid", "3"), ("uid", "2")]);
        assert_eq!(records.number("uid").unwrap(), Some(2));
        let records = Records::of(&[("uid", "1"), ("uid", "")]);
        assert_eq!(records.number("uid").unwrap(), None);
        assert!(Records::of(&[("uid", "x")]).number("uid").is_err());
    }

    #[test]
    fn attributes_without_a_value_are_none() {
        let records = Records::of(&[
            ("SCHILY.xattr.user.a", "1"),
            ("SCHILY.xattr.user.b", ""),
            ("SCHILY.xattr.user.a", "2"),
        ]);
        assert_eq!(records.attributes(), [("user.a".to_owned(), b"2".to_vec())]);
    }
}
