//! Writes images as OCI layouts, and changes them to what they should not be.

use std::fs;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::scene::sha256;

/// An image in a layout.
pub(crate) struct Image {
    pub(crate) layers: Vec<Utf8PathBuf>,
    pub(crate) config: Utf8PathBuf,
    pub(crate) manifest: Utf8PathBuf,
}

impl Image {
    /// Writes an image with these layers, each an uncompressed archive, in place of what is there.
    pub(crate) fn write(directory: &Utf8Path, layers: &[Vec<u8>]) -> Self {
        let archives: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
        Self::with_archives(directory, layers, &archives)
    }

    /// Writes an image that says these digests of its archives.
    pub(crate) fn with_archives(
        directory: &Utf8Path,
        layers: &[Vec<u8>],
        archives: &[String],
    ) -> Self {
        if directory.exists() {
            fs::remove_dir_all(directory).expect("a test may do that");
        }
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("a test may do that");
        let put = |bytes: &[u8], kind: &str| {
            let (hex, size) = (sha256(bytes), bytes.len());
            let path = blobs.join(&hex);
            fs::write(&path, bytes).expect("a test may do that");
            let described = format!(
                r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{hex}","size":{size}}}"#
            );
            (path, described)
        };
        let layers = layers.iter().map(|layer| put(layer, "layer.v1.tar"));
        let (layers, described): (Vec<_>, Vec<_>) = layers.unzip();
        let archives = archives.iter().map(|hex| format!(r#""sha256:{hex}""#));
        let archives = archives.collect::<Vec<_>>().join(",");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{archives}]}}}}"#
        );
        let (config, text) = put(config.as_bytes(), "config.v1+json");
        let described = described.join(",");
        let manifest = format!(r#"{{"schemaVersion":2,"config":{text},"layers":[{described}]}}"#);
        let (manifest, text) = put(manifest.as_bytes(), "manifest.v1+json");
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{text}]}}"#);
        fs::write(directory.join("index.json"), index).expect("a test may do that");
        Self {
            layers,
            config,
            manifest,
        }
    }
}

/// An entry of a layer.
#[derive(Clone)]
pub(crate) struct Entry {
    header: tar::Header,
    name: String,
    contents: Vec<u8>,
    link: Option<String>,
    attributes: Vec<String>,
}

impl Entry {
    fn new(name: &str, kind: tar::EntryType, mode: u32) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        header.set_mtime(1_000_000_000);
        Self {
            header,
            name: name.to_owned(),
            contents: Vec::new(),
            link: None,
            attributes: Vec::new(),
        }
    }

    pub(crate) fn file(name: &str, contents: &str) -> Self {
        let mut entry = Self::new(name, tar::EntryType::Regular, 0o644);
        entry.header.set_size(contents.len() as u64);
        entry.contents = contents.as_bytes().to_vec();
        entry
    }

    pub(crate) fn directory(name: &str, mode: u32) -> Self {
        Self::new(&format!("{name}/"), tar::EntryType::Directory, mode)
    }

    pub(crate) fn symlink(name: &str, target: &str) -> Self {
        let mut entry = Self::new(name, tar::EntryType::Symlink, 0o777);
        // The library writes no link without a target.
        entry.link = Some(target.to_owned()).filter(|target| !target.is_empty());
        entry
    }

    pub(crate) fn device(name: &str, numbers: (u32, u32)) -> Self {
        let mut entry = Self::new(name, tar::EntryType::Char, 0o600);
        // Each as a binary number, for which digits have no room.
        let fields = &mut entry.header.as_mut_bytes()[329..345];
        for (field, number) in fields.chunks_exact_mut(8).zip([numbers.0, numbers.1]) {
            field[0] = 0x80;
            field[4..].copy_from_slice(&number.to_be_bytes());
        }
        entry
    }

    /// Gives it as many extended attributes.
    pub(crate) fn with_attributes(mut self, count: usize) -> Self {
        let value = "x".repeat(100);
        self.attributes = (0..count)
            .map(|number| format!("SCHILY.xattr.user.{number}={value}"))
            .collect();
        self
    }
}

/// Returns an archive of these entries.
pub(crate) fn layer(entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let attributes = entry.attributes.iter().filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name, value.as_bytes()))
        });
        archive
            .append_pax_extensions(attributes)
            .expect("a test may do that");
        let (mut header, name) = (entry.header.clone(), &entry.name);
        let added = match &entry.link {
            Some(target) => archive.append_link(&mut header, name, target),
            None => archive.append_data(&mut header, name, entry.contents.as_slice()),
        };
        added.expect("a test may do that");
    }
    archive.into_inner().expect("a test may do that")
}

/// Returns the entries of an archive: each path, and what is there.
pub(crate) fn entries(layer: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().expect("a test may do that");
    let entries = entries.map(|entry| {
        let mut entry = entry.expect("a test may do that");
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mode = entry.header().mode().expect("a test may do that");
        let what = if path.ends_with('/') {
            format!("directory {mode:o}")
        } else {
            let mut contents = Vec::new();
            entry
                .read_to_end(&mut contents)
                .expect("a test may do that");
            let contents = String::from_utf8_lossy(&contents);
            format!("file {mode:o} {contents}")
        };
        (path.trim_end_matches('/').to_owned(), what)
    });
    entries.collect()
}

/// Returns an archive of files.
pub(crate) fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(contents.len() as u64);
        archive
            .append_data(&mut header, name, *contents)
            .expect("a test may do that");
    }
    archive.into_inner().expect("a test may do that")
}
