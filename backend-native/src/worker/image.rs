//! Images that a build begins with or copies from: OCI layouts, read as far as that takes.

use std::fmt::Display;

use camino::Utf8Path;
use containerfile::ImageFacts;
use oci_layout::{Blob, Layout};
use serde::Deserialize;

use crate::job::Failure;
use crate::worker::failure::Result;

/// An image in a layout.
#[derive(Debug)]
pub(crate) struct Image {
    /// The name that the build was given it under.
    name: String,
    /// What it hands on to a stage that begins with it.
    pub(crate) facts: ImageFacts,
    layers: Vec<Layer>,
}

/// A layer of an image. Whether it is what is said here is found out while it is unpacked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Layer {
    /// As the layout has it.
    pub(crate) blob: Blob,
    /// The digest of its archive, uncompressed, as the configuration says it.
    pub(crate) archive: String,
}

/// What is read of a configuration. As for Go, which writes these documents, `null` is what is not there: an
/// image without layers has `"diff_ids": null`.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    rootfs: Option<Archives>,
}

#[derive(Deserialize, Default)]
struct Archives {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    shell: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

impl Image {
    /// Reads the documents of the one image in a layout, each of which must be what its name says.
    pub(crate) fn read(name: &str, layout: &Utf8Path) -> Result<Self> {
        let wrong = |error: &dyn Display| {
            Failure::build(format!("the image `{name}` cannot be used: {error}"))
        };
        let layout = Layout::open(layout).map_err(|error| wrong(&error))?;
        let bytes = layout.config.read().map_err(|error| wrong(&error))?;
        let document = serde_json::from_slice(&bytes);
        let Document { config, rootfs } =
            document.map_err(|error| wrong(&format!("{}: {error}", layout.config.path)))?;
        let (config, rootfs) = (config.unwrap_or_default(), rootfs.unwrap_or_default());
        let (blobs, archives) = (layout.layers, rootfs.diff_ids.unwrap_or_default());
        if blobs.len() != archives.len() {
            let (blobs, archives) = (blobs.len(), archives.len());
            return Err(wrong(&format!(
                "its manifest lists {blobs} layers, and its configuration {archives}"
            )));
        }
        let layers = blobs.into_iter().zip(archives);
        let layers = layers.map(|(blob, archive)| Layer { blob, archive });
        let environment = config.env.unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            facts: ImageFacts {
                environment: environment
                    .iter()
                    .map(|pair| {
                        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                        (name.to_owned(), value.to_owned())
                    })
                    .collect(),
                working_directory: config.working_dir.unwrap_or_default(),
                user: config.user.unwrap_or_default(),
                shell: config.shell.unwrap_or_default(),
                triggers: config.on_build.unwrap_or_default(),
            },
            layers: layers.collect(),
        })
    }

    /// Returns the name that the build was given it under.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns its layers, from the lowest on.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
}
