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
use serde::{Deserialize, Serialize};

use crate::layout::{Blob, Layout};

/// The member that lists the archive's images.
const MANIFEST: &str = "manifest.json";
/// The largest `manifest.json` that is read.
const MANIFEST_LIMIT: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Writes an archive to `path` with the images in these OCI layouts, each under its name.
///
/// A blob that several images share is written once. Layers stay compressed, as `docker load`
/// takes them either way.
pub(crate) fn write(images: &[(String, Utf8PathBuf)], path: &Utf8Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    archive.mode(tar::HeaderMode::Deterministic);
    let mut written = BTreeSet::new();
    let mut append = |blob: &Blob, name: &str| -> io::Result<()> {
        if written.insert(name.to_owned()) {
            archive.append_file(name, &mut File::open(&blob.path)?)?;
        }
        Ok(())
    };
    let mut manifest = Vec::new();
    for (name, folder) in images {
        let layout = Layout::open(folder)?;
        let config = format!("{}.json", layout.config.hex);
        append(&layout.config, &config)?;
        let mut layers = Vec::new();
        for layer in &layout.layers {
            let member = format!("{}/layer.tar", layer.hex);
            append(layer, &member)?;
            layers.push(member);
        }
        manifest.push(Image {
            config,
            repo_tags: Some(vec![tagged(name)]),
            layers: Some(layers),
        });
    }
    let manifest = serde_json::to_vec(&manifest)?;
    let mut header = tar::Header::new_ustar();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, MANIFEST, manifest.as_slice())?;
    // It is read once, at once, and removed: no need to wait for the disk.
    archive.into_inner()?.flush()
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

/// Writes the layers of the one image in the archive at `path`, above its base, into `folder`.
pub(crate) fn extract(
    path: &Utf8Path,
    image: &BuiltImage,
    folder: &Utf8Path,
) -> io::Result<EngineImage> {
    let mut file = File::open(path)?;
    let members = Members::read(&mut file)?;
    let manifest = members.find(MANIFEST)?;
    if manifest.size > MANIFEST_LIMIT {
        return Err(invalid(format!("{MANIFEST} is absurdly large")));
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
        let tar = layer_path(folder, place);
        let mut from = members.find(name)?.open(&mut file)?;
        io::copy(&mut from, &mut File::create(&tar)?)?;
        made.push(EngineLayer { step: step.id, tar });
    }
    Ok(EngineImage { layers: made })
}

/// Returns the path of the layer at `place` above the base.
pub(crate) fn layer_path(folder: &Utf8Path, place: usize) -> Utf8PathBuf {
    folder.join(format!("{place:04}.tar"))
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
                // The one form that is written: `../ID/layer.tar`, from a folder at the top.
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

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, folder)
    }

    #[test]
    fn a_layer_that_occurs_twice_is_a_link() {
        let (_temporary, folder) = folder();
        let path = folder.join("saved.tar");
        saved(&path, "../b/layer.tar");
        let made = extract(&path, &image(1, 2), &folder).unwrap();
        let contents = made.layers.iter().map(|layer| {
            let index = layer.step.index;
            (index, std::fs::read_to_string(&layer.tar).unwrap())
        });
        let expected = [(0, "twice".to_owned()), (1, "twice".to_owned())];
        assert_eq!(contents.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_link_out_of_the_archive_leads_nowhere() {
        let (_temporary, folder) = folder();
        let path = folder.join("saved.tar");
        saved(&path, "../../../../etc/passwd");
        let error = extract(&path, &image(1, 2), &folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_missing_layer_is_said() {
        let (_temporary, folder) = folder();
        let path = folder.join("saved.tar");
        saved(&path, "../b/layer.tar");
        let error = extract(&path, &image(2, 2), &folder)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected 4 layers"), "{error}");
    }

    #[test]
    fn what_is_written_has_each_blob_once() {
        let (_temporary, folder) = folder();
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let descriptor = |digit| {
            let digest = digest(digit);
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}"}}"#
            )
        };
        let manifest = format!(
            r#"{{"config":{},"layers":[{},{}]}}"#,
            descriptor("c"),
            descriptor("a"),
            descriptor("a")
        );
        std::fs::write(blobs.join("d".repeat(64)), manifest).unwrap();
        std::fs::write(blobs.join("c".repeat(64)), "{}").unwrap();
        std::fs::write(blobs.join("a".repeat(64)), "layer").unwrap();
        let index = format!(r#"{{"manifests":[{}]}}"#, descriptor("d"));
        std::fs::write(folder.join("index.json"), index).unwrap();

        let path = folder.join("to-load.tar");
        let images = ["localhost/x", "localhost/y:1"].map(|name| (name.to_owned(), folder.clone()));
        write(&images, &path).unwrap();

        let mut file = File::open(&path).unwrap();
        let members = Members::read(&mut file).unwrap();
        let names: Vec<_> = members.files.keys().cloned().collect();
        let (a, c) = ("a".repeat(64), "c".repeat(64));
        assert_eq!(
            names,
            [
                format!("{a}/layer.tar"),
                format!("{c}.json"),
                MANIFEST.to_owned()
            ]
        );
        let manifest = members.find(MANIFEST).unwrap();
        let manifest: Vec<Image> =
            serde_json::from_reader(manifest.open(&mut file).unwrap()).unwrap();
        let tags: Vec<_> = manifest
            .into_iter()
            .filter_map(|image| image.repo_tags)
            .collect();
        assert_eq!(tags, [["localhost/x:latest"], ["localhost/y:1"]]);
    }
}
