//! A path within a tree: absolute, without `.`, `..` or repeated slashes, in any bytes. Knows no
//! files: whether there is something, and whether a part of it is a link, is for [`crate::Tree`].

use std::fmt;

use rustix::io::Errno;

use crate::error::shown;

/// How many bytes the kernel takes for a path, of which one ends it.
pub(crate) const LONGEST: usize = 4096;

/// A path within a tree, `/` being its root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<u8>);

impl Place {
    /// Returns the tree's root.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads a path from the root on. `..` at the root is the root.
    pub fn new(path: impl AsRef<[u8]>) -> Self {
        let mut place = Self::root();
        for name in path.as_ref().split(|byte| *byte == b'/') {
            place.step(name);
        }
        place
    }

    /// Goes on by one name of a path.
    pub(crate) fn step(&mut self, name: &[u8]) {
        match name {
            b"" | b"." => {}
            b".." => self.0.truncate(self.parent_length()),
            name => {
                self.0.push(b'/');
                self.0.extend_from_slice(name);
            }
        }
    }

    /// Returns the place with one more name.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut place = self.clone();
        place.step(name);
        place
    }

    /// Returns the directory that it is in; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.parent_length()].to_vec())
    }

    /// Returns its last name; the root has none.
    pub fn name(&self) -> Option<&[u8]> {
        if self.0.is_empty() {
            return None;
        }
        Some(&self.0[self.parent_length() + 1..])
    }

    /// Returns its names.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').skip(1)
    }

    /// Returns it as the kernel takes it below a descriptor of the tree's root.
    pub fn relative(&self) -> &[u8] {
        match self.0.get(1..) {
            Some(path) => path,
            None => b".",
        }
    }

    /// Returns its bytes, which begin with a slash.
    pub fn as_bytes(&self) -> &[u8] {
        if self.0.is_empty() { b"/" } else { &self.0 }
    }

    /// Refuses what the kernel takes no path of. Files can be deeper, one directory opened in another, but no
    /// layer could be unpacked there, and whoever walks down to them needs room for each step.
    pub(crate) fn check_length(&self) -> Result<(), Errno> {
        if self.relative().len() < LONGEST {
            Ok(())
        } else {
            Err(Errno::NAMETOOLONG)
        }
    }

    /// Tells whether it is the tree's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    fn parent_length(&self) -> usize {
        self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.as_bytes()))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "/")]
    #[case("a//b/./c/", "/a/b/c")]
    #[case("/a/../../b", "/b")]
    #[case("../../..", "/")]
    fn a_path_stays_in_its_tree(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(Place::new(path).to_string(), expected);
    }

    #[test]
    fn names_and_parents() {
        let place = Place::new("/a/b");
        assert_eq!(place.parent(), Place::new("a"));
        assert_eq!(place.name(), Some(&b"b"[..]));
        assert_eq!(place.names().collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(place.relative(), b"a/b");
        assert_eq!(Place::root().parent(), Place::root());
        assert_eq!(Place::root().relative(), b".");
        assert_eq!(Place::root().names().count(), 0);
    }
}
