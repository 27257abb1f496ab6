//! Images that a build begins with or copies from: OCI layouts, read as far as that takes.

use std::fs::File;
use std::io;

use backend_api::{Blob, Layout};
use camino::Utf8Path;
use containerfile::ImageFacts;
use serde::Deserialize;

use super::failure::Result;
use crate::job::{Failure, FailureKind};

/// An image in a layout.
#[derive(Debug)]
pub(super) struct Image {
    /// What it hands on to a stage that begins with it.
    pub(super) facts: ImageFacts,
    layers: Vec<Blob>,
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
        let layout = Layout::open(layout).map_err(|error| unreadable(&error))?;
        let Document { config } = read(&layout.config.path)?;
        let environment = config.env.unwrap_or_default();
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
            layers: layout.layers,
        })
    }

    /// Returns its layers, from the lowest on.
    pub(super) fn layers(&self) -> &[Blob] {
        &self.layers
    }
}

fn read(path: &Utf8Path) -> Result<Document> {
    let file = File::open(path).map_err(|error| Failure::io("open", path, &error))?;
    serde_json::from_reader(io::BufReader::new(file)).map_err(|error| {
        let message = format!("cannot read `{path}`: {error}");
        Failure::new(FailureKind::Internal, message)
    })
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Internal,
        format!("cannot read a layout: {error}"),
    )
}
