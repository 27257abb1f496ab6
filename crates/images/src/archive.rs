//! What is where in a tar of an image: an index by names, so that nothing is unpacked.
//!
//! The names are looked up among themselves, and never become paths. It does not know what the members are.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use crate::error::Error;
use crate::limits::Limits;
use crate::section::Section;
use crate::tar_entries::{EntryError, LocatedEntry, TarEntries};

/// How many links are followed from a name to its file.
const MOST_LINKS: usize = 8;

/// Where a file's content is in its archive, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// The files and the links of a tar, by their names.
#[derive(Debug, Default)]
pub(crate) struct Members {
    files: BTreeMap<String, Member>,
    links: BTreeMap<String, String>,
}

impl Members {
    /// Reads all headers of a tar.
    pub(crate) fn read(file: &Arc<File>, place: &str, limits: &Limits) -> Result<Self, Error> {
        let damaged = |why: String| Error::Damaged {
            what: "the archive".to_owned(),
            place: place.to_owned(),
            why,
        };
        let size = file.metadata().map_err(crate::error::io("read", place))?;
        let section = Section::new(Arc::clone(file), 0, size.len());
        let mut entries = TarEntries::new(section, limits);
        let mut members = Self::default();
        loop {
            let entry = match entries.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(members),
                Err(EntryError::Io(error)) => {
                    return Err(Error::of_read(error, "the archive", place));
                }
                Err(error) => return Err(damaged(error.to_string())),
            };
            if members.files.len() + members.links.len() >= limits.members {
                return Err(Error::TooLarge {
                    what: "the archive".to_owned(),
                    place: place.to_owned(),
                    limit: format!("{} files", limits.members),
                });
            }
            members.add(&entry).map_err(damaged)?;
        }
    }

    fn add(&mut self, entry: &LocatedEntry) -> Result<(), String> {
        let Ok(text) = std::str::from_utf8(&entry.path) else {
            return Ok(()); // Nothing in a document names it: documents are UTF-8.
        };
        let name = resolve("", text);
        let is_new = match entry.kind() {
            b'0' | b'\0' | b'7' if !text.ends_with('/') => {
                let (start, size) = (entry.content, entry.size);
                let member = Member { start, size };
                self.files.insert(name.clone(), member).is_none()
            }
            b'1' | b'2' => {
                let target = String::from_utf8_lossy(&entry.link);
                let parent = match entry.kind() {
                    b'2' => name.rsplit_once('/').map_or("", |(parent, _)| parent),
                    _ => "",
                };
                let target = resolve(parent, &target);
                self.links.insert(name.clone(), target).is_none()
            }
            _ => true,
        };
        if is_new {
            return Ok(());
        }
        let name = printable::line(&name).into_owned();
        Err(format!("`{name}` is there twice"))
    }

    /// Finds a file, through a few links.
    pub(crate) fn find(&self, name: &str) -> Option<Member> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
            if let Some(member) = self.files.get(name) {
                return Some(*member);
            }
            name = self.links.get(name)?;
        }
        None
    }
}

/// Returns `path` as seen from the directory `parent`, as a name below the archive's root: `..` does not
/// lead out of it.
pub(crate) fn resolve(parent: &str, path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let parent = if path.starts_with('/') { "" } else { parent };
    for name in parent.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => _ = names.pop(),
            name => names.push(name),
        }
    }
    names.join("/")
}
