//! `--output` of `docker build`: where the image goes, and what is said of it there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use engine::Delivery;

use crate::docker::usage;
use crate::exit::Exit;
use crate::failure::Failure;

const NO_DESTINATION: &str = "expected dest=FILE, or dest=- for standard output";

/// Where the image goes, and what is said of it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    destination: Utf8PathBuf,
    /// Whether it is a tar of the layout, or the layout.
    tar: bool,
    name: Option<String>,
    annotations: BTreeMap<String, String>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kind = None;
        let mut destination = None;
        let mut tar = true;
        let mut name = None;
        let mut annotations = BTreeMap::new();
        for word in text.split(',') {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("`{word}`: expected KEY=VALUE, such as type=oci"));
            };
            let must_be = |only: &str| {
                if value == only {
                    Ok(())
                } else {
                    Err(format!("{word}: a canonical image has {key}={only}"))
                }
            };
            match key {
                "type" => kind = Some(value),
                "dest" if value.is_empty() => return Err(NO_DESTINATION.to_owned()),
                "dest" => destination = Some(Utf8PathBuf::from(value)),
                "name" => name = Some(value.to_owned()),
                "tar" => {
                    let expected = || format!("{word}: expected true or false");
                    tar = value.parse().map_err(|_| expected())?;
                }
                "rewrite-timestamp" | "force-compression" | "oci-mediatypes" => must_be("true")?,
                "compression" => must_be("gzip")?,
                _ => match key.strip_prefix("annotation.") {
                    Some(annotation) => {
                        annotations.insert(annotation.to_owned(), value.to_owned());
                    }
                    None => return Err(format!("{key} is not taken")),
                },
            }
        }
        match kind {
            Some("oci") => {}
            Some("image" | "registry") => {
                return Err(
                    "type=oci is taken: images are written, and not stored or pushed".to_owned(),
                );
            }
            _ => return Err("expected type=oci: what is built is an image".to_owned()),
        }
        Ok(Self {
            destination: destination.ok_or(NO_DESTINATION)?,
            tar,
            name,
            annotations,
        })
    }
}

impl Output {
    /// Returns where to deliver the image, with paths relative to `root`.
    pub(crate) fn delivery(&self, root: &Utf8Path) -> Result<Delivery, Failure> {
        let path = root.join(&self.destination);
        match (self.destination.as_str(), self.tar) {
            ("-", false) => Err(usage(
                "dest=- is a tar: leave tar=false out".to_owned(),
                None,
            )),
            ("-", true) if std::io::stdout().is_terminal() => Err(usage(
                "an image is nothing for a terminal".to_owned(),
                Some("say dest=FILE, or lead standard output somewhere else"),
            )),
            ("-", true) => {
                let stdout = std::io::stdout().as_fd().try_clone_to_owned();
                let stdout =
                    stdout.map_err(|error| Failure::new(Exit::Environment, &error, None))?;
                Ok(Delivery::Stream(Box::new(File::from(stdout))))
            }
            (_, true) => {
                self.check_file(&path)?;
                Ok(Delivery::File(path))
            }
            (_, false) => Ok(Delivery::Folder(path)),
        }
    }

    /// Refuses a file that could not be written after all the work.
    fn check_file(&self, path: &Utf8Path) -> Result<(), Failure> {
        let named = &self.destination;
        if path.is_dir() {
            let hint = "name a file in it, or write a layout there with tar=false";
            return Err(usage(format!("`{named}` is a folder"), Some(hint)));
        }
        match path.parent() {
            Some(parent) if !parent.as_str().is_empty() && !parent.is_dir() => {
                let folder = named.parent().unwrap_or(parent);
                let message = format!("there is no folder `{folder}` for the image");
                Err(usage(
                    message,
                    Some("make it, or name another with dest=FILE"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Tells whether the image goes to standard output.
    pub(crate) fn is_standard_output(&self) -> bool {
        self.destination == "-"
    }

    /// Returns the image's name, if it is said there.
    pub(crate) fn name(&self) -> Option<&String> {
        self.name.as_ref()
    }

    /// Refuses annotations that the canonical image does not have.
    pub(crate) fn check_annotations(&self, repository: &str, tag: &str) -> Result<(), Failure> {
        for (name, value) in &self.annotations {
            let has = match name.as_str() {
                "containerd.io/distribution.source.docker.io" => Some(repository),
                "org.opencontainers.image.version" => Some(tag),
                "org.opencontainers.image.created" => Some("1970-01-01T00:00:01Z"),
                _ => None,
            };
            if has != Some(value) {
                let expected =
                    has.map_or("no such annotation".to_owned(), |has| format!("`{has}`"));
                return Err(usage(
                    format!("--output annotation.{name}={value}: a canonical image has {expected}"),
                    None,
                ));
            }
        }
        Ok(())
    }
}
