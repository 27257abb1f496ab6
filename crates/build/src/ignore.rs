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
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;
    use crate::listing::{Foreign, list_context};

    /// Reads the list for what is in a directory.
    fn of(directory: &Utf8Path, containerfile: Option<&Utf8Path>) -> Result<Ignored, Error> {
        let opened = Directory::open(directory).unwrap();
        let files = list_context(&opened, Foreign::Fetch).unwrap();
        Ignored::of(directory, &files, containerfile)
    }

    fn ignored(list: &str) -> Ignored {
        Ignored(parse(list, Utf8Path::new("list")).unwrap())
    }

    #[rstest]
    #[case("secret", "secret", true)]
    #[case("secret", "sub/secret", false)]
    #[case("/secret", "secret", true)]
    #[case("  secret/  ", "secret/key", true)]
    #[case("\u{feff}secret", "secret", true)]
    #[case("# secret\nother", "secret", false)]
    #[case("*\n!kept", "kept", false)]
    #[case("*\n! /kept", "kept", false)]
    #[case("*\n!kept", "other", true)]
    #[case("sub\r\n!sub/kept\r\n", "sub/kept/file", false)]
    #[case("**/*.o", "a/b/c.o", true)]
    #[case("\n\n", "a", false)]
    fn what_is_left_out(#[case] list: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(ignored(list).has(Utf8Path::new(path)), expected);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = parse("good\n\n[bad\n", Utf8Path::new("x/.dockerignore")).unwrap_err();
        assert!(
            error.to_string().starts_with("x/.dockerignore:3: `[bad`"),
            "{error}"
        );
    }

    #[rstest]
    #[case::device("/dev/zero")]
    #[case::secret("../secret")]
    fn no_link_is_followed_to_a_list(#[case] target: &str) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        fs::create_dir(directory.join("context")).unwrap();
        fs::write(directory.join("secret"), "[hash").unwrap();
        std::os::unix::fs::symlink(target, directory.join("context/.dockerignore")).unwrap();
        let error = of(&directory.join("context"), None).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("is a symbolic link") && !source.contains("hash"),
            "{source}"
        );
    }

    #[test]
    fn the_list_of_a_containerfile_is_the_nearer_one() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let containerfile = directory.join("Containerfile");
        let near = || of(directory, Some(&containerfile)).unwrap();
        assert!(!near().has(Utf8Path::new("a")));
        fs::write(directory.join(LIST), "a").unwrap();
        assert!(near().has(Utf8Path::new("a")));
        fs::write(directory.join("Containerfile.dockerignore"), "b").unwrap();
        assert!(!near().has(Utf8Path::new("a")));
        assert!(near().has(Utf8Path::new("b")));
        fs::write(directory.join(OTHER), "").unwrap();
        let error = of(directory, None).unwrap_err();
        assert!(error.hint().unwrap().contains(LIST), "{error}");
    }
}
