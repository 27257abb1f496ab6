//! Writes an OCI layout again, without its layers, in the one form that the builder takes from
//! every caller. Knows the layout's files, not what is in a layer.
//!
//! The builder takes an image only for the platform that it builds for, and its oldest generations
//! go on building for the platform that an earlier FROM asked for. An image that was given by name
//! was chosen already, so it is written as one of each platform that may be asked for.
//!
//! The image is written in Docker's format. In that of OCI the builder loses the image's SHELL,
//! and gives each RUN a host name at random; in Docker's, the image says which.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The name of the machine that a RUN sees: the one that `BuildKit` gives it.
pub(crate) const HOST_NAME: &str = "buildkitsandbox";

/// The one image in an OCI layout.
#[derive(Debug)]
pub(crate) struct Image {
    layout: Utf8PathBuf,
    manifest: Value,
    config: Value,
}

impl Image {
    /// Reads the image in `layout`.
    pub(crate) fn read(layout: &Utf8Path) -> Result<Self, Error> {
        let manifest = manifest(layout)?;
        let config = read(&blob(layout, &manifest["config"])?)?;
        let layout = layout.to_owned();
        Ok(Self {
            layout,
            manifest,
            config,
        })
    }

    /// Returns the platform that it says to be of, as `os/architecture[/variant]`.
    pub(crate) fn platform(&self) -> String {
        let keys = ["os", "architecture", "variant"];
        let parts = keys.iter().filter_map(|key| self.config[key].as_str());
        parts.collect::<Vec<_>>().join("/")
    }

    /// Writes into the new directory `to` a layout in which the image is one of each of `platforms`.
    /// Layers are links.
    pub(crate) fn write(&self, to: &Utf8Path, platforms: &BTreeSet<String>) -> Result<(), Error> {
        let blobs = to.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| Error::file(&blobs, source))?;
        for layer in self.manifest["layers"].as_array().into_iter().flatten() {
            let target = blob(&self.layout, layer)?;
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

        let mut manifests = Vec::new();
        for platform in platforms {
            let mut description = Map::new();
            let keys = ["os", "architecture", "variant"];
            for (key, part) in keys.into_iter().zip(platform.split('/')) {
                description.insert(key.to_owned(), json!(part));
            }
            let config = put(to, &self.config(&description), CONFIG)?;
            let mut descriptor = put(to, &self.manifest(&config), MANIFEST)?;
            descriptor["platform"] = Value::Object(description);
            manifests.push(descriptor);
        }
        let index =
            |manifests| json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let inner = put(to, &index(manifests), INDEX)?;
        write_file(&to.join("index.json"), &index(vec![inner]).to_string())?;
        write_file(&to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// Returns the config as one of the platform that `description` says.
    fn config(&self, description: &Map<String, Value>) -> Value {
        let mut config = self.config.clone();
        if let Some(fields) = config.as_object_mut() {
            fields.remove("variant");
            fields.extend(description.clone());
            let settings = fields.entry("config").or_insert_with(|| json!({}));
            if let Some(settings) = settings.as_object_mut() {
                settings.insert("Hostname".to_owned(), json!(HOST_NAME));
            }
        }
        config
    }

    /// Returns a manifest with the config that `config` describes.
    fn manifest(&self, config: &Value) -> Value {
        let mut layers = self.manifest["layers"].clone();
        for layer in layers.as_array_mut().into_iter().flatten() {
            let media_type = layer["mediaType"].as_str().unwrap_or_default();
            layer["mediaType"] = match media_type.rsplit_once('+') {
                Some((_, compression)) => json!(format!("{LAYER}.{compression}")),
                None => json!(LAYER),
            };
        }
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
    }
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
fn blob(layout: &Utf8Path, descriptor: &Value) -> Result<Utf8PathBuf, Error> {
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
fn put(layout: &Utf8Path, value: &Value, media_type: &str) -> Result<Value, Error> {
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
    let bytes = beneath::read(path, beneath::DOCUMENT);
    let bytes = bytes.map_err(|source| Error::file(path, source))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::file(path, error.into()))
}

fn write_file(path: &Utf8Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::file(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(directory: &Utf8Path) -> Value {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let layer = put(
            directory,
            &json!("a layer"),
            "application/vnd.oci.image.layer.v1.tar+gzip",
        );
        let layer = layer.unwrap();
        let config = json!({ "architecture": "386", "os": "linux", "rootfs": { "diff_ids": [] } });
        let config = put(directory, &config, "config").unwrap();
        let manifest = json!({ "config": config, "layers": [layer, layer] });
        let manifest = put(directory, &manifest, MANIFEST).unwrap();
        let inner = json!({ "manifests": [manifest] });
        let inner = put(directory, &inner, "index").unwrap();
        let index = json!({ "manifests": [inner] });
        write_file(&directory.join("index.json"), &index.to_string()).unwrap();
        layer
    }

    #[test]
    fn the_image_is_one_of_each_platform() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let (from, to) = (directory.join("from"), directory.join("to"));
        let layer = layout(&from);
        let image = Image::read(&from).unwrap();
        assert_eq!(image.platform(), "linux/386");
        let platforms = ["linux/386", "linux/arm/v7"].map(str::to_owned);
        image.write(&to, &platforms.clone().into()).unwrap();

        let index = read(&to.join("index.json")).unwrap();
        let index = read(&blob(&to, &index["manifests"][0]).unwrap()).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 2);
        assert_eq!(manifests[1]["platform"]["variant"], "v7");
        for (descriptor, platform) in manifests.iter().zip(platforms) {
            let manifest = read(&blob(&to, descriptor).unwrap()).unwrap();
            let config = read(&blob(&to, &manifest["config"]).unwrap()).unwrap();
            let [first, second] = [0, 1].map(|index| &manifest["layers"][index]);
            assert_eq!(first, second);
            assert_eq!(first["digest"], layer["digest"]);
            assert_eq!(first["mediaType"], format!("{LAYER}.gzip"));
            assert_eq!(config["config"]["Hostname"], HOST_NAME);
            assert!(config["rootfs"].is_object());
            let image = Image {
                layout: to.clone(),
                manifest,
                config,
            };
            assert_eq!(image.platform(), platform);
        }
        assert_eq!(read(&blob(&to, &layer).unwrap()).unwrap(), json!("a layer"));
    }

    #[test]
    fn a_directory_that_is_no_layout_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let error = Image::read(directory).unwrap_err();
        assert!(error.to_string().contains("index.json"), "{error}");
    }
}
