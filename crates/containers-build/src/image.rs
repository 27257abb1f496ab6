//! Writes an OCI layout again, without its blobs, in the one form that the builder takes from
//! every caller. Knows the layout's files, not what is in a layer.
//!
//! The builder compares an image's platform with the one it builds for, and oldest generations
//! compare with that of an earlier stage. An image that was given by name was chosen already, so
//! it is written as one of the platform that is built for.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::symlink;

use camino::Utf8Path;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Writes into the new folder `to` a layout of the one image in the layout `from`, as an image
/// of `platform` (`os/architecture[/variant]`). Layers are links into `from`.
pub(crate) fn adopt(from: &Utf8Path, to: &Utf8Path, platform: &str) -> Result<(), Error> {
    let mut manifest = manifest(from)?;
    let mut config = read(&blob(from, &manifest["config"])?)?;
    let mut parts = platform.split('/');
    for key in ["os", "architecture", "variant"] {
        match (parts.next(), config.as_object_mut()) {
            (Some(part), _) => config[key] = json!(part),
            (None, Some(fields)) => drop(fields.remove(key)),
            (None, None) => {}
        }
    }

    let blobs = to.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|source| Error::file(&blobs, source))?;
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        let target = blob(from, layer)?;
        let target = target
            .canonicalize_utf8()
            .map_err(|source| Error::file(&target, source))?;
        let link = blob(to, layer)?;
        match symlink(&target, &link) {
            // Two layers of one image may be the same blob.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|source| Error::file(&link, source))?,
        }
    }

    let media_type = manifest["config"]["mediaType"].take();
    manifest["config"] = put(to, &config, &media_type)?;
    let manifest = put(to, &manifest, &json!(MANIFEST))?;
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    write_file(&to.join("index.json"), &index.to_string())?;
    write_file(&to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
}

/// Returns the manifest of the one image in a layout.
fn manifest(layout: &Utf8Path) -> Result<Value, Error> {
    let mut index = read(&layout.join("index.json"))?;
    loop {
        let Some([only]) = index["manifests"].as_array().map(Vec::as_slice) else {
            let message = "expected an index of exactly one image";
            return Err(Error::file(layout, io::Error::other(message)));
        };
        let value = read(&blob(layout, only)?)?;
        if value.get("layers").is_some() {
            return Ok(value);
        }
        index = value;
    }
}

/// Returns the path of the blob that a descriptor names.
fn blob(layout: &Utf8Path, descriptor: &Value) -> Result<camino::Utf8PathBuf, Error> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    match digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(layout.join("blobs/sha256").join(hex))
        }
        _ => {
            let message = format!("expected a sha256 digest, found `{digest}`");
            Err(Error::file(layout, io::Error::other(message)))
        }
    }
}

/// Writes a blob, and returns its descriptor.
fn put(layout: &Utf8Path, value: &Value, media_type: &Value) -> Result<Value, Error> {
    let text = value.to_string();
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        write!(digest, "{byte:02x}").expect("a string takes all that is written to it");
    }
    let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": text.len() });
    write_file(&blob(layout, &descriptor)?, &text)?;
    Ok(descriptor)
}

fn read(path: &Utf8Path) -> Result<Value, Error> {
    let file = File::open(path).map_err(|source| Error::file(path, source))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| Error::file(path, error.into()))
}

fn write_file(path: &Utf8Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::file(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &Utf8Path) -> Value {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let layer = put(folder, &json!("a layer"), &json!("layer")).unwrap();
        let config = json!({ "architecture": "386", "os": "linux", "rootfs": { "diff_ids": [] } });
        let config = put(folder, &config, &json!("config")).unwrap();
        let manifest = json!({ "config": config, "layers": [layer, layer] });
        let manifest = put(folder, &manifest, &json!(MANIFEST)).unwrap();
        let inner = json!({ "manifests": [manifest] });
        let inner = put(folder, &inner, &json!("index")).unwrap();
        let index = json!({ "manifests": [inner] });
        write_file(&folder.join("index.json"), &index.to_string()).unwrap();
        layer
    }

    #[test]
    fn the_image_is_one_of_the_platform_that_is_built_for() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let (from, to) = (folder.join("from"), folder.join("to"));
        let layer = layout(&from);
        adopt(&from, &to, "linux/arm/v7").unwrap();

        let manifest = manifest(&to).unwrap();
        assert_eq!(manifest["layers"], json!([layer, layer]));
        assert_eq!(read(&blob(&to, &layer).unwrap()).unwrap(), json!("a layer"));
        let config = read(&blob(&to, &manifest["config"]).unwrap()).unwrap();
        assert_eq!(config["architecture"], "arm");
        assert_eq!(config["variant"], "v7");
        assert!(config["rootfs"].is_object());
    }

    #[test]
    fn a_folder_that_is_no_layout_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let error = adopt(folder, &folder.join("to"), "linux/amd64").unwrap_err();
        assert!(error.to_string().contains("index.json"), "{error}");
    }
}
