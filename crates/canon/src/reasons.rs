//! The reasons why an image is not canonical, each with its sentence, and how they are found out.
//!
//! It knows what engines and StageX's releases wrote. It does not know how an image becomes canonical.

use std::collections::BTreeMap;

use documents::{Canon, CanonPart, CanonWhat, ExplainCause, ExplainReason, LayerWriter};
use images::Image;
use oci_image::{HistoryEntry, Profile};

use crate::facts::Manifest;
use crate::text;
use crate::unpack::Unpacked;

/// How the texts begin that Buildah writes, and Docker without `BuildKit`.
const CLASSIC: &str = "/bin/sh -c #(nop)";
/// The label in which Buildah notes its version.
const BUILDAH: &str = "io.buildah.version";
/// What the media types of Docker begin with.
const DOCKER: &str = "application/vnd.docker.";
const REVISION: &str = "org.opencontainers.image.revision";

/// Returns the sentence of a reason.
pub(crate) fn sentence(reason: ExplainReason) -> &'static str {
    use ExplainReason as Reason;
    match reason {
        Reason::Buildah => {
            "Buildah or Podman built it, which list what was touched and write a history of their own"
        }
        Reason::ClassicDocker => "Docker built it without BuildKit, whose history is another one",
        Reason::NewerGo => {
            "your Docker was built with Go 1.27 or later, whose gzip writes other bytes"
        }
        Reason::Pgzip => "Podman or Buildah compressed its layers again, with pgzip",
        Reason::Zlib => "its layers were compressed by zlib or gzip, not by Docker",
        Reason::Zstd => "its layers are compressed with zstd",
        Reason::Uncompressed => "its layers are not compressed",
        Reason::UnknownEncoder => "its layers were compressed by something that is not known",
        Reason::Times => {
            "the times of its files are not the epoch: it was built without rewrite-timestamp=true"
        }
        Reason::Whiteouts => "its whiteouts have a time: BuildKit before 0.19 wrote them",
        Reason::MadeDirectories => {
            "directories that a COPY --chmod made have other modes: BuildKit before 0.21, Buildah or Podman made them"
        }
        Reason::Touched => {
            "its layers list what was touched, and are in another form than BuildKit's"
        }
        Reason::ExposeText => "its history has EXPOSE as BuildKit before 0.24 wrote it",
        Reason::ArgumentText => {
            "its history has an ARG of the platform without its value, as BuildKit before 0.14 wrote it"
        }
        Reason::Created => {
            "the times of its history are not the epoch: it was built without SOURCE_DATE_EPOCH=1"
        }
        Reason::Annotations2024 => {
            "these are the annotations of StageX 2024: the revision and the version"
        }
        Reason::Annotations202502 => "this is the annotation of StageX 2025.02: the version alone",
        Reason::Annotations202503 => {
            "these are the annotations of StageX 2025.03 to 2025.10: the repository without its stage"
        }
        Reason::Annotations => "its annotations are not those of StageX's command",
        Reason::MediaTypes => "its manifest has Docker's media types, and so no annotations",
        Reason::NotNoted => "it is not noted beside its layers that their times were rewritten",
        Reason::NotedOfBase => {
            "it is noted beside its base's layers, too, that their times were rewritten, as BuildKit up to 0.13 does"
        }
        Reason::Config => "its config has other fields",
        Reason::Index => "it is the digest of the index, not of the manifest",
        Reason::ConfigDigest => "it is the digest of the config, which Docker calls the image's ID",
        Reason::LayerDigest => "it is the digest of a layer, not of an image",
        Reason::Form => "its documents or its tars are written in another form",
    }
}

/// Tells whether a reason says why, or only that something is not known.
pub(crate) fn is_known(reason: ExplainReason) -> bool {
    use ExplainReason as Reason;
    !matches!(
        reason,
        Reason::UnknownEncoder | Reason::Config | Reason::Form
    )
}

/// Reasons, each with the layers that it is seen in.
#[derive(Debug, Default)]
pub(crate) struct Reasons(BTreeMap<ExplainReason, Vec<u64>>);

impl Reasons {
    pub(crate) fn add(&mut self, reason: ExplainReason) {
        self.0.entry(reason).or_default();
    }

    pub(crate) fn add_layer(&mut self, reason: ExplainReason, place: usize) {
        let layers = self.0.entry(reason).or_default();
        layers.push(place as u64 + 1);
        layers.dedup();
    }

    /// Returns them, the weightiest first: their order is that of [`ExplainReason`].
    pub(crate) fn into_causes(self) -> Vec<ExplainCause> {
        let cause = |(cause, layers)| ExplainCause {
            cause,
            sentence: sentence(cause).to_owned(),
            layers,
        };
        self.0.into_iter().map(cause).collect()
    }
}

/// What reasons are found in.
pub(crate) struct Evidence<'a> {
    pub(crate) image: &'a Image,
    pub(crate) manifest: &'a Manifest,
    pub(crate) history: &'a [HistoryEntry],
    pub(crate) unpacked: &'a [Unpacked],
    pub(crate) profile: &'a Profile,
    /// What became of the image, if its canonical form is known.
    pub(crate) canon: Option<&'a Canon>,
}

impl Evidence<'_> {
    /// Returns all reasons that show.
    pub(crate) fn reasons(&self) -> Reasons {
        let mut reasons = Reasons::default();
        self.of_builder(&mut reasons);
        self.of_layers(&mut reasons);
        self.of_history(&mut reasons);
        self.of_manifest(&mut reasons);
        self.of_changes(&mut reasons);
        if reasons.0.contains_key(&ExplainReason::Buildah) {
            // Its label is such a field, and its whiteouts have times of their own.
            reasons.0.remove(&ExplainReason::Config);
            reasons.0.remove(&ExplainReason::Whiteouts);
        }
        reasons
    }

    fn of_builder(&self, reasons: &mut Reasons) {
        let config: serde_json::Value =
            serde_json::from_slice(&self.image.config.bytes).unwrap_or_default();
        if config["config"]["Labels"].get(BUILDAH).is_some() {
            reasons.add(ExplainReason::Buildah);
        } else if let Some(last) = self.history.last()
            && last.created_by.starts_with(CLASSIC)
        {
            reasons.add(ExplainReason::ClassicDocker);
        }
    }

    fn of_layers(&self, reasons: &mut Reasons) {
        for (place, layer) in self.unpacked.iter().enumerate() {
            // What has the canonical blob is right, whatever it looks like.
            let known = self.canon.and_then(|canon| canon.layers.get(place));
            if known.is_some_and(|layer| layer.before.as_ref() == Some(&layer.digest)) {
                continue;
            }
            let is_same_tar = known.is_some_and(|layer| layer.diff_id_before == layer.diff_id);
            let reason = match layer.writer {
                LayerWriter::Go if is_same_tar => Some(ExplainReason::UnknownEncoder),
                LayerWriter::Go => None,
                LayerWriter::NewerGo => Some(ExplainReason::NewerGo),
                LayerWriter::Pgzip => Some(ExplainReason::Pgzip),
                LayerWriter::Zlib => Some(ExplainReason::Zlib),
                LayerWriter::Zstd => Some(ExplainReason::Zstd),
                LayerWriter::Nothing => Some(ExplainReason::Uncompressed),
                LayerWriter::Unknown => Some(ExplainReason::UnknownEncoder),
            };
            if let Some(reason) = reason {
                reasons.add_layer(reason, place);
            }
            if known.is_some_and(|layer| layer.is_of_base) {
                continue;
            }
            let census = &layer.census;
            let touched = census.opaque + census.attributes + census.owner_names + census.root;
            let found = [
                (ExplainReason::Times, census.times),
                (ExplainReason::Whiteouts, census.whiteouts),
                (
                    ExplainReason::Touched,
                    touched + census.names + census.headers + census.fine_times,
                ),
            ];
            for (reason, _) in found.into_iter().filter(|(_, count)| *count > 0) {
                reasons.add_layer(reason, place);
            }
        }
    }

    fn of_history(&self, reasons: &mut Reasons) {
        let Ok(platform) = self.image.platform.parse() else {
            return;
        };
        let own = self.history.iter();
        let own = own.filter(|entry| entry.comment == self.profile.comment);
        for entry in own {
            match text::canonical(&entry.created_by, &platform) {
                Ok(Some(text)) if text.starts_with("EXPOSE") => {
                    reasons.add(ExplainReason::ExposeText);
                }
                Ok(Some(_)) => reasons.add(ExplainReason::ArgumentText),
                Ok(None) | Err(()) => {}
            }
        }
    }

    fn of_manifest(&self, reasons: &mut Reasons) {
        if self.image.manifest.is_none() {
            return;
        }
        if self.manifest.media_type.starts_with(DOCKER) {
            reasons.add(ExplainReason::MediaTypes);
            return;
        }
        let is_other = self.changed(CanonPart::Manifest, CanonWhat::Annotations);
        if is_other || self.canon.is_none() {
            let reason = self.annotations();
            reasons.0.extend(reason.map(|reason| (reason, Vec::new())));
        }
    }

    /// Returns whose annotations the manifest has; nothing where they look like the profile's.
    fn annotations(&self) -> Option<ExplainReason> {
        let found = self.manifest.annotations();
        let source = self.profile.source();
        let keys: Vec<&str> = found.keys().map(String::as_str).collect();
        if keys != [source.as_str(), Profile::CREATED, Profile::VERSION] {
            return Some(match keys.as_slice() {
                [Profile::VERSION] => ExplainReason::Annotations202502,
                [REVISION, Profile::VERSION] => ExplainReason::Annotations2024,
                _ => ExplainReason::Annotations,
            });
        }
        let canon = self.canon?;
        let (repository, tag) = (canon.repository.as_str(), canon.tag.as_str());
        let older = self.profile.annotations(&without_stage(repository), tag);
        let mut layers = canon.layers.iter().enumerate();
        let noted_of_base =
            layers.any(|(place, layer)| layer.is_of_base && self.manifest.is_rewritten(place));
        Some(if found == self.profile.annotations(repository, tag) {
            if noted_of_base {
                ExplainReason::NotedOfBase
            } else {
                ExplainReason::NotNoted
            }
        } else if found == older {
            ExplainReason::Annotations202503
        } else {
            ExplainReason::Annotations
        })
    }

    /// Adds what shows only beside the canonical image.
    fn of_changes(&self, reasons: &mut Reasons) {
        let Some(canon) = self.canon else { return };
        for change in &canon.changes {
            let place = change
                .layer
                .and_then(|layer| usize::try_from(layer - 1).ok());
            let reason = match (change.part, change.what) {
                (_, CanonWhat::MadeDirectories) => ExplainReason::MadeDirectories,
                (
                    CanonPart::Layer,
                    CanonWhat::Dropped | CanonWhat::Added | CanonWhat::Order | CanonWhat::Leftovers,
                ) => ExplainReason::Touched,
                (_, CanonWhat::Form)
                | (CanonPart::Config | CanonPart::Manifest, CanonWhat::Json) => ExplainReason::Form,
                (CanonPart::Config, CanonWhat::Created) => ExplainReason::Created,
                (CanonPart::Config, CanonWhat::Fields) => ExplainReason::Config,
                _ => continue,
            };
            match place {
                Some(place) => reasons.add_layer(reason, place),
                None => reasons.add(reason),
            }
        }
    }

    fn changed(&self, part: CanonPart, what: CanonWhat) -> bool {
        let changes = self.canon.iter().flat_map(|canon| &canon.changes);
        let mut found = changes.filter(|change| (change.part, change.what) == (part, what));
        found.next().is_some()
    }
}

/// Returns a repository without its package's stage: `stagex/musl` of `stagex/core-musl`.
pub(crate) fn without_stage(repository: &str) -> String {
    let (parent, name) = repository.rsplit_once('/').unwrap_or(("", repository));
    let name = name.split_once('-').map_or(name, |(_, name)| name);
    format!("{parent}/{name}")
        .trim_start_matches('/')
        .to_owned()
}
