//! Images that tests make, byte by byte, and what becomes of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use canon::{Base, Error, Known, Request};
use documents::{Canon, CanonPart, CanonWhat, Explain};
use flate2::Compression;
use flate2::write::GzEncoder;
use images::{Image, Limits, Source};
use oci_image::{DiffId, Digest, Manifest, Profile, RecastRequest};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The files of a sample that an engine wrote.
pub(crate) fn sample(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/samples")
        .join(name)
}

/// An entry of a layer.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) time: u64,
    pub(crate) owner: &'static str,
    pub(crate) content: &'static [u8],
    pub(crate) link: &'static str,
}

impl Entry {
    pub(crate) fn file(name: &'static str, content: &'static [u8]) -> Self {
        Self {
            name,
            kind: b'0',
            mode: 0o644,
            time: 1,
            owner: "",
            content,
            link: "",
        }
    }

    pub(crate) fn directory(name: &'static str) -> Self {
        Self {
            kind: b'5',
            mode: 0o755,
            ..Self::file(name, b"")
        }
    }

    pub(crate) fn whiteout(name: &'static str, time: u64) -> Self {
        Self {
            mode: 0,
            time,
            ..Self::file(name, b"")
        }
    }

    pub(crate) fn at(self, time: u64) -> Self {
        Self { time, ..self }
    }
}

/// Returns the tar of a layer, as Go writes it.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, entry.name.as_bytes());
        put(100, format!("{:07o}\0", entry.mode).as_bytes());
        put(108, b"0000000\x000000000\0");
        put(124, format!("{:011o}\0", entry.content.len()).as_bytes());
        put(136, format!("{:011o}\0", entry.time).as_bytes());
        put(148, b"        ");
        put(156, &[entry.kind]);
        put(157, entry.link.as_bytes());
        put(257, b"ustar\x0000");
        put(265, entry.owner.as_bytes());
        put(329, b"0000000\x000000000\0");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend(header);
        bytes.extend(entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

/// Compresses as zlib does.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns the canonical blob of a tar.
pub(crate) fn canonical(bytes: &[u8]) -> Vec<u8> {
    // None of these tars is so long that Go's encoder could tell where its writes ended.
    go_flate::gzip(bytes)
}

/// An image, to be written as a layout.
#[derive(Clone)]
pub(crate) struct Made {
    /// The tars of its layers, and the blobs that they are stored as.
    pub(crate) layers: Vec<(Vec<u8>, Vec<u8>)>,
    /// What is noted beside each layer.
    pub(crate) noted: Vec<bool>,
    pub(crate) media_type: &'static str,
    pub(crate) history: Vec<Value>,
    pub(crate) labels: Value,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Returns an entry of a history of `BuildKit`.
pub(crate) fn step(text: &str, has_layer: bool) -> Value {
    let mut entry = json!({
        "created": "1970-01-01T00:00:01Z",
        "created_by": text,
        "comment": "buildkit.dockerfile.v0",
    });
    if !has_layer {
        entry["empty_layer"] = true.into();
    }
    entry
}

impl Made {
    /// An image of these layers, each copied, as `BuildKit` writes it for StageX's command.
    pub(crate) fn of(layers: &[&[Entry]]) -> Self {
        let tars = layers.iter().map(|entries| tar(entries));
        Self {
            layers: tars.map(|tar| (tar.clone(), canonical(&tar))).collect(),
            noted: vec![true; layers.len()],
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip",
            history: vec![step("COPY a / # buildkit", true); layers.len()],
            labels: Value::Null,
            annotations: Profile::STAGEX_2026.annotations("stagex/core-x", "1.0"),
        }
    }

    /// Stores all layers in another way.
    pub(crate) fn stored(mut self, how: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        for (tar, blob) in &mut self.layers {
            *blob = how(tar);
        }
        self
    }

    /// Writes it as a layout.
    pub(crate) fn write(&self, directory: &Utf8Path) {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs::write(blobs.join(digest.hex()), bytes).unwrap();
            json!({ "digest": digest.to_string(), "size": bytes.len() })
        };
        let diff_ids = self
            .layers
            .iter()
            .map(|(tar, _)| Digest::of(tar).to_string());
        let mut config = json!({
            "architecture": "amd64", "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            "created": "1970-01-01T00:00:01Z",
            "history": self.history,
            "rootfs": { "type": "layers", "diff_ids": diff_ids.collect::<Vec<_>>() },
        });
        if !self.labels.is_null() {
            config["config"]["Labels"] = self.labels.clone();
        }
        let mut config = put(&self.as_written(config.to_string().into_bytes()));
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let layers = self
            .layers
            .iter()
            .zip(&self.noted)
            .map(|((_, blob), is_noted)| {
                let mut layer = put(blob);
                layer["mediaType"] = self.media_type.into();
                if *is_noted {
                    layer["annotations"] = json!({ "buildkit/rewritten-timestamp": "1" });
                }
                layer
            });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers.collect::<Vec<_>>(),
            "annotations": self.annotations,
        });
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        let mut manifest = put(&oci_image::json::indented(&manifest));
        manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(directory.join("index.json"), index.to_string()).unwrap();
    }

    /// Returns a config with its fields in the order of Go, if it is one of these layers.
    fn as_written(&self, config: Vec<u8>) -> Vec<u8> {
        let diff_ids = self.layers.iter().map(|(tar, _)| DiffId(Digest::of(tar)));
        let request = RecastRequest {
            config: &config,
            base_layers: 0,
            diff_ids: &diff_ids.collect::<Vec<_>>(),
            platform: &"linux/amd64".parse().unwrap(),
            profile: Profile::STAGEX_2026,
        };
        oci_image::recast(&request).unwrap_or(config)
    }

    /// Returns what must be known of it besides: that it begins with nothing, where all its layers are noted.
    pub(crate) fn given(&self) -> Given<'static> {
        let all = self.noted.iter().all(|is_noted| *is_noted);
        Given {
            base: all.then_some(Base::Scratch),
            ..Given::default()
        }
    }

    /// Writes it, and makes it canonical.
    pub(crate) fn canon(&self) -> Result<Canonical, Error> {
        let temporary = tempfile::tempdir().unwrap();
        let path = utf8(&temporary).join("made");
        self.write(&path);
        canon(&path, self.given())
    }

    /// Writes it, and has it explained.
    pub(crate) fn explain(&self) -> Explain {
        let temporary = tempfile::tempdir().unwrap();
        let path = utf8(&temporary).join("made");
        self.write(&path);
        explain(&path, self.given()).unwrap()
    }
}

/// Edits the manifest of the image in a layout.
pub(crate) fn edit_manifest(layout: &Utf8Path, edit: impl FnOnce(&mut Value)) {
    let read = |path: Utf8PathBuf| -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let blobs = layout.join("blobs/sha256");
    let mut found = read(layout.join("index.json"));
    while found.get("manifests").is_some() {
        let digest = found["manifests"][0]["digest"].as_str().unwrap();
        found = read(blobs.join(&digest[7..]));
    }
    edit(&mut found);
    let manifest = found.to_string();
    let digest = Digest::of(manifest.as_bytes());
    fs::write(blobs.join(digest.hex()), &manifest).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest.to_string(),
        "size": manifest.len(),
    }] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

/// What is known of an image besides.
#[derive(Default)]
pub(crate) struct Given<'a> {
    pub(crate) base: Option<Base<'a>>,
    pub(crate) known: Option<Known<'a>>,
    pub(crate) name: Option<(String, String)>,
    pub(crate) is_own: bool,
    pub(crate) limits: Limits,
}

/// That an image begins with nothing.
pub(crate) fn from_scratch() -> Given<'static> {
    Given {
        base: Some(Base::Scratch),
        ..Given::default()
    }
}

/// An image that is canonical, in a directory that goes away with it.
pub(crate) struct Canonical {
    pub(crate) document: Canon,
    temporary: TempDir,
}

impl Canonical {
    pub(crate) fn path(&self) -> Utf8PathBuf {
        utf8(&self.temporary).join("layout")
    }

    pub(crate) fn digest(&self) -> String {
        self.document.digest.to_string()
    }

    /// Returns all kinds of changes, with the layer and the count of each.
    pub(crate) fn changes(&self) -> Vec<(CanonPart, Option<u64>, CanonWhat, u64)> {
        let changes = self.document.changes.iter();
        let change = changes.map(|change| (change.part, change.layer, change.what, change.count));
        change.collect()
    }

    /// Returns the changes of layers.
    pub(crate) fn changes_of_layers(&self) -> Vec<(u64, CanonWhat, u64)> {
        let changes = self.changes().into_iter();
        let changes = changes.filter_map(|(_, layer, what, count)| Some((layer?, what, count)));
        changes.collect()
    }

    /// Returns the files of the layout with their contents.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.path())
    }

    /// Returns the tar of the layer at `place`.
    pub(crate) fn tar(&self, place: usize) -> Vec<u8> {
        let layer = self.document.layers[place].digest.hex().to_owned();
        let blob = fs::read(self.path().join("blobs/sha256").join(layer)).unwrap();
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(blob.as_slice())
            .read_to_end(&mut tar)
            .unwrap();
        tar
    }
}

/// Returns the files below a directory with their contents.
pub(crate) fn files(directory: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in directory.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        let name = path.file_name().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn utf8(temporary: &TempDir) -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap()
}

fn open(path: &Utf8Path, limits: &Limits) -> Result<(Image, images::Form), Error> {
    let source = Source::open(path, limits)?;
    Ok((source.only(None)?, source.form()))
}

fn request<'a>(
    path: &'a Utf8Path,
    (image, form): (&'a Image, images::Form),
    given: Given<'a>,
) -> Request<'a> {
    Request {
        image,
        form,
        input: path.as_str(),
        is_own: given.is_own,
        profile: Profile::STAGEX_2026,
        name: given.name,
        base: given.base,
        known: given.known,
    }
}

/// Makes the image at a path canonical.
pub(crate) fn canon(path: &Utf8Path, given: Given<'_>) -> Result<Canonical, Error> {
    let (image, form) = open(path, &given.limits)?;
    let temporary = tempfile::tempdir().unwrap();
    let place = utf8(&temporary);
    fs::create_dir(place.join("work")).unwrap();
    let request = request(path, (&image, form), given);
    let made = canon::canon(&request, &place.join("layout"), &place.join("work"))?;
    Ok(Canonical {
        document: made.document,
        temporary,
    })
}

/// Has the image at a path explained.
pub(crate) fn explain(path: &Utf8Path, given: Given<'_>) -> Result<Explain, Error> {
    let (image, form) = open(path, &given.limits)?;
    let temporary = tempfile::tempdir().unwrap();
    let place = utf8(&temporary);
    fs::create_dir(place.join("work")).unwrap();
    let request = request(path, (&image, form), given);
    canon::explain(&request, &place.join("layout"), &place.join("work"))
}

/// Asks which variant of the image at a path has a digest.
pub(crate) fn explain_digest(path: &Utf8Path, digest: &str) -> Explain {
    explain_digest_of(path, digest, from_scratch())
}

/// The same of an image of which something is known.
pub(crate) fn explain_digest_of(path: &Utf8Path, digest: &str, given: Given<'_>) -> Explain {
    let (image, form) = open(path, &given.limits).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = utf8(&temporary);
    fs::create_dir(place.join("work")).unwrap();
    let request = request(path, (&image, form), given);
    let digest = digest.parse().unwrap();
    canon::explain_digest(
        &request,
        &digest,
        &place.join("layout"),
        &place.join("work"),
    )
    .unwrap()
}

/// Layers with nearly all that layers can have, as `BuildKit` writes them.
pub(crate) fn unusual() -> Made {
    let link = Entry {
        kind: b'1',
        link: "etc/a",
        ..Entry::file("etc/b", b"")
    };
    let symbolic = Entry {
        kind: b'2',
        mode: 0o777,
        link: "a",
        ..Entry::file("etc/c", b"")
    };
    let early = Entry::file("etc/early", b"x").at(0);
    let mut made = Made::of(&[
        &[
            Entry::directory("etc/"),
            Entry::file("etc/a", b"a"),
            link,
            symbolic,
            early,
        ],
        &[
            Entry::directory("etc/"),
            Entry::whiteout("etc/.wh.a", 0),
            Entry::file("etc/a-b", b""),
        ],
        &[],
    ]);
    made.history[1] = step("RUN /bin/sh -c rm /etc/a # buildkit", true);
    made.history.insert(1, step("ENV A=<b>", false));
    made
}

/// Writes an image into a directory that goes away with it.
pub(crate) fn write(made: &Made) -> (TempDir, Utf8PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temporary.path().join("made")).unwrap();
    made.write(&path);
    (temporary, path)
}

/// Returns a canonical image of one layer, and one that was built from it: all its layers are noted, as BuildKit 0.13
/// does.
pub(crate) fn based() -> (Canonical, Made) {
    let below = &[Entry::directory("etc/"), Entry::file("etc/base", b"")][..];
    let base = Made::of(&[below]).canon().unwrap();
    let own = &[Entry::directory("etc/"), Entry::file("etc/own", b"")][..];
    (base, Made::of(&[below, own]))
}
