//! The canonical encoding, as one value: all that decides about bytes and is neither in a Containerfile nor
//! in a layer.
//!
//! A profile is frozen by its name: what changes upstream becomes another profile. It does not know how
//! anything is encoded.

use std::collections::BTreeMap;
use std::fmt;

use go_flate::Level;

use crate::media_types::{self, MediaTypes};
use documents::rfc3339;

/// A canonical encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name, such as `stagex-2026`.
    pub name: &'static str,
    /// The version of `BuildKit` whose bytes it has.
    pub buildkit: &'static str,
    /// The newest time that anything in an image may have, in seconds since 1970.
    pub epoch: i64,
    /// The level at which layers are compressed, by the encoder of Go up to 1.26.
    pub level: Level,
    /// The media types of what an image is made of.
    pub media_types: MediaTypes,
    /// What each entry of the history says of its maker.
    pub comment: &'static str,
    /// The registry that unqualified names stand for.
    pub registry: &'static str,
    /// The build arguments that every build is given first, whatever the package.
    pub build_arguments: &'static [(&'static str, &'static str)],
}

impl Profile {
    /// What `StageX` publishes and signs since 2026: the bytes of `BuildKit` 0.26 under its own command.
    pub const STAGEX_2026: &'static Self = &Self {
        name: "stagex-2026",
        buildkit: "0.26",
        epoch: 1,
        level: Level::DEFAULT,
        media_types: MediaTypes {
            index: media_types::INDEX,
            manifest: media_types::MANIFEST,
            config: media_types::CONFIG,
            layer: media_types::LAYER,
        },
        comment: "buildkit.dockerfile.v0",
        registry: "docker.io",
        build_arguments: &[
            ("SOURCE_DATE_EPOCH", "1"),
            ("BUILDKIT_MULTI_PLATFORM", "1"),
            (
                Self::CHECKS,
                "skip=FromPlatformFlagConstDisallowed;error=true",
            ),
        ],
    };

    /// The build argument that says which checks of the frontend are asked for. It decides about no byte.
    pub const CHECKS: &'static str = "BUILDKIT_DOCKERFILE_CHECK";

    /// The annotation of a manifest that says when the image was created.
    pub const CREATED: &'static str = "org.opencontainers.image.created";

    /// The annotation of a manifest that says the version, which is the tag.
    pub const VERSION: &'static str = "org.opencontainers.image.version";

    /// The annotation of a layer to what its times were rewritten.
    pub const REWRITTEN: &'static str = "buildkit/rewritten-timestamp";

    /// All profiles.
    pub const ALL: [&'static Self; 1] = [Self::STAGEX_2026];

    /// Returns the profile of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }

    /// Returns the value that a build argument has which decides about bytes, if it is one of those.
    pub fn argument(&self, name: &str) -> Option<&'static str> {
        let mut arguments = self.build_arguments.iter();
        let found = arguments.find(|(known, _)| *known == name && name != Self::CHECKS);
        found.map(|(_, value)| *value)
    }

    /// Returns the annotations of the manifest of an image.
    pub fn annotations(&self, repository: &str, tag: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (self.source(), repository.to_owned()),
            (Self::CREATED.to_owned(), self.created()),
            (Self::VERSION.to_owned(), tag.to_owned()),
        ])
    }

    /// Returns the key of the annotation of a manifest that says the repository.
    pub fn source(&self) -> String {
        format!("containerd.io/distribution.source.{}", self.registry)
    }

    /// Returns the annotations of an image in the index of its layout: its names.
    pub fn names(&self, repository: &str, tag: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (
                "io.containerd.image.name".to_owned(),
                format!("{}/{repository}:{tag}", self.registry),
            ),
            (Self::CREATED.to_owned(), self.created()),
            (REFERENCE.to_owned(), tag.to_owned()),
        ])
    }

    /// Returns the annotations of a layer that is not of the base.
    pub fn layer_annotations(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(Self::REWRITTEN.to_owned(), self.epoch.to_string())])
    }

    fn created(&self) -> String {
        rfc3339(self.epoch)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

pub(crate) const REFERENCE: &str = "org.opencontainers.image.ref.name";
