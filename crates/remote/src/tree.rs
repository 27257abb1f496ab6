//! A directory in the words of the API: a tree of messages, each known by its digest.

use std::collections::BTreeMap;

use bazel_remote_apis::build::bazel::remote::execution::v2;
use camino::{Utf8Component, Utf8Path};

use crate::blob::Blobs;

/// A directory that is put together.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, (v2::Digest, bool)>,
    links: BTreeMap<String, String>,
    directories: BTreeMap<String, Self>,
}

impl Tree {
    /// Returns the directory at a path, which is made if it is not there. Only the names of a path count.
    pub(crate) fn directory(&mut self, path: &Utf8Path) -> &mut Self {
        let mut at = self;
        for component in path.components() {
            if let Utf8Component::Normal(name) = component {
                at = at.directories.entry(name.to_owned()).or_default();
            }
        }
        at
    }

    /// Returns the directory that a path is in, and its last name.
    fn parent<'a>(&mut self, path: &'a Utf8Path) -> (&mut Self, &'a str) {
        let parent = path.parent().unwrap_or(Utf8Path::new(""));
        let name = path.file_name().unwrap_or_default();
        (self.directory(parent), name)
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &Utf8Path, digest: v2::Digest, is_executable: bool) {
        let (parent, name) = self.parent(path);
        parent
            .files
            .insert(name.to_owned(), (digest, is_executable));
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &Utf8Path, target: &Utf8Path) {
        let (parent, name) = self.parent(path);
        parent.links.insert(name.to_owned(), target.to_string());
    }

    /// Adds its messages to `blobs`, and returns the digest of the first.
    pub(crate) fn seal(&self, blobs: &mut Blobs) -> v2::Digest {
        let directories = self
            .directories
            .iter()
            .map(|(name, directory)| v2::DirectoryNode {
                name: name.clone(),
                digest: Some(directory.seal(blobs)),
            });
        let directories = directories.collect();
        let files = self
            .files
            .iter()
            .map(|(name, (digest, executable))| v2::FileNode {
                name: name.clone(),
                digest: Some(digest.clone()),
                is_executable: *executable,
                node_properties: None,
            });
        let links = self.links.iter().map(|(name, target)| v2::SymlinkNode {
            name: name.clone(),
            target: target.clone(),
            node_properties: None,
        });
        let message = v2::Directory {
            files: files.collect(),
            directories,
            symlinks: links.collect(),
            node_properties: None,
        };
        blobs.add_message(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_additions_does_not_matter_and_each_property_does() {
        let build = |order: [u8; 3], executable: bool, target: &str| {
            let (mut tree, mut blobs) = (Tree::default(), Blobs::default());
            for step in order {
                match step {
                    0 => tree.file("a/b".into(), blobs.add(b"x".to_vec()), executable),
                    1 => tree.link("a/a".into(), target.into()),
                    _ => {
                        tree.directory("z/empty".into());
                    }
                }
            }
            tree.seal(&mut blobs).hash
        };
        let first = build([0, 1, 2], false, "b");
        assert_eq!(first, build([2, 1, 0], false, "b"));
        assert_ne!(first, build([0, 1, 2], true, "b"));
        assert_ne!(first, build([0, 1, 2], false, "c"));
    }
}
