//! What the documents of an image say of it: its manifest's annotations, its name, its layers' origins.
//!
//! It knows JSON and names. It does not know what is in a layer.

use std::collections::BTreeMap;

use images::Image;
use oci_image::Profile;
use serde::Deserialize;

use crate::error::Error;

/// A manifest as others write it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) config: Option<Pointer>,
    pub(crate) layers: Option<Vec<Pointer>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// A descriptor in it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pointer {
    #[serde(default)]
    pub(crate) media_type: String,
    annotations: Option<BTreeMap<String, String>>,
}

impl Pointer {
    /// Returns what is noted beside it.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.clone().unwrap_or_default()
    }

    /// Returns the epoch to which `BuildKit` has clamped the times of this layer.
    pub(crate) fn rewritten(&self) -> Option<&str> {
        let annotations = self.annotations.as_ref()?;
        annotations.get(Profile::REWRITTEN).map(String::as_str)
    }
}

impl Manifest {
    /// Reads that of an image; an empty one where it has none.
    pub(crate) fn of(image: &Image) -> Result<Self, Error> {
        let Some(document) = &image.manifest else {
            return Ok(Self::default());
        };
        Self::parse(&document.bytes).map_err(|error| {
            let why = printable::line(&error.to_string()).into_owned();
            Error::Image(images::Error::Damaged {
                what: format!("the manifest {}", document.digest),
                place: image
                    .layers
                    .first()
                    .map_or("", |layer| layer.place())
                    .to_owned(),
                why,
            })
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Returns what is noted of the image.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.clone().unwrap_or_default()
    }

    /// Returns the descriptors of the layers.
    pub(crate) fn layers(&self) -> &[Pointer] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Tells whether `BuildKit` has rewritten the times of the layer at `place`.
    pub(crate) fn is_rewritten(&self, place: usize) -> bool {
        let layer = self.layers().get(place);
        layer.is_some_and(|layer| layer.rewritten().is_some())
    }

    /// Tells whether `BuildKit` notes of all layers that it has rewritten their times.
    pub(crate) fn is_noted_of_all(&self) -> bool {
        self.layers()
            .iter()
            .all(|layer| layer.rewritten().is_some())
    }

    /// Returns how many layers come before the first that `BuildKit` has rewritten, if it has rewritten any.
    pub(crate) fn layers_below_rewritten(&self) -> Option<usize> {
        self.layers()
            .iter()
            .position(|layer| layer.rewritten().is_some())
    }
}

/// Returns the repository and the tag that an image is canonical under: those in its annotations, or the one
/// name that whoever saved it gave it.
pub(crate) fn name(
    image: &Image,
    manifest: &Manifest,
    profile: &Profile,
) -> Result<(String, String), Error> {
    let annotations = manifest.annotations();
    let says = |key: &str| annotations.get(key);
    if let (Some(repository), Some(tag)) = (says(&profile.source()), says(Profile::VERSION)) {
        if is_name(repository, tag) {
            return Ok((repository.clone(), tag.clone()));
        }
        let name = format!("{repository}:{tag}");
        return Err(Error::Name {
            why: format!(
                "the name `{}` in its annotations is not valid",
                printable::line(&name)
            ),
        });
    }
    let mut names: Vec<_> = image
        .names
        .iter()
        .filter_map(|name| parse_name(name, profile.registry))
        .collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::Name {
            why: "this image does not say it".to_owned(),
        }),
        several => {
            let several: Vec<_> = several
                .iter()
                .map(|(repository, tag)| format!("{repository}:{tag}"))
                .collect();
            Err(Error::Name {
                why: format!("this image has several: {}", several.join(", ")),
            })
        }
    }
}

/// Reads `[REGISTRY/]REPOSITORY:TAG`. Podman calls what it built `localhost/REPOSITORY:TAG`.
fn parse_name(name: &str, registry: &str) -> Option<(String, String)> {
    let name = [registry, "localhost"]
        .iter()
        .find_map(|host| name.strip_prefix(host)?.strip_prefix('/'))
        .unwrap_or(name);
    let (repository, tag) = name.rsplit_once(':')?;
    (repository.contains('/') && is_name(repository, tag))
        .then(|| (repository.to_owned(), tag.to_owned()))
}

/// Tells whether these can be a repository without a registry, and a tag: no other text goes into a manifest.
fn is_name(repository: &str, tag: &str) -> bool {
    let is_host = |part: &str| part.contains(['.', ':']);
    let first = repository.split_once('/').map(|(first, _)| first);
    let is_plain = |text: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        !text.is_empty() && text.bytes().all(known)
    };
    !first.is_some_and(is_host) && is_plain(repository) && is_plain(tag) && !tag.contains('/')
}

#[cfg(test)]
mod tests {
    use super::parse_name;

    #[rstest::rstest]
    #[case("docker.io/stagex/core-x:1.0", Some(("stagex/core-x", "1.0")))]
    #[case("localhost/stagex/core-x:1.0", Some(("stagex/core-x", "1.0")))]
    #[case("stagex/core-x:1.0", Some(("stagex/core-x", "1.0")))]
    #[case("quay.io/stagex/core-x:1.0", None)]
    #[case("core-x:1.0", None)]
    #[case("stagex/core-x", None)]
    #[case("stagex/a b:1", None)]
    #[case("1.0", None)]
    #[case("stagex/core-x\nforged\n:1.0", None)]
    fn names_are_read(#[case] name: &str, #[case] expected: Option<(&str, &str)>) {
        let expected = expected.map(|(name, tag)| (name.to_owned(), tag.to_owned()));
        assert_eq!(parse_name(name, "docker.io"), expected);
    }
}
