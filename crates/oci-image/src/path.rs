//! The name of a file in an image, and the order that layers are written in.
//!
//! It knows what a name may look like. It does not know what is there.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest path, in bytes, that Linux takes in a system call, less the NUL at its end.
pub(crate) const LONGEST_PATH: usize = 4095;

/// A path below an image's root: names without `.`, `..` or NUL, parted by single slashes, with
/// none at the beginning or the end. The empty path is the root. Any bytes; UTF-8 is not needed.
///
/// Paths are ordered as a walk meets them: a directory, then what is in it by the bytes of the
/// names, then the directory's next sibling. (`a`, `a/b`, `a-b`: a slash comes before all else.)
#[derive(Clone, PartialEq, Eq)]
pub struct TreePath(Arc<[u8]>);

/// Why some bytes are not a path below a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It begins with a slash.
    #[error("is absolute; expected a path relative to the image's root")]
    Absolute,
    /// It has a `..`.
    #[error("contains `..`; expected a path below the image's root")]
    Climbs,
    /// It is longer than Linux allows.
    #[error("is {0} bytes long; Linux allows {LONGEST_PATH}")]
    TooLong(usize),
    /// It has a NUL byte.
    #[error("has a NUL byte")]
    Nul,
}

impl TreePath {
    /// Returns the root.
    pub fn root() -> Self {
        Self(Arc::new([]))
    }

    /// Reads a path as archives have it: `./` at the beginning, `.` and repeated slashes between
    /// names and slashes at the end do not count.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPath> {
        if bytes.first() == Some(&b'/') {
            return Err(InvalidPath::Absolute);
        }
        if bytes.len() > LONGEST_PATH {
            return Err(InvalidPath::TooLong(bytes.len()));
        }
        if bytes.contains(&0) {
            return Err(InvalidPath::Nul);
        }
        let mut path = Vec::with_capacity(bytes.len());
        for name in bytes.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(InvalidPath::Climbs),
                name => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(name);
                }
            }
        }
        Ok(Self(path.into()))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last name; nothing for the root.
    pub fn name(&self) -> &[u8] {
        match self.last_slash() {
            Some(at) => &self.0[at + 1..],
            None => &self.0,
        }
    }

    /// Returns the directory that it is in; the root is in none.
    pub fn parent(&self) -> Option<Self> {
        match self.last_slash() {
            _ if self.is_root() => None,
            Some(at) => Some(Self(self.0[..at].into())),
            None => Some(Self::root()),
        }
    }

    /// Returns the directories above it from the nearest up, the root not included.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent).take_while(|path| !path.is_root())
    }

    /// Returns the path of `name` in this directory. The name has no slash.
    pub(crate) fn child(&self, name: &[u8]) -> Self {
        let mut path = self.0.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path.into())
    }

    /// Returns whether it is somewhere below `directory`.
    pub fn is_below(&self, directory: &Self) -> bool {
        match self.0.strip_prefix(&*directory.0) {
            Some(rest) if directory.is_root() => !rest.is_empty(),
            Some(rest) => rest.first() == Some(&b'/'),
            None => false,
        }
    }

    fn last_slash(&self) -> Option<usize> {
        self.0.iter().rposition(|byte| *byte == b'/')
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |byte| if byte == b'/' { 0 } else { byte };
        let common = self.0.iter().zip(&*other.0).take_while(|(a, b)| a == b);
        let at = common.count();
        match (self.0.get(at), other.0.get(at)) {
            // No name has a NUL, so that it can stand for the slash.
            (Some(a), Some(b)) => rank(*a).cmp(&rank(*b)),
            _ => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TreePath {
    /// Shows bytes that are not printable as escapes, so that a name cannot disturb a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        show_bytes(&self.0, f)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Writes `bytes` as text, with escapes for what is not printable.
pub(crate) fn show_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if printable::is_printable(character) {
                write!(f, "{character}")?;
            } else {
                write!(f, "{}", character.escape_default())?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    #[rstest]
    #[case("a", "a")]
    #[case("./a/b/", "a/b")]
    #[case("a//./b", "a/b")]
    #[case("./", "/")]
    #[case("", "/")]
    #[case("...", "...")]
    fn names_of_archives_are_read(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(path(text).to_string(), shown);
    }

    #[rstest]
    #[case(b"/etc", InvalidPath::Absolute)]
    #[case(b"a/../b", InvalidPath::Climbs)]
    #[case(b"..", InvalidPath::Climbs)]
    #[case(b"a\0b", InvalidPath::Nul)]
    #[case(&[b'a'; 4096], InvalidPath::TooLong(4096))]
    fn what_climbs_out_is_refused(#[case] bytes: &[u8], #[case] why: InvalidPath) {
        assert_eq!(TreePath::parse(bytes), Err(why));
    }

    #[test]
    fn the_order_is_that_of_a_walk() {
        let walk = [
            "", "A", "a", "a/x", "a/x/y", "a/y", "a\u{1}", "a-b", "a.d", "é",
        ];
        let mut sorted: Vec<_> = walk.iter().map(|text| path(text)).collect();
        sorted.reverse();
        sorted.sort();
        let shown: Vec<_> = sorted.iter().map(TreePath::as_bytes).collect();
        assert_eq!(shown, walk.map(str::as_bytes));
    }

    #[test]
    fn directories_are_found() {
        let deep = path("a/b/c");
        assert_eq!(deep.name(), b"c");
        let above: Vec<_> = deep.ancestors().collect();
        assert_eq!(above, [path("a/b"), path("a")]);
        assert!(deep.is_below(&path("a")) && deep.is_below(&TreePath::root()));
        assert!(!path("ab").is_below(&path("a")) && !path("a").is_below(&path("a")));
        assert!(!TreePath::root().is_below(&TreePath::root()));
        assert_eq!(path("a/b").child(b"c"), deep);
        assert_eq!(TreePath::root().child(b"c"), path("c"));
        assert_eq!(TreePath::root().parent(), None);
    }

    #[test]
    fn strange_bytes_are_shown_as_escapes() {
        let strange = TreePath::parse(b"a\n\x1b[0m\xff\xc3\xa9").unwrap();
        assert_eq!(strange.to_string(), "a\\n\\u{1b}[0m\\xffé");
    }
}
