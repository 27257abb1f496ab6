//! What is told of images that were made canonical, for people.

use std::fmt::Write as _;

use documents::{Canon, CanonChange, CanonPart, CanonWhat, LayerWriter};

use crate::render;

/// Returns what became of an image: its digest, and what is other.
pub(super) fn canon(document: &Canon) -> String {
    let mut text = String::new();
    let (repository, tag) = (&document.repository, &document.tag);
    let _ = writeln!(text, "{} {repository}:{tag}", document.digest.hex());
    if document.is_canonical {
        let _ = writeln!(text, "it is canonical");
    } else if let Some(before) = &document.before {
        let _ = writeln!(text, "it was {}", before.hex());
    }
    text + &changes(document)
}

/// Returns a line for each change.
pub(super) fn changes(document: &Canon) -> String {
    let mut text = String::new();
    for change in &document.changes {
        let _ = writeln!(text, "  {}: {}", place(change), what(change, document));
    }
    text
}

fn place(change: &CanonChange) -> String {
    match (change.part, change.layer) {
        (CanonPart::Layer, Some(layer)) => format!("layer {layer}"),
        (CanonPart::Layer, None) => "layers".to_owned(),
        (CanonPart::Config, _) => "config".to_owned(),
        (CanonPart::Manifest, _) => "manifest".to_owned(),
        (CanonPart::Index, _) => "index".to_owned(),
    }
}

fn what(change: &CanonChange, document: &Canon) -> String {
    let count = usize::try_from(change.count).unwrap_or(usize::MAX);
    let counted = |noun: &str| render::count(count, noun);
    let entries = || match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    let detail = change.detail.as_deref().unwrap_or_default();
    let with_detail = |text: String| match detail {
        "" => text,
        detail => format!("{text} ({detail})"),
    };
    match change.what {
        CanonWhat::Compression => {
            let at = change.layer.and_then(|layer| usize::try_from(layer).ok());
            let layer = at.and_then(|at| document.layers.get(at.checked_sub(1)?));
            let writer = layer.map_or(LayerWriter::Unknown, |layer| layer.writer);
            format!("compressed again; it was {}", written_by(writer))
        }
        CanonWhat::Times => format!("times of {} became the epoch", entries()),
        CanonWhat::FineTimes => {
            format!("parts of seconds and other times of {} dropped", entries())
        }
        CanonWhat::OwnerNames => format!("names of owners of {} dropped", entries()),
        CanonWhat::Attributes => format!("extended attributes of {} dropped", entries()),
        CanonWhat::Headers => format!("{} written in another form", counted("header")),
        CanonWhat::Names => format!("{} written in another way", counted("name")),
        CanonWhat::Root => "the entry of the root dropped".to_owned(),
        CanonWhat::Whiteouts => format!("{} got the time and the mode 0", counted("whiteout")),
        CanonWhat::Opaque => format!("opaque directories written as whiteouts ({count})"),
        CanonWhat::Order => format!("{} put into order", entries()),
        CanonWhat::Dropped => format!(
            "{} dropped that the canonical layer does not have",
            entries()
        ),
        CanonWhat::Added => format!("{} added", entries()),
        CanonWhat::MadeDirectories => {
            format!("directories that COPY made got the mode of --chmod ({count})")
        }
        CanonWhat::Leftovers => {
            with_detail(format!("{} of the engine dropped", counted("leftover")))
        }
        CanonWhat::Ambiguous => with_detail(format!("{} could not be told for certain", entries())),
        CanonWhat::Form => "the tar written in another form".to_owned(),
        CanonWhat::History => with_detail(format!(
            "{} of the history written as by BuildKit 0.26",
            counted("text")
        )),
        CanonWhat::Created => format!("times of the history became the epoch ({count})"),
        CanonWhat::Fields => with_detail(format!("{} other", counted("field"))),
        CanonWhat::Json => "the JSON written in another form".to_owned(),
        CanonWhat::Annotations => with_detail(format!("{} other", counted("annotation"))),
        CanonWhat::MediaTypes => format!("{} became OCI's", counted("media type")),
        CanonWhat::Indexes => with_detail("other indexes".to_owned()),
    }
}

/// Returns by what a layer was compressed.
pub(super) fn written_by(writer: LayerWriter) -> &'static str {
    match writer {
        LayerWriter::Go => "compressed by Go up to 1.26, in another way",
        LayerWriter::NewerGo => "compressed by Go 1.27 or later",
        LayerWriter::Pgzip => "compressed by pgzip, as Podman and Buildah do",
        LayerWriter::Zlib => "compressed by zlib or gzip",
        LayerWriter::Zstd => "compressed with zstd",
        LayerWriter::Nothing => "not compressed",
        LayerWriter::Unknown => "compressed by something that is not known",
    }
}
