//! Docker's own image archive, which every version of it loads and saves: a tar with layers,
//! configurations and a `manifest.json`. Knows that form, not what is in a layer.
//!
//! An archive that an engine saved is not trusted: the names in it are looked up among
//! themselves, and never become paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use backend_api::{BuiltImage, EngineImage, EngineLayer};
use camino::{Utf8Path, Utf8PathBuf};
use oci_layout::{Blob, Layout};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The member that lists the archive's images.
const MANIFEST: &str = "manifest.json";
/// Where a layout has its blobs.
const BLOBS: &str = "blobs/sha256";
/// The largest `manifest.json` that is read.
const MANIFEST_LIMIT: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// An image that is put into a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The name that it gets.
    pub name: String,
    /// A directory with an OCI layout that holds this one image.
    pub layout: Utf8PathBuf,
    /// What its configuration says otherwise there: members that replace those of the image's own,
    /// objects member by member; null takes one away.
    pub patch: Value,
}

impl Given {
    /// Gives the image in `layout` as it is.
    pub fn new(name: impl Into<String>, layout: impl Into<Utf8PathBuf>) -> Self {
        Self {
            name: name.into(),
            layout: layout.into(),
            patch: json!({}),
        }
    }

    /// Gives it as one of another platform, `os/architecture[/variant]`: engines take an image only
    /// for the platform that they build for.
    #[must_use]
    pub fn on(mut self, platform: &str) -> Self {
        let mut parts = platform.split('/');
        for key in ["os", "architecture", "variant"] {
            self.patch[key] = parts.next().into();
        }
        self
    }
}

impl Given {
    /// Returns the configuration that the image gets: byte by byte its own, unless it is patched.
    fn config(&self, layout: &Layout) -> io::Result<Vec<u8>> {
        let bytes = layout.config.read()?;
        if self.patch == json!({}) {
            return Ok(bytes);
        }
        let mut config = serde_json::from_slice(&bytes)?;
        merge(&mut config, &self.patch);
        Ok(serde_json::to_vec(&config)?)
    }
}

/// Changes `value` as `patch` says, which is a merge patch (RFC 7396).
fn merge(value: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        value.clone_from(patch);
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let members = value.as_object_mut().expect("it was made one");
    for (name, patch) in patch {
        if patch.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), patch);
        }
    }
}

/// Writes an archive to `path` with these images.
///
/// A blob that several images share is written once. Layers stay compressed, as `docker load`
/// takes them either way.
pub(crate) fn write(images: &[Given], path: &Utf8Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    archive.mode(tar::HeaderMode::Deterministic);
    let mut written = BTreeSet::new();
    let mut manifest = Vec::new();
    for (place, given) in images.iter().enumerate() {
        let layout = Layout::open(&given.layout)?;
        let config = format!("{place}.json");
        append_bytes(&mut archive, &config, &given.config(&layout)?)?;
        let mut layers = Vec::new();
        for layer in &layout.layers {
            let member = format!("{}/layer.tar", layer.hex);
            if written.insert(member.clone()) {
                append_blob(&mut archive, &member, layer)?;
            }
            layers.push(member);
        }
        manifest.push(Image {
            config,
            repo_tags: Some(vec![tagged(&given.name)]),
            layers: Some(layers),
        });
    }
    append_bytes(&mut archive, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    // It is read once, at once, and removed: no need to wait for the disk.
    archive.into_inner()?.flush()
}

/// Writes the image in `layout` to `path` with its name: as an OCI layout, which stores that keep manifests
/// take as it is, with the list of Docker's archive beside it, which the others read.
pub(crate) fn write_layout(layout: &Utf8Path, name: &str, path: &Utf8Path) -> io::Result<()> {
    let layout = Layout::open(layout)?;
    let name = tagged(name);
    let member = |blob: &Blob| format!("{BLOBS}/{}", blob.hex);
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    archive.mode(tar::HeaderMode::Deterministic);
    let mut written = BTreeSet::new();
    for blob in layout
        .layers
        .iter()
        .chain([&layout.config, &layout.manifest])
    {
        if written.insert(&blob.hex) {
            append_blob(&mut archive, &member(blob), blob)?;
        }
    }
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": layout.media_type,
            "digest": format!("sha256:{}", layout.manifest.hex),
            "size": layout.manifest.size,
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name,
            },
        }],
    });
    let list = [Image {
        config: member(&layout.config),
        repo_tags: Some(vec![name]),
        layers: Some(layout.layers.iter().map(member).collect()),
    }];
    append_bytes(&mut archive, "index.json", &serde_json::to_vec(&index)?)?;
    append_bytes(
        &mut archive,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    append_bytes(&mut archive, MANIFEST, &serde_json::to_vec(&list)?)?;
    archive.into_inner()?.flush()
}

/// Appends a blob, which must be what its name says: the engine is not asked before all is written.
fn append_blob<W: Write>(archive: &mut tar::Builder<W>, name: &str, blob: &Blob) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(blob.size);
    header.set_mode(0o644);
    let mut reader = blob.open()?;
    archive.append_data(&mut header, name, reader.by_ref().take(blob.size))?;
    reader.finish()
}

fn append_bytes<W: Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes)
}

/// Returns an image's name with its tag, without which `docker load` does not take it.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

/// Writes the layers of the one image in the archive at `path`, above its base, into `directory`.
pub(crate) fn extract(
    path: &Utf8Path,
    image: &BuiltImage,
    directory: &Utf8Path,
) -> io::Result<EngineImage> {
    let mut file = beneath::open(path)?;
    let members = Members::read(&mut file)?;
    let manifest = members.find(MANIFEST)?;
    if manifest.size > MANIFEST_LIMIT {
        return Err(invalid(format!("{MANIFEST} is far too large")));
    }
    let images: Vec<Image> = serde_json::from_reader(manifest.open(&mut file)?)?;
    let [only] = images.as_slice() else {
        let count = images.len();
        return Err(invalid(format!("expected one image, found {count}")));
    };
    let layers = only.layers.as_deref().unwrap_or_default();
    let (expected, found) = (image.base_layers + image.steps.len(), layers.len());
    if found != expected {
        return Err(invalid(format!(
            "expected {expected} layers ({} of the base and one for each of {} instructions), \
             found {found}",
            image.base_layers,
            image.steps.len(),
        )));
    }

    let mut made = Vec::new();
    let above = image.steps.iter().zip(&layers[image.base_layers..]);
    for (place, (step, name)) in above.enumerate() {
        let tar = layer_path(directory, place);
        let mut from = members.find(name)?.open(&mut file)?;
        io::copy(&mut from, &mut File::create(&tar)?)?;
        made.push(EngineLayer { step: step.id, tar });
    }
    Ok(EngineImage { layers: made })
}

/// Returns the path of the layer at `place` above the base.
pub fn layer_path(directory: &Utf8Path, place: usize) -> Utf8PathBuf {
    directory.join(format!("{place:04}.tar"))
}

/// Where a member's bytes lie in the archive.
#[derive(Debug, Clone, Copy)]
struct Member {
    start: u64,
    size: u64,
}

impl Member {
    fn open(self, file: &mut File) -> io::Result<io::Take<&mut File>> {
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file.take(self.size))
    }
}

/// What an archive holds.
#[derive(Debug, Default)]
struct Members {
    files: BTreeMap<String, Member>,
    /// Links from one name to another: Docker up to 24 writes a layer that occurs twice once.
    links: BTreeMap<String, String>,
}

impl Members {
    fn read(file: &mut File) -> io::Result<Self> {
        let mut members = Self::default();
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if let Some(target) = entry.link_name_bytes() {
                let target = String::from_utf8_lossy(&target).into_owned();
                // The one form that is written: `../ID/layer.tar`, from a directory at the top.
                let target = target.strip_prefix("../").unwrap_or(&target).to_owned();
                members.links.insert(name, target);
            } else {
                let (start, size) = (entry.raw_file_position(), entry.size());
                members.files.insert(name, Member { start, size });
            }
        }
        Ok(members)
    }

    /// Finds a file, through at most one link.
    fn find(&self, name: &str) -> io::Result<Member> {
        let target = self.links.get(name).map_or(name, String::as_str);
        let member = self.files.get(target).copied();
        member.ok_or_else(|| invalid(format!("expected `{name}` in the saved image")))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use backend_api::{BuildKey, Step, StepId, StepKind};
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn image(base_layers: usize, steps: usize) -> BuiltImage {
        let step = |index| Step {
            id: StepId { stage: 0, index },
            kind: StepKind::Run,
        };
        BuiltImage {
            key: BuildKey::new("k"),
            reference: String::new(),
            also_made: Vec::new(),
            steps: (0..steps).map(step).collect(),
            base_layers,
            work: Utf8PathBuf::new(),
        }
    }

    /// Writes an archive as Docker 20.10 does, whose third layer is a link to its second.
    fn saved(path: &Utf8Path, link: &str) {
        let mut archive = tar::Builder::new(File::create(path).unwrap());
        let mut add = |name: &str, content: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        };
        add("a/layer.tar", "base");
        add("b/layer.tar", "twice");
        add(
            MANIFEST,
            r#"[{"Config":"c.json","RepoTags":["k:latest"],
                 "Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}]"#,
        );
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, "c/layer.tar", link)
            .unwrap();
        archive.finish().unwrap();
    }

    fn hex(bytes: &[u8]) -> String {
        let digest = Sha256::digest(bytes);
        digest
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, directory)
    }

    #[test]
    fn a_layer_that_occurs_twice_is_a_link() {
        let (_temporary, directory) = directory();
        let path = directory.join("saved.tar");
        saved(&path, "../b/layer.tar");
        let made = extract(&path, &image(1, 2), &directory).unwrap();
        let contents = made.layers.iter().map(|layer| {
            let index = layer.step.index;
            (index, std::fs::read_to_string(&layer.tar).unwrap())
        });
        let expected = [(0, "twice".to_owned()), (1, "twice".to_owned())];
        assert_eq!(contents.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_link_out_of_the_archive_leads_nowhere() {
        let (_temporary, directory) = directory();
        let path = directory.join("saved.tar");
        saved(&path, "../../../../etc/passwd");
        let error = extract(&path, &image(1, 2), &directory).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_missing_layer_is_said() {
        let (_temporary, directory) = directory();
        let path = directory.join("saved.tar");
        saved(&path, "../b/layer.tar");
        let error = extract(&path, &image(2, 2), &directory)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected 4 layers"), "{error}");
    }

    #[test]
    fn what_is_written_has_each_blob_once() {
        let (_temporary, directory) = directory();
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let put = |text: &str| {
            let (hex, size) = (hex(text.as_bytes()), text.len());
            std::fs::write(blobs.join(&hex), text).unwrap();
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let described =
                json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": size });
            (hex, described)
        };
        let (layer, described) = put("layer");
        let config = put("{}").1;
        let layers = [described.clone(), described];
        let manifest = put(&json!({ "config": config, "layers": layers }).to_string()).1;
        let index = json!({ "manifests": [manifest] }).to_string();
        std::fs::write(directory.join("index.json"), index).unwrap();

        let path = directory.join("to-load.tar");
        let images = ["localhost/x", "localhost/y:1"].map(|name| Given::new(name, &*directory));
        write(&images, &path).unwrap();

        let mut file = File::open(&path).unwrap();
        let members = Members::read(&mut file).unwrap();
        let names: Vec<_> = members.files.keys().cloned().collect();
        let layer = format!("{layer}/layer.tar");
        assert_eq!(names, ["0.json", "1.json", &layer, MANIFEST]);
        let manifest = members.find(MANIFEST).unwrap();
        let manifest: Vec<Image> =
            serde_json::from_reader(manifest.open(&mut file).unwrap()).unwrap();
        let tags: Vec<_> = manifest
            .into_iter()
            .filter_map(|image| image.repo_tags)
            .collect();
        assert_eq!(tags, [["localhost/x:latest"], ["localhost/y:1"]]);

        std::fs::write(blobs.join(hex(b"layer")), "Layer").unwrap();
        let error = write(&images, &path).unwrap_err().to_string();
        assert!(error.contains(&hex(b"layer")), "{error}");
    }

    #[test]
    fn a_configuration_is_its_own_unless_it_is_patched() {
        let (_temporary, directory) = directory();
        let path = directory.join("config");
        let text = r#"{"os":"linux","architecture":"arm","variant":"v7","config":{"Env":["A=1"]}}"#;
        std::fs::write(&path, text).unwrap();
        let blob = || Blob {
            hex: hex(text.as_bytes()),
            size: text.len() as u64,
            path: path.clone(),
        };
        let layout = Layout {
            top: blob(),
            manifest: blob(),
            media_type: String::new(),
            config: blob(),
            layers: Vec::new(),
        };
        let mut given = Given::new("x", "y");
        assert_eq!(given.config(&layout).unwrap(), text.as_bytes());

        given = given.on("linux/386");
        given.patch["config"] = json!({ "Hostname": "x" });
        let config: Value = serde_json::from_slice(&given.config(&layout).unwrap()).unwrap();
        let expected = json!({ "os": "linux", "architecture": "386",
                               "config": { "Env": ["A=1"], "Hostname": "x" } });
        assert_eq!(config, expected);
    }
}
