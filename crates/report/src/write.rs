//! Writing a report: all of it is there, or nothing of it. It replaces an earlier report, and nothing else.

use std::io::{self, Write as _};

use beneath::{Directory, Kind};
use camino::{Utf8Path, Utf8PathBuf};
use documents::Report;
use rustix::fs::RenameFlags;

use crate::site::Site;

/// The file that says what a report says.
const REPORT: &str = "report.json";
/// What is in a report besides.
const FILES: [&str; 7] = [
    REPORT,
    "badge.svg",
    "feed.atom",
    "feed.json",
    "graph.html",
    "index.html",
    "run.html",
];
const DIRECTORIES: [&str; 2] = ["diff", "package"];

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What is there is no report.
    #[error("{path} is not a report of stagex: {why}")]
    Foreign {
        /// The directory.
        path: Utf8PathBuf,
        /// What it has, or has not.
        why: String,
    },
    /// It cannot be read or written.
    #[error("cannot write the report {path}")]
    Write {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Returns the report that is called `name` in `parent`, if one is there. An empty directory is none.
///
/// # Errors
///
/// Anything else that is there: it is not ours to replace.
pub fn previous(parent: &Directory, name: &Utf8Path) -> Result<Option<Report>, WriteError> {
    let path = parent.path().join(name);
    let foreign = |why: String| WriteError::Foreign {
        path: path.clone(),
        why,
    };
    let failed = |source| WriteError::Write {
        path: path.clone(),
        source,
    };
    let Some(there) = parent.metadata(name).map_err(failed)? else {
        return Ok(None);
    };
    if !there.is_dir() {
        return Err(foreign("it is not a directory".to_owned()));
    }
    let directory = parent.directory(name).map_err(failed)?;
    let entries = directory.entries().map_err(failed)?;
    if entries.is_empty() {
        return Ok(None);
    }
    for entry in &entries {
        let is_known = match entry.kind {
            Kind::File => FILES.contains(&entry.name.as_str()),
            Kind::Directory => DIRECTORIES.contains(&entry.name.as_str()),
            Kind::Link | Kind::Other => false,
        };
        if !is_known {
            return Err(foreign(format!(
                "it has `{}`",
                printable::line(&entry.name)
            )));
        }
        if entry.kind == Kind::Directory {
            let below = directory
                .directory(Utf8Path::new(&entry.name))
                .map_err(failed)?;
            let is_page = |each: &beneath::DirEntry| {
                each.kind == Kind::File
                    && each
                        .name
                        .rsplit_once('.')
                        .is_some_and(|(_, end)| end == "html")
            };
            let entries = below.entries().map_err(failed)?;
            if let Some(other) = entries.iter().find(|each| !is_page(each)) {
                let other = printable::line(&other.name);
                return Err(foreign(format!("it has `{}/{other}`", entry.name)));
            }
        }
    }
    let text = directory.read_text(REPORT.into(), beneath::DOCUMENT);
    let text = text.map_err(|error| foreign(format!("its {REPORT} cannot be read: {error}")))?;
    let read = serde_json::from_str(&text);
    read.map(Some)
        .map_err(|error| foreign(format!("its {REPORT} is not one: {error}")))
}

/// Writes a report as `name` in `parent`. What [`previous`] does not refuse is replaced.
pub fn write(
    parent: &Directory,
    name: &Utf8Path,
    report: &Report,
    site: &Site,
) -> Result<(), WriteError> {
    let was_there = match previous(parent, name)? {
        Some(_) => true,
        None => parent.metadata(name).ok().flatten().is_some(),
    };
    let beside = Utf8PathBuf::from(format!(".{name}.{}.new", std::process::id()));
    let written = fill(parent, &beside, report, site).and_then(|()| {
        let flags = if was_there {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::NOREPLACE
        };
        rustix::fs::renameat_with(parent, beside.as_str(), parent, name.as_str(), flags)?;
        Ok(())
    });
    // What is there now is what was replaced, or what could not be written.
    let removed = parent.remove(&beside);
    let path = parent.path().join(name);
    written
        .and(removed)
        .map_err(|source| WriteError::Write { path, source })
}

fn fill(parent: &Directory, name: &Utf8Path, report: &Report, site: &Site) -> io::Result<()> {
    parent.remove(name)?;
    let directory = parent.new_directory(name)?;
    for below in DIRECTORIES {
        directory.new_directory(below.into())?;
    }
    for (path, text) in site {
        directory
            .new_file(path.as_str().into())?
            .write_all(text.as_bytes())?;
    }
    let text = serde_json::to_string_pretty(report).map_err(io::Error::other)? + "\n";
    directory
        .new_file(REPORT.into())?
        .write_all(text.as_bytes())
}
