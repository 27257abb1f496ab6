//! Images that a build begins with or copies from: OCI layouts, read as far as that takes.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::ImageFacts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Result;
use crate::job::{Failure, FailureKind};

/// An image in a layout.
#[derive(Debug)]
pub(super) struct Image {
    /// What it hands on to a stage that begins with it.
    pub(super) facts: ImageFacts,
    layers: Vec<Blob>,
}

/// A file of a layout, whose name is its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Blob {
    /// The sha256 that it has to have, in hex.
    pub(super) sha256: String,
    pub(super) path: Utf8PathBuf,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    env: Option<Vec<String>>,
    working_dir: String,
    user: String,
    shell: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

impl Image {
    /// Reads the documents of the one image in a layout.
    pub(super) fn read(layout: &Utf8Path) -> Result<Self> {
        let mut index: Index = read(&layout.join("index.json"))?;
        let manifest: Manifest = loop {
            let [only] = index.manifests.as_slice() else {
                let count = index.manifests.len();
                let message = format!("expected one image in {layout}, found {count}");
                return Err(Failure::new(FailureKind::Internal, message));
            };
            let Blob { path, .. } = blob(layout, only)?;
            if only.media_type.contains("manifest.v") {
                break read(&path)?;
            }
            index = read(&path)?;
        };
        let Document { config } = read(&blob(layout, &manifest.config)?.path)?;
        let environment = config.env.unwrap_or_default();
        let layers = manifest.layers.unwrap_or_default();
        Ok(Self {
            facts: ImageFacts {
                environment: environment
                    .iter()
                    .map(|pair| {
                        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                        (name.to_owned(), value.to_owned())
                    })
                    .collect(),
                working_directory: config.working_dir,
                user: config.user,
                shell: config.shell.unwrap_or_default(),
                triggers: config.on_build.unwrap_or_default(),
            },
            layers: layers
                .iter()
                .map(|layer| blob(layout, layer))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns its layers, from the lowest on.
    pub(super) fn layers(&self) -> &[Blob] {
        &self.layers
    }
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> Result<T> {
    let file = File::open(path).map_err(|error| Failure::io("open", path, &error))?;
    serde_json::from_reader(io::BufReader::new(file)).map_err(|error| {
        let message = format!("cannot read `{path}`: {error}");
        Failure::new(FailureKind::Internal, message)
    })
}

/// Finds a blob. The digest is what a document says, so only hex digits are taken.
fn blob(layout: &Utf8Path, descriptor: &Descriptor) -> Result<Blob> {
    match descriptor.digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Blob {
                sha256: hex.to_owned(),
                path: layout.join("blobs/sha256").join(hex),
            })
        }
        _ => {
            let message = format!("expected a sha256 digest, found `{}`", descriptor.digest);
            Err(Failure::new(FailureKind::Internal, message))
        }
    }
}
