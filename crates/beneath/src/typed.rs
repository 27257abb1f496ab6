//! A path that a user typed: what lies outside of the tree is the user's, and its symbolic links are
//! followed; what lies in the tree came with it, and no link there decides what is written or read.

use std::io;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::directory::Directory;
use crate::read::read_text;

/// A path that a user typed.
#[derive(Debug)]
pub struct Typed {
    /// A directory that is trusted.
    pub base: Directory,
    /// The path beneath it; empty if it is the directory itself.
    pub path: Utf8PathBuf,
    /// Whether it lies in the tree.
    pub in_tree: bool,
}

/// Finds out where a path leads that is `typed` by somebody who works in the tree `tree`. Of a path outside
/// of it, the parent must be there.
pub fn typed(tree: &Utf8Path, typed: &Utf8Path) -> io::Result<Typed> {
    let root = canonical(tree)?;
    let path = plain(&root.join(typed));
    // The tree may have been named by a symbolic link, and so may a path in it.
    let named = plain(&canonical(Utf8Path::new("."))?.join(tree));
    for root in [&root, &named] {
        if let Ok(path) = path.strip_prefix(root) {
            let (base, path) = (Directory::open(tree)?, path.to_owned());
            let in_tree = true;
            return Ok(Typed {
                base,
                path,
                in_tree,
            });
        }
    }
    let (parent, name) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => (parent, name),
        _ => (path.as_path(), ""),
    };
    // It may have come back into the tree by a link of the user's.
    let parent = canonical(parent)?;
    if let Ok(within) = parent.strip_prefix(&root) {
        let (base, path) = (Directory::open(tree)?, within.join(name));
        let in_tree = true;
        return Ok(Typed {
            base,
            path,
            in_tree,
        });
    }
    Ok(Typed {
        base: Directory::open(&parent)?,
        path: name.into(),
        in_tree: false,
    })
}

impl Typed {
    /// Returns the path of the file, as far as it is known: for messages and for programs.
    pub fn full(&self) -> Utf8PathBuf {
        match self.path.as_str() {
            "" => self.base.path().to_owned(),
            _ => self.base.path().join(&self.path),
        }
    }

    /// Reads a regular file of at most `limit` bytes, which must be UTF-8.
    pub fn read_text(&self, limit: u64) -> io::Result<String> {
        if self.in_tree {
            self.base.read_text(&self.path, limit)
        } else {
            read_text(self.full(), limit)
        }
    }
}

fn canonical(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    match path.as_str() {
        "" => Utf8Path::new("."),
        _ => path,
    }
    .canonicalize_utf8()
}

/// Returns an absolute path without `.` and `..`: what is typed decides, and no link on the way.
fn plain(path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::ParentDir => {
                plain.pop();
            }
            Utf8Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b", "a/b", true)]
    #[case("./a/../c", "c", true)]
    #[case("../tree/a", "a", true)]
    #[case("../back/a", "a", true)]
    #[case("../file", "file", false)]
    #[case("..", "", false)]
    // No directory of the tree is walked into to come out of it again.
    #[case("link/../../file", "file", false)]
    fn what_lies_in_the_tree_is_told(
        #[case] path: &str,
        #[case] expected: &str,
        #[case] in_tree: bool,
    ) {
        let temporary = tempfile::tempdir().unwrap();
        let outside = Utf8Path::from_path(temporary.path()).unwrap();
        let outside = &outside.canonicalize_utf8().unwrap().join("outside");
        let tree = outside.join("tree");
        fs::create_dir_all(&tree).unwrap();
        symlink("/", tree.join("link")).unwrap();
        symlink("tree", outside.join("back")).unwrap();
        let found = typed(&tree, path.into()).unwrap();
        assert_eq!(found.in_tree, in_tree);
        let expected = match (expected, in_tree) {
            ("", _) => outside.clone(),
            (path, true) => tree.join(path),
            (path, false) => outside.join(path),
        };
        assert_eq!(found.full(), expected);
        let absolute = typed(&tree, &tree.join(path)).unwrap();
        assert_eq!(absolute.in_tree, in_tree);
    }
}
