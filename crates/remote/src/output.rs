//! The result of an action on its way here: nothing of it is believed, and nothing is kept before it was verified.

use std::fs;

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    self, ActionResult, Directory, OutputDirectory, Tree,
};
use build::{ImageSet, blocking};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, InvalidDigest};
use prost::Message as _;

use crate::client::Client;
use crate::description::{IMAGE, LOG};
use crate::error::Error;

/// The largest description of a directory that is read.
const DESCRIPTION: u64 = 4 << 20;
/// The largest log that is read.
const LONGEST_LOG: u64 = 64 << 20;
/// The most files that a layout may have.
const MOST_FILES: usize = 10_000;
/// Where the blobs of a layout are.
const BLOBS: [&str; 2] = ["blobs", "sha256"];

/// Returns the log of an action, if it has one.
pub(crate) async fn log(client: &Client, result: &ActionResult) -> Option<String> {
    let mut files = result.output_files.iter();
    let file = files.find(|file| file.path == LOG)?;
    let bytes = client.read(file.digest.as_ref()?, LONGEST_LOG).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns what an action wrote to standard error.
pub(crate) async fn errors(client: &Client, result: &ActionResult) -> String {
    let bytes = match &result.stderr_digest {
        _ if !result.stderr_raw.is_empty() => result.stderr_raw.clone(),
        Some(digest) => client.read(digest, DESCRIPTION).await.unwrap_or_default(),
        None => Vec::new(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Downloads the layout of an action's image into the new directory `to`, and verifies it.
pub(crate) async fn image(
    client: &Client,
    result: &ActionResult,
    to: &Utf8Path,
) -> Result<(ImageSet, u64), Error> {
    let mut directories = result.output_directories.iter();
    let directory = directories.find(|directory| directory.path == IMAGE);
    let directory = directory.ok_or_else(|| client.wrong("there is no image among its outputs"))?;
    let tree = tree(client, directory).await?;
    let files = files(&tree).map_err(|problem| client.wrong(problem))?;
    let inner = to.join(BLOBS[0]).join(BLOBS[1]);
    fs::create_dir_all(&inner).map_err(|source| Error::Io {
        action: "create directory",
        path: inner,
        source,
    })?;
    let size = |digest: &v2::Digest| u64::try_from(digest.size_bytes).unwrap_or(0);
    let bytes = files.iter().map(|(_, digest)| size(digest)).sum();
    let files = files
        .into_iter()
        .map(|(path, digest)| (digest, to.join(path)));
    client.download_all(files.collect()).await?;
    let layout = to.to_owned();
    let opened = blocking(move || {
        let image = ImageSet::open(&layout)?;
        image.verify()?;
        Ok(image)
    });
    let image = opened.await.map_err(|source| Error::Layout {
        server: client.address.to_string(),
        source,
    })?;
    Ok((image, bytes))
}

/// Reads the description of a directory.
async fn tree(client: &Client, directory: &OutputDirectory) -> Result<Tree, Error> {
    let digest = directory.tree_digest.as_ref();
    let digest = digest.ok_or_else(|| client.wrong("its image has no digest"))?;
    let bytes = client.read(digest, DESCRIPTION).await?;
    let tree = Tree::decode(bytes.as_slice());
    tree.map_err(|_| client.wrong("the description of its image cannot be understood"))
}

/// Returns the files of a layout, which has nothing else.
fn files(tree: &Tree) -> Result<Vec<(Utf8PathBuf, v2::Digest)>, String> {
    let child = |parent: &Directory, name: &str| {
        let [node] = parent.directories.as_slice() else {
            return Err("its image is no OCI layout".to_owned());
        };
        let wanted = node.digest.as_ref().map(|digest| &digest.hash);
        let mut children = tree.children.iter();
        let found =
            children.find(|child| Some(&Digest::of(&child.encode_to_vec()).hex()) == wanted);
        match found {
            Some(found) if node.name == name => Ok(found),
            _ => Err("its image is no OCI layout".to_owned()),
        }
    };
    let root = tree.root.as_ref().ok_or("its image is empty")?;
    let blobs = child(root, BLOBS[0])?;
    let inner = child(blobs, BLOBS[1])?;
    let is_plain = [root, blobs, inner]
        .iter()
        .all(|directory| directory.symlinks.is_empty());
    if !is_plain || !blobs.files.is_empty() || !inner.directories.is_empty() {
        return Err("its image is no OCI layout".to_owned());
    }
    if inner.files.len() > MOST_FILES {
        return Err(format!("its image has {} files", inner.files.len()));
    }
    let mut files = Vec::new();
    for (directory, path) in [(root, Utf8PathBuf::new()), (inner, BLOBS.iter().collect())] {
        for file in &directory.files {
            let digest = file
                .digest
                .clone()
                .ok_or("a file of its image has no digest")?;
            let in_root = ["oci-layout", "index.json"].contains(&file.name.as_str());
            let is_blob = || {
                let named: Result<Digest, InvalidDigest> = format!("sha256:{}", file.name).parse();
                named.is_ok_and(|named| named.hex() == digest.hash)
            };
            if !(if directory == root {
                in_root
            } else {
                is_blob()
            }) {
                return Err(format!("`{}` has no place in an OCI layout", file.name));
            }
            files.push((path.join(&file.name), digest));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blobs;

    /// What makes something else of a layout: its root, and the directory of its blobs.
    type Change<'a> = &'a dyn Fn(&mut Directory, &mut Directory);

    /// Returns a layout that is one but for what `change` does.
    fn layout(change: impl FnOnce(&mut Directory, &mut Directory)) -> Tree {
        let file = |name: &str, bytes: &[u8]| v2::FileNode {
            name: name.to_owned(),
            digest: Some(Blobs::default().add(bytes.to_vec())),
            ..v2::FileNode::default()
        };
        let hex = Digest::of(b"layer").hex();
        let mut inner = Directory {
            files: vec![file(&hex, b"layer")],
            ..Directory::default()
        };
        let mut root = Directory {
            files: vec![file("index.json", b"{}"), file("oci-layout", b"{}")],
            ..Directory::default()
        };
        change(&mut root, &mut inner);
        let node = |name: &str, child: &Directory| v2::DirectoryNode {
            name: name.to_owned(),
            digest: Some(Blobs::default().add_message(child)),
        };
        let blobs = Directory {
            directories: vec![node("sha256", &inner)],
            ..Directory::default()
        };
        root.directories.push(node("blobs", &blobs));
        Tree {
            root: Some(root),
            children: vec![blobs, inner],
        }
    }

    #[test]
    fn a_layout_has_its_files_and_nothing_else() {
        assert_eq!(files(&layout(|_, _| {})).unwrap().len(), 3);
        let link = || v2::SymlinkNode {
            name: "x".to_owned(),
            target: "/etc".to_owned(),
            node_properties: None,
        };
        let changes: [Change; 5] = [
            &|_, inner| inner.files[0].name = "../../x".to_owned(),
            &|_, inner| inner.files[0].name = Digest::of(b"other").hex(),
            &|root, _| root.files[0].name = "other".to_owned(),
            &|root, _| root.symlinks.push(link()),
            &|_, inner| inner.symlinks.push(link()),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(files(&layout(change)).is_err(), "{number}");
        }
    }

    #[test]
    fn a_child_is_the_one_with_its_digest() {
        let mut tree = layout(|_, _| {});
        tree.children[1].files.clear();
        assert!(files(&tree).is_err());
    }
}
