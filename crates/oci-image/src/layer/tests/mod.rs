//! Layers as text, for tests: what an engine recorded goes in, what a canonical layer records
//! comes out, one entry a line.
//!
//! ```text
//! d etc 755 @5            a directory, its mode, its time in seconds
//! f etc/motd 644 @5 hi    a file and its content, which may be left out
//! l lib 777 @5 usr/lib    a symbolic link
//! p pipe 644 @5           a named pipe
//! h etc/issue etc/motd    another name for a file
//! w etc/hosts             a deletion
//! o etc                   a directory that hides what was in it
//! ```

mod changes;
mod headers;
mod hostile;
mod leftovers;
mod made;

use std::fs::File;
use std::io::{Seek, Write};

use tar::{Builder, EntryType, Header};

use super::archive::Archive;
use super::compare::Comparison;
use super::error::Problem;
use super::event::Event;
use super::leftover::Leftover;
use super::means::Means;
use super::normalise::{Normalised, find_changes};
use super::record::{Change, Record};
use super::tree::Tree;
use crate::entry::Kind;

/// The time to which images of these tests are clamped.
const EPOCH: i64 = 1;

/// Returns the layer of `text` as a tar.
fn tar_of(text: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split(' ').collect();
        let mut header = Header::new_gnu();
        header.set_size(0);
        let (mut name, mut link, mut content) = (words[1].to_owned(), None, "");
        if let [_, _, mode, time, rest @ ..] = words.as_slice() {
            header.set_mode(u32::from_str_radix(mode, 8).unwrap());
            header.set_mtime(time.strip_prefix('@').unwrap().parse().unwrap());
            content = rest.first().copied().unwrap_or_default();
        }
        header.set_entry_type(match words[0] {
            "d" => EntryType::Directory,
            "f" => EntryType::Regular,
            "p" => EntryType::Fifo,
            "l" => {
                link = Some(std::mem::take(&mut content));
                EntryType::Symlink
            }
            "h" => {
                link = Some(words[2]);
                EntryType::Link
            }
            "w" => {
                let at = name.rfind('/').map_or(0, |at| at + 1);
                name.insert_str(at, ".wh.");
                EntryType::Regular
            }
            "o" => {
                name.push_str("/.wh..wh..opq");
                EntryType::Regular
            }
            other => panic!("no kind of entry: {other}"),
        });
        header.set_size(content.len() as u64);
        match link {
            Some(link) => builder.append_link(&mut header, name, link).unwrap(),
            None => builder
                .append_data(&mut header, name, content.as_bytes())
                .unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

/// Returns bytes as a file that can be read by offset.
fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn archive_of(text: &str, means: Means) -> Archive {
    Archive::index(file_of(&tar_of(text)), means).unwrap()
}

/// Returns records as text.
fn text_of(records: &[Record]) -> String {
    let mut text = String::new();
    for Record { path, change } in records {
        let line = match change {
            Change::Delete => format!("w {path}"),
            Change::Link { leader, .. } => format!("h {path} {leader}"),
            Change::Put(inode) => {
                let (kind, rest) = match &inode.kind {
                    Kind::Directory => ("d", String::new()),
                    Kind::Fifo => ("p", String::new()),
                    Kind::Symlink { target } => ("l", String::from_utf8(target.to_vec()).unwrap()),
                    Kind::File { size, content } => {
                        let mut bytes = Vec::new();
                        content.write_to(*size, &mut bytes).unwrap();
                        ("f", String::from_utf8(bytes).unwrap())
                    }
                    other => panic!("no such entry is in these tests: {other}"),
                };
                let (mode, time) = (inode.mode, inode.modified.seconds);
                format!("{kind} {path} {mode:o} @{time} {rest}")
                    .trim_end()
                    .to_owned()
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns lines without what only indents them.
fn lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What is below the layer that a test is about.
#[derive(Default)]
struct Below {
    tree: Tree,
}

impl Below {
    /// A base image of one layer.
    fn imported(text: &str) -> Self {
        let mut below = Self::default();
        below
            .tree
            .import(Archive::digest(tar_of(text).as_slice()).unwrap());
        below
    }

    /// The same with a layer of this build on top.
    fn and_built(mut self, text: &str) -> Self {
        let built = self.try_normalise(text, Means::Run, &[]).unwrap();
        self.tree.apply(&built.records);
        self
    }

    fn try_normalise(
        &self,
        text: &str,
        means: Means,
        leftovers: &[Leftover],
    ) -> Result<Normalised, Problem> {
        let comparison = Comparison {
            lower: &self.tree,
            means,
            epoch: EPOCH,
        };
        find_changes(archive_of(text, means), &comparison, leftovers)
    }

    /// Returns what a RUN that touched `text` changed.
    fn run(&self, text: &str) -> String {
        text_of(&self.try_normalise(text, Means::Run, &[]).unwrap().records)
    }
}
