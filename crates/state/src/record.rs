//! Up to date means content: what a package's image is a function of, written down, hashed,
//! and compared with what was written down when it was last built.
//!
//! The runtime is not part of it: every runtime gives the same image.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use camino::Utf8Path;
use documents::RecordedSeed;
use oci_image::{Digest, Profile};
use sha2::{Digest as _, Sha256};

use crate::directories::{Directories, RECORDS, record_file};
use crate::error::{Error, IoContext};
use crate::proof::Purpose;

/// Everything that a package's image is a function of: one line for each input, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    lines: String,
}

impl Inputs {
    /// Adds an input. Names and values may hold anything: they are quoted.
    pub fn add(&mut self, kind: &str, name: &str, value: &str) {
        let _ = writeln!(self.lines, "{kind} {name:?} {value:?}");
    }

    /// Adds all inputs of `others`, in their order.
    pub fn extend(&mut self, others: &Self) {
        self.lines.push_str(&others.lines);
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the values of all inputs by kind and name. What stands in a record that somebody
    /// changed by hand may be left out.
    pub fn by_name(&self) -> BTreeMap<(String, String), String> {
        let input = |line: &str| {
            let (kind, rest) = line.split_once(' ')?;
            let (name, rest) = unquote(rest)?;
            let (value, _) = unquote(rest.trim_start())?;
            Some(((kind.to_owned(), name), value))
        };
        self.lines.lines().filter_map(input).collect()
    }

    /// Returns the sha256 over the name of the encoding and all inputs, in hex.
    pub fn key(&self, profile: &Profile) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{profile}\n"));
        hasher.update(&self.lines);
        printable::hex(&hasher.finalize())
    }
}

/// Reads a quoted text, and returns it with what stands behind it. Of escapes only those of quotes
/// and backslashes are taken back: it is for people.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut escaped = false;
    for (place, c) in text.strip_prefix('"')?.char_indices() {
        match c {
            '"' if !escaped => return Some((found, &text[place + 2..])),
            '\\' if !escaped => escaped = true,
            _ => {
                if escaped && !matches!(c, '"' | '\\') {
                    found.push('\\');
                }
                found.push(c);
                escaped = false;
            }
        }
    }
    None
}

/// What is remembered of a package's last build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key of its inputs.
    pub key: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The runtime that built it. For people; nothing decides by it.
    pub runtime: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Its inputs, for people who ask what has changed. Decisions are made by the key.
    pub inputs: Inputs,
    /// The seeds that gave it, each by a build of its own; none of most packages.
    pub seeds: Vec<RecordedSeed>,
}

/// What is found where a package's record should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredRecord {
    /// Nothing.
    Absent,
    /// Something that was not written here by this user, or not as it is: a copy, for example. It is as
    /// if it were not there: the package is built again, and nothing is lost.
    Unproven,
    /// The record.
    Record(Box<Record>),
}

impl StoredRecord {
    /// Returns the record, if it is one.
    pub fn record(self) -> Option<Record> {
        match self {
            Self::Record(record) => Some(*record),
            Self::Absent | Self::Unproven => None,
        }
    }
}

impl Record {
    /// Reads the record of the package `name`.
    pub fn read(directories: &Directories, name: &str) -> Result<StoredRecord, Error> {
        let Some(records) = directories.open_records()? else {
            return Ok(StoredRecord::Absent);
        };
        let file = record_file(name);
        let text = match records.read_text(file.as_str().into(), beneath::DOCUMENT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(StoredRecord::Absent);
            }
            // It is a symbolic link, or no file: another one takes its place.
            Err(error) if beneath::problem(&error).is_some() => return Ok(StoredRecord::Unproven),
            Err(error) => return Err(error).at("read", &directories.record(name)),
        };
        let proof = directories.proof();
        let record = proof.open(Purpose::Record, name, &text);
        let record = record.and_then(|text| serde_json::from_str(text).ok());
        let record = record.and_then(Self::of_document).map(Box::new);
        Ok(record.map_or(StoredRecord::Unproven, StoredRecord::Record))
    }

    /// Removes the record of the package `name`, so that it is built again.
    pub fn remove(directories: &Directories, name: &str) -> Result<(), Error> {
        let Some(records) = directories.open_records()? else {
            return Ok(());
        };
        match records.remove(record_file(name).as_str().into()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", &directories.record(name)),
        }
    }

    /// Writes the record of the package `name`.
    pub fn write(&self, directories: &Directories, name: &str) -> Result<(), Error> {
        let mut text =
            serde_json::to_string_pretty(&self.document()).expect("a record is plain data");
        text.push('\n');
        let path = Utf8Path::new(RECORDS).join(record_file(name));
        let text = directories.proof().seal(Purpose::Record, name, &text);
        directories.write_own(&path, text.as_bytes())
    }

    /// Returns it as it is written.
    fn document(&self) -> documents::Record {
        documents::Record {
            version: documents::Version,
            key: self.key.clone(),
            digest: self.digest.into(),
            runtime: self.runtime.clone(),
            milliseconds: self.milliseconds,
            inputs: self.inputs.lines.clone(),
            seeds: self.seeds.clone(),
        }
    }

    /// Returns what is written in a document, if it can be understood.
    fn of_document(document: documents::Record) -> Option<Self> {
        Some(Self {
            key: document.key,
            digest: document.digest.as_str().parse().ok()?,
            runtime: document.runtime,
            milliseconds: document.milliseconds,
            inputs: Inputs {
                lines: document.inputs,
            },
            seeds: document.seeds,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8Path;

    use super::{Directories, Inputs, Profile, Record, RecordedSeed, StoredRecord};
    use crate::directories::Access;

    fn record(inputs: Inputs) -> Record {
        Record {
            key: inputs.key(Profile::STAGEX_2026),
            digest: oci_image::Digest::of(b"image"),
            runtime: "docker".to_owned(),
            milliseconds: 1,
            inputs,
            seeds: vec![RecordedSeed {
                name: "one".to_owned(),
                hash: "0".repeat(64),
            }],
        }
    }

    #[test]
    fn only_what_was_written_here_of_the_package_itself_is_its_record() {
        let temporary = tempfile::tempdir().unwrap();
        let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
        let read = |name| Record::read(&directories, name).unwrap();
        assert_eq!(read("core-a"), StoredRecord::Absent);
        let nobody = &mut |_| panic!("nobody else holds the lock");
        drop(directories.open(Access::Alone, nobody).unwrap());
        assert_eq!(read("core-a"), StoredRecord::Absent);
        Record::remove(&directories, "core-a").unwrap();
        let record = record(Inputs::default());
        record.write(&directories, "core-a").unwrap();
        let written = StoredRecord::Record(Box::new(record.clone()));
        assert_eq!(read("core-a"), written);
        assert_eq!(read("core-b"), StoredRecord::Absent);

        let [one, other] = ["core-a", "core-b"].map(|name| directories.record(name));
        fs::copy(&one, &other).unwrap();
        assert_eq!(read("core-b"), StoredRecord::Unproven);
        fs::remove_file(&other).unwrap();
        std::os::unix::fs::symlink(&one, &other).unwrap();
        assert_eq!(read("core-b"), StoredRecord::Unproven);
        record.write(&directories, "core-b").unwrap();
        assert_eq!(read("core-b"), written);
        assert_eq!(read("core-a"), written);

        fs::write(&one, [0xff]).unwrap();
        assert_eq!(read("core-a"), StoredRecord::Unproven);
        Record::remove(&directories, "core-a").unwrap();
        assert_eq!(read("core-a"), StoredRecord::Absent);
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_and_so_does_one_without_a_version() {
        let mut inputs = Inputs::default();
        inputs.add("argument", "a", "b");
        let record = record(inputs);
        let text = serde_json::to_string(&record.document()).unwrap();
        let without = text.replacen("\"version\":1,", "", 1);
        let other = text.replacen("\"version\":1,", "\"version\":2,", 1);
        assert!(without != text && other != text, "{text}");
        let read = |text: &str| Record::of_document(serde_json::from_str(text).ok()?);
        assert_eq!(read(&text).as_ref(), Some(&record));
        assert_eq!(read(&without).as_ref(), Some(&record));
        assert_eq!(read(&other), None);
    }

    #[test]
    fn inputs_cannot_be_confused_with_one_another() {
        let key = |pairs: &[(&str, &str)]| {
            let mut inputs = Inputs::default();
            for (name, value) in pairs {
                inputs.add("argument", name, value);
            }
            inputs.key(Profile::STAGEX_2026)
        };
        assert_eq!(key(&[("a", "b")]), key(&[("a", "b")]));
        assert_ne!(key(&[("a", "b\" \"c")]), key(&[("a\" \"b", "c")]));
        assert_ne!(
            key(&[("a", "b"), ("c", "d")]),
            key(&[("c", "d"), ("a", "b")])
        );
        assert_ne!(
            key(&[("a", "b\nargument \"c\" \"d\"")]),
            key(&[("a", "b"), ("c", "d")])
        );
    }
}
