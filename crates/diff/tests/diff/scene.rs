//! Images that are made for a test, byte by byte.

use std::fs;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use diff::{Error, Limits, Named, Options};
use documents::{Diff, DiffMode};
use flate2::Compression;
use flate2::write::GzEncoder;
use images::Source;
use oci_image::Digest;
use tar::{EntryType, Header};

/// An entry of a layer.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) kind: EntryType,
    pub(crate) content: Vec<u8>,
    pub(crate) link: String,
    pub(crate) mode: u32,
    pub(crate) owner: u64,
    pub(crate) user: &'static str,
    pub(crate) time: u64,
    pub(crate) device: (u32, u32),
    pub(crate) capability: Option<&'static str>,
    pub(crate) gnu: bool,
}

pub(crate) fn file(path: &str, content: impl AsRef<[u8]>) -> Item {
    Item {
        path: path.to_owned(),
        kind: EntryType::Regular,
        content: content.as_ref().to_vec(),
        link: String::new(),
        mode: 0o644,
        owner: 0,
        user: "",
        time: 1,
        device: (0, 0),
        capability: None,
        gnu: false,
    }
}

pub(crate) fn other(path: &str, kind: EntryType, link: &str) -> Item {
    Item {
        kind,
        link: link.to_owned(),
        ..file(path, "")
    }
}

/// Returns a tar.
pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for item in items {
        if let Some(capability) = item.capability {
            let records = [("SCHILY.xattr.security.capability", capability.as_bytes())];
            archive.append_pax_extensions(records).unwrap();
        }
        let mut header = if item.gnu {
            Header::new_gnu()
        } else {
            Header::new_ustar()
        };
        header.set_entry_type(item.kind);
        header.set_size(item.content.len() as u64);
        header.set_mode(item.mode);
        header.set_uid(item.owner);
        header.set_gid(0);
        header.set_username(item.user).unwrap();
        header.set_mtime(item.time);
        header.set_device_major(item.device.0).unwrap();
        header.set_device_minor(item.device.1).unwrap();
        if !item.link.is_empty() {
            header.set_link_name(&item.link).unwrap();
        }
        archive
            .append_data(&mut header, &item.path, item.content.as_slice())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image that is to be made.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) architecture: &'static str,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) level: u32,
    /// What the config has besides, behind a comma.
    pub(crate) config: String,
    pub(crate) created_by: String,
    /// What the manifest has besides, behind a comma.
    pub(crate) manifest: String,
    /// The annotation of an index above it, if there is one.
    pub(crate) index: Option<&'static str>,
}

pub(crate) fn draft(items: &[Item]) -> Draft {
    of_tars(vec![tar(items)])
}

pub(crate) fn of_tars(layers: Vec<Vec<u8>>) -> Draft {
    Draft {
        architecture: "amd64",
        layers,
        level: 6,
        config: String::new(),
        created_by: "COPY . /".to_owned(),
        manifest: String::new(),
        index: None,
    }
}

/// Returns the descriptor of a blob.
pub(crate) fn describe(kind: &str, bytes: &[u8]) -> String {
    let (digest, size) = (Digest::of(bytes), bytes.len());
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#
    )
}

impl Draft {
    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        let ids = self.layers.iter();
        let ids: Vec<String> = ids.map(|tar| format!("\"{}\"", Digest::of(tar))).collect();
        format!(
            r#"{{"architecture":"{}","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}},"history":[{{"created_by":"{}"}}]{}}}"#,
            self.architecture,
            ids.join(","),
            self.created_by,
            self.config
        )
        .into_bytes()
    }

    /// Returns the blobs, of which the last is the one that leads to all others, and its descriptor.
    fn blobs(&self) -> (Vec<Vec<u8>>, String) {
        let config = self.config_bytes();
        let stored: Vec<Vec<u8>> = self
            .layers
            .iter()
            .map(|tar| gzip(tar, self.level))
            .collect();
        let layers: Vec<String> = stored
            .iter()
            .map(|blob| describe("layer.v1.tar+gzip", blob))
            .collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]{}}}"#,
            describe("config.v1+json", &config),
            layers.join(","),
            self.manifest
        )
        .into_bytes();
        let mut pointer = describe("manifest.v1+json", &manifest);
        let mut blobs = stored;
        blobs.extend([config, manifest]);
        if let Some(annotation) = self.index {
            let index = format!(
                r#"{{"schemaVersion":2,"manifests":[{pointer}],"annotations":{{"note":"{annotation}"}}}}"#
            )
            .into_bytes();
            pointer = describe("index.v1+json", &index);
            blobs.push(index);
        }
        (blobs, pointer)
    }

    pub(crate) fn write(&self) -> Scene {
        Scene::layout(std::slice::from_ref(self))
    }
}

/// Something that images lie in.
pub(crate) struct Scene {
    _temporary: tempfile::TempDir,
    pub(crate) path: Utf8PathBuf,
}

impl Scene {
    /// Makes an OCI layout with several images.
    pub(crate) fn layout(drafts: &[Draft]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("image");
        let blobs = path.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let mut pointers = Vec::new();
        for draft in drafts {
            let (all, pointer) = draft.blobs();
            for blob in all {
                fs::write(blobs.join(Digest::of(&blob).hex()), blob).unwrap();
            }
            pointers.push(pointer);
        }
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            pointers.join(",")
        );
        fs::write(path.join("index.json"), index).unwrap();
        Self {
            _temporary: temporary,
            path,
        }
    }

    /// Makes what `docker save` writes.
    pub(crate) fn docker(draft: &Draft) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("image");
        let config = draft.config_bytes();
        let name = format!("{}.json", Digest::of(&config).hex());
        let numbers = 0..draft.layers.len();
        let layers: Vec<String> = numbers.map(|at| format!("\"{at}/layer.tar\"")).collect();
        let manifest = format!(
            r#"[{{"Config":"{name}","RepoTags":["x:1"],"Layers":[{}]}}]"#,
            layers.join(",")
        );
        let mut items = vec![file(&name, config)];
        for (at, layer) in draft.layers.iter().enumerate() {
            items.push(file(&format!("{at}/layer.tar"), layer));
        }
        items.push(file("manifest.json", manifest));
        fs::write(&path, tar(&items)).unwrap();
        Self {
            _temporary: temporary,
            path,
        }
    }
}

pub(crate) fn options(mode: DiffMode) -> Options<'static> {
    Options {
        mode,
        platform: None,
        shown: 10,
        limits: Limits::DEFAULT,
        diffoscope: None,
    }
}

/// Compares two images.
pub(crate) fn compare_with(left: &Scene, right: &Scene, options: &Options) -> Result<Diff, Error> {
    let left_source = Source::open(&left.path, &options.limits.images)?;
    let right_source = Source::open(&right.path, &options.limits.images)?;
    let left = Named {
        name: "left",
        source: &left_source,
    };
    let right = Named {
        name: "right",
        source: &right_source,
    };
    diff::compare(&left, &right, options)
}

pub(crate) fn strictly(left: &Draft, right: &Draft) -> Diff {
    let options = options(DiffMode::Strict);
    compare_with(&left.write(), &right.write(), &options).unwrap()
}

pub(crate) fn semantically(left: &Draft, right: &Draft) -> Diff {
    let options = options(DiffMode::Semantic);
    compare_with(&left.write(), &right.write(), &options).unwrap()
}

/// Compares images with one file in each.
pub(crate) fn files(path: &str, left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> Diff {
    let [left, right] =
        [left.as_ref(), right.as_ref()].map(|content| draft(&[file(path, content)]));
    strictly(&left, &right)
}
