//! `--output` of `docker build`: where the image goes, and what is said of it there.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::str::FromStr;

use build::{Delivery, DeliveryError, Profile};
use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, usage};

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
                    Err(format!(
                        "{word}: the canonical image has {key}={only}, and nothing else is possible"
                    ))
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
                    None => return Err(format!("the key `{key}` is not supported")),
                },
            }
        }
        match kind {
            Some("oci") => {}
            Some("image" | "registry") => {
                return Err(
                    "expected type=oci: images are written to files, and not stored or pushed"
                        .to_owned(),
                );
            }
            _ => return Err("expected type=oci: stagex builds images only".to_owned()),
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
    /// Returns where to deliver the image, with paths relative to `root`. No link in one of `trees` decides
    /// where that is.
    pub(crate) fn delivery(
        &self,
        trees: &[Utf8PathBuf],
        root: &Utf8Path,
    ) -> Result<Delivery, DeliveryError> {
        if self.is_standard_output() {
            let stdout = io::stdout();
            return Delivery::to_output(stdout.as_fd(), stdout.is_terminal(), self.tar);
        }
        Delivery::to_path(trees, root, &self.destination, self.tar)
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
    pub(crate) fn check_annotations(
        &self,
        profile: &Profile,
        repository: &str,
        tag: &str,
    ) -> Result<(), Failure> {
        let canonical = profile.annotations(repository, tag);
        for (name, value) in &self.annotations {
            let has = canonical.get(name);
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
