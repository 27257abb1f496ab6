//! The file of a ledger: read whole, and appended to.

use std::fs::{DirBuilder, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use documents::{Attempt, Signing};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use state::{Key, Secret, Sum};

use crate::error::Error;

/// The file, in the state directory.
const FILE: &str = "ledger";
/// The first line. Raised when the rest changes its meaning.
const HEADER: &str = "stagex ledger 1\n";
/// What the first line of any version begins with.
const ANY_HEADER: &str = "stagex ledger ";
/// How many bytes a line may have.
const LONGEST: u64 = 16 << 20;

/// How the line of a signing begins; that of an attempt does not.
const OF_SIGNING: &str = "{\"signing\":";

/// The line of a signing.
#[derive(Serialize, Deserialize)]
struct SigningLine<T> {
    signing: T,
}

/// The attempts of one user, and what they have signed.
#[derive(Debug)]
pub struct Ledger {
    path: Utf8PathBuf,
    key: Key,
    file: File,
    attempts: Vec<Attempt>,
    signings: Vec<Signing>,
    /// How far the file has been read, and the proof of the last line.
    end: End,
}

/// Where a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    bytes: u64,
    lines: usize,
    sum: Sum,
}

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// How many attempts were taken.
    pub taken: usize,
    /// How many were there already.
    pub known: usize,
}

impl Ledger {
    /// Opens the ledger in the directory `state`, and makes it if it is not there. What a killed process had begun to
    /// write at its end, and said nobody was recorded, is no part of it.
    ///
    /// # Errors
    ///
    /// It cannot be read, is damaged, or was written by a newer version.
    pub fn open(state: &Utf8Path, secret: &Secret) -> Result<Self, Error> {
        let path = state.join(FILE);
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io {
                action,
                path,
                source,
            }
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(state)
            .map_err(io("create the directory of"))?;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = File::options();
        options.read(true).append(true).create(true).mode(0o600);
        options.custom_flags(flags.bits().cast_signed());
        let file = options.open(&path).map_err(io("open"))?;
        if !file.metadata().map_err(io("open"))?.is_file() {
            let source = io::Error::other("it is not a regular file");
            return Err(io("open")(source));
        }
        let start = End {
            bytes: 0,
            lines: 0,
            sum: Sum::default(),
        };
        let mut ledger = Self {
            path: path.clone(),
            key: secret.key("ledger"),
            file,
            attempts: Vec::new(),
            signings: Vec::new(),
            end: start,
        };
        ledger.refresh()?;
        Ok(ledger)
    }

    /// Returns its path.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns all attempts, in the order in which they were recorded.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Returns all that was signed, in the order in which it was.
    pub fn signings(&self) -> &[Signing] {
        &self.signings
    }

    /// Reads what others have added meanwhile.
    ///
    /// # Errors
    ///
    /// It cannot be read, or what is there is not what was written.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let locked = self.file.lock_shared();
        locked.map_err(|source| self.io("lock", source))?;
        let read = self.read();
        let unlocked = self.file.unlock();
        read?;
        unlocked.map_err(|source| self.io("unlock", source))
    }

    /// Adds attempts, all or none of them; when it returns they are on the disk. What others have added meanwhile is
    /// read first.
    ///
    /// # Errors
    ///
    /// It cannot be written, or what is there is not what was written.
    pub fn append(&mut self, attempts: &[Attempt]) -> Result<(), Error> {
        let line = |attempt| serde_json::to_string(attempt).expect("an attempt is JSON");
        self.append_lines(attempts.iter().map(line))?;
        self.attempts.extend_from_slice(attempts);
        Ok(())
    }

    /// Adds what was signed, as [`append`](Self::append) does.
    ///
    /// # Errors
    ///
    /// As for [`append`](Self::append).
    pub fn append_signing(&mut self, signing: &Signing) -> Result<(), Error> {
        let line = serde_json::to_string(&SigningLine { signing }).expect("a signing is JSON");
        self.append_lines(std::iter::once(line))?;
        self.signings.push(signing.clone());
        Ok(())
    }

    fn append_lines(&mut self, lines: impl Iterator<Item = String>) -> Result<(), Error> {
        self.file.lock().map_err(|source| self.io("lock", source))?;
        let written = self.append_locked(lines);
        let unlocked = self.file.unlock();
        written?;
        unlocked.map_err(|source| self.io("unlock", source))
    }

    /// Adds what somebody else exported, under a name for whoever that is. What is there already is left out; none of it
    /// counts as an attempt of this machine.
    ///
    /// # Errors
    ///
    /// As for [`append`](Self::append).
    pub fn import(&mut self, attempts: Vec<Attempt>, whose: &str) -> Result<Imported, Error> {
        let all = attempts.len();
        let named = attempts.into_iter().map(|mut attempt| {
            // Who had it from somebody else says so.
            let of = attempt.machine.whose.take();
            attempt.machine.whose = Some(match of {
                Some(other) => format!("{other}, by {whose}"),
                None => whose.to_owned(),
            });
            attempt
        });
        let new: Vec<Attempt> = named
            .filter(|attempt| !self.attempts.contains(attempt))
            .collect();
        self.append(&new)?;
        Ok(Imported {
            taken: new.len(),
            known: all - new.len(),
        })
    }

    fn append_locked(&mut self, lines: impl Iterator<Item = String>) -> Result<(), Error> {
        self.read()?;
        let mut text = String::new();
        let mut end = self.end;
        if end.bytes == 0 {
            text.push_str(HEADER);
            end.lines = 1;
        }
        for json in lines {
            let (line, sum) = self.key.seal(&end.sum, &json);
            text.push_str(&line);
            end.lines += 1;
            end.sum = sum;
        }
        let before = self.end.bytes;
        end.bytes = before + text.len() as u64;
        // What a killed process had begun to write.
        let written = self
            .file
            .set_len(before)
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // A part of it may be there: the disk was full.
            let _ = self.file.set_len(before);
            return Err(self.io("write", source));
        }
        self.end = end;
        Ok(())
    }

    /// Reads on from where it was read before.
    fn read(&mut self) -> Result<(), Error> {
        let length = self.file.metadata();
        let length = length.map_err(|source| self.io("read", source))?.len();
        if length < self.end.bytes {
            return Err(self.damaged("lines that were there are gone"));
        }
        let mut file = &self.file;
        let sought = file.seek(SeekFrom::Start(self.end.bytes));
        sought.map_err(|source| self.io("read", source))?;
        let mut reader = BufReader::with_capacity(1 << 16, file.take(length - self.end.bytes));
        let (mut end, mut attempts, mut signings) = (self.end, Vec::new(), Vec::new());
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST).read_line(&mut line);
            let read = match read {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.damaged_at(end.lines, "it is not text"));
                }
                Err(source) => return Err(self.io("read", source)),
            };
            let Some(text) = line.strip_suffix('\n') else {
                if read as u64 == LONGEST {
                    return Err(self.damaged_at(end.lines, "the line is too long"));
                }
                // The end of the file, or a line that was never finished.
                break;
            };
            if end.lines == 0 {
                if line != HEADER {
                    return Err(if line.starts_with(ANY_HEADER) {
                        self.newer(0)
                    } else {
                        self.damaged_at(0, "it does not begin as a ledger does")
                    });
                }
            } else {
                let Some((json, sum)) = self.key.open(&end.sum, text) else {
                    let what = "the line is not the one that was written after the line above it";
                    return Err(self.damaged_at(end.lines, what));
                };
                // It is proven, so that this version wrote it or a newer one.
                let newer = |_| self.newer(end.lines);
                if json.starts_with(OF_SIGNING) {
                    let line: SigningLine<Signing> = serde_json::from_str(json).map_err(newer)?;
                    signings.push(line.signing);
                } else {
                    attempts.push(serde_json::from_str(json).map_err(newer)?);
                }
                end.sum = sum;
            }
            end.lines += 1;
            end.bytes += read as u64;
        }
        drop(reader);
        self.attempts.append(&mut attempts);
        self.signings.append(&mut signings);
        self.end = end;
        Ok(())
    }

    fn io(&self, action: &'static str, source: io::Error) -> Error {
        let path = self.path.clone();
        Error::Io {
            action,
            path,
            source,
        }
    }

    fn damaged(&self, what: &'static str) -> Error {
        self.damaged_at(self.end.lines, what)
    }

    fn damaged_at(&self, lines: usize, what: &'static str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            line: lines + 1,
            what,
        }
    }

    fn newer(&self, lines: usize) -> Error {
        Error::Newer {
            path: self.path.clone(),
            line: lines + 1,
        }
    }
}

/// Returns attempts as they are handed on: one as JSON in each line.
pub fn export(attempts: &[Attempt]) -> String {
    let line = |attempt: &Attempt| {
        let json = serde_json::to_string(attempt).expect("an attempt is JSON");
        format!("{json}\n")
    };
    attempts.iter().map(line).collect()
}

/// Reads what somebody exported: an attempt as JSON in each line. `path` is what it is called in errors.
///
/// # Errors
///
/// The line that is no attempt.
pub fn read_export(text: &str, path: &Utf8Path) -> Result<Vec<Attempt>, Error> {
    let lines = text.lines().enumerate();
    let attempt = |(place, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|source| Error::NoExport {
            path: path.to_owned(),
            line: place + 1,
            source,
        })
    };
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(attempt)
        .collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
