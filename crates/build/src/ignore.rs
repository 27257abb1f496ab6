//! `.dockerignore`: which files of a context no COPY finds. `BuildKit` leaves them out before a build
//! begins, whatever its COPYs say, and so does this for every engine.
//!
//! It knows the list. It does not walk through directories.

use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use patterns::{Below, Filter};

use crate::error::Error;
use crate::listing::{self, ContextFile};
use state::IoContext as _;

/// The list, in the context's directory; and what its name ends with beside a Containerfile, where it is
/// of the builds of that alone.
const LIST: &str = ".dockerignore";
/// The name of one that Docker does not know of.
const OTHER: &str = ".containerignore";

/// What of a context is left out.
#[derive(Debug)]
pub(crate) struct Ignored(Option<Filter>);

impl Ignored {
    /// Reads the list of a context, whose files these are; of the builds of a Containerfile, if one is given.
    pub(crate) fn of(
        directory: &Utf8Path,
        files: &[ContextFile],
        containerfile: Option<&Utf8Path>,
    ) -> Result<Self, Error> {
        let other = directory.join(OTHER);
        if other.exists() {
            return Err(Error::ForeignList { path: other });
        }
        let own = containerfile.map(|path| Utf8PathBuf::from(format!("{path}{LIST}")));
        for path in own.into_iter().chain([directory.join(LIST)]) {
            let within = path.strip_prefix(directory).ok();
            // What is in the directory, and none of its files, is not declared.
            if within.is_some_and(|within| files.iter().all(|file| file.path != within)) {
                continue;
            }
            let text = match text(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.at("read", &path)?,
            };
            listing::check(files, within.unwrap_or(&path), &text)?;
            return parse(&text, &path).map(Self);
        }
        Ok(Self(None))
    }

    /// Tells whether a path of the context is left out.
    pub(crate) fn has(&self, path: &Utf8Path) -> bool {
        let Some(filter) = &self.0 else {
            return false;
        };
        let (mut stays, mut below) = (true, Below::default());
        for name in path {
            (stays, below) = filter.step(&below, name.as_bytes());
        }
        !stays
    }
}

/// Reads a list. What is wrong with one is said with its lines, so no link is followed to it.
fn text(path: &Utf8Path) -> io::Result<String> {
    let name = path.file_name().unwrap_or_default();
    let directory = Directory::open(path.parent().unwrap_or(path))?;
    directory.read_text(name.into(), beneath::TEXT)
}

fn parse(text: &str, path: &Utf8Path) -> Result<Option<Filter>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut patterns = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with('#') {
            continue;
        }
        let pattern = [plain(text)];
        Filter::new(None, &pattern).map_err(|source| Error::BadPattern {
            path: path.to_owned(),
            line,
            source,
        })?;
        patterns.extend(pattern);
    }
    // Each of them was taken by itself.
    Ok(Filter::new(None, &patterns).unwrap_or_default())
}

/// Returns a line's pattern from the context's directory on: a slash at its beginning says nothing more.
fn plain(line: &str) -> String {
    let (sign, pattern) = match line.trim().strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line.trim()),
    };
    let pattern = match pattern.trim_start_matches('/') {
        "" => pattern,
        rest => rest,
    };
    format!("{sign}{pattern}")
}

#[cfg(test)]
mod tests;
