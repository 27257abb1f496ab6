//! The documents of two images: indexes, manifest, config and history. What follows from other differences is not
//! taken for one: a manifest that points to another layer says nothing that the layer does not say.

use documents::{DiffClass, DiffPart, Difference};
use images::{Digest, Document, Image, Source};
use serde_json::Value;

use crate::findings::Findings;
use crate::paper::{Paper, without_pointers};

const INDEX: Paper = Paper {
    part: DiffPart::Index,
    class: DiffClass::Index,
    top: "",
};
const MANIFEST: Paper = Paper {
    part: DiffPart::Manifest,
    class: DiffClass::Manifest,
    top: "",
};
const CONFIG: Paper = Paper {
    part: DiffPart::Config,
    class: DiffClass::Config,
    top: "",
};
const HISTORY: Paper = Paper {
    part: DiffPart::Config,
    class: DiffClass::History,
    top: ".history",
};

/// Compares the documents beside the images of two sources: the lists of layouts, and attestations.
pub(crate) fn compare_sources(left: &Source, right: &Source, findings: &mut Findings) {
    if let (Some(left), Some(right)) = (left.index(), right.index()) {
        pointing(INDEX, left, right, findings);
    }
    let list = |source: &Source| {
        let digests = source.attestations().iter();
        let mut digests: Vec<String> = digests.map(ToString::to_string).collect();
        digests.sort_unstable();
        Some(digests.join(" ")).filter(|text| !text.is_empty())
    };
    let (left, right) = (list(left), list(right));
    if left != right {
        findings.add(Difference {
            platform: None,
            part: DiffPart::Index,
            layer: None,
            path: None,
            class: DiffClass::Index,
            what: "attestations".to_owned(),
            left,
            right,
            content: None,
        });
    }
}

/// Compares every byte of the documents that lead to two images, and are them.
pub(crate) fn compare_strictly(left: &Image, right: &Image, findings: &mut Findings) {
    let count = |image: &Image| format!("{} above the manifest", image.indexes.len());
    if left.indexes.len() == right.indexes.len() {
        for (left, right) in left.indexes.iter().zip(&right.indexes) {
            documents(INDEX, left, right, findings);
        }
    } else if left.manifest.is_some() && right.manifest.is_some() {
        findings.add(Difference {
            platform: None,
            part: DiffPart::Index,
            layer: None,
            path: None,
            class: DiffClass::Index,
            what: "indexes".to_owned(),
            left: Some(count(left)),
            right: Some(count(right)),
            content: None,
        });
    }
    match (&left.manifest, &right.manifest) {
        (Some(left), Some(right)) => documents(MANIFEST, left, right, findings),
        (None, None) => {}
        _ => findings.note(
            "a docker-archive has no manifest and no compressed layers: neither is compared"
                .to_owned(),
        ),
    }
    if left.config.digest == right.config.digest {
        return;
    }
    let mut found = findings.beside();
    configs(left, right, true, &mut found);
    if left.layers.len() != right.layers.len() {
        findings.note(
            "the images have other numbers of layers: how manifest and config are spelled is not compared"
                .to_owned(),
        );
    } else if found.is_empty() {
        CONFIG.spelling(&left.config.bytes, &right.config.bytes, &mut found);
    }
    findings.extend(found);
}

/// Compares the digests of the documents that are two images, in which and in whose layers nothing else was found. What
/// says that they differ then was passed over as something that follows from another difference, and there is none.
pub(crate) fn compare_digests(left: &Image, right: &Image, findings: &mut Findings) {
    digests(CONFIG, &left.config.digest, &right.config.digest, findings);
    if let (Some(left), Some(right)) = (&left.manifest, &right.manifest) {
        digests(MANIFEST, &left.digest, &right.digest, findings);
    }
}

/// Does the same for what leads to images: the lists of layouts, and the indexes above those images that are compared
/// with each other.
pub(crate) fn compare_digests_above(
    (left, right): (&Source, &Source),
    images: &[(&Image, &Image)],
    findings: &mut Findings,
) {
    if let (Some(left), Some(right)) = (left.index(), right.index()) {
        digests(INDEX, &Digest::of(left), &Digest::of(right), findings);
    }
    for (left, right) in images {
        for (left, right) in left.indexes.iter().zip(&right.indexes) {
            digests(INDEX, &left.digest, &right.digest, findings);
        }
    }
}

/// Takes it if two digests differ, and nothing was found before.
fn digests(paper: Paper, left: &Digest, right: &Digest, findings: &mut Findings) {
    if left == right || !findings.is_empty() {
        return;
    }
    findings.add(Difference {
        platform: None,
        part: paper.part,
        layer: None,
        path: None,
        class: paper.class,
        what: "digest".to_owned(),
        left: Some(left.to_string()),
        right: Some(right.to_string()),
        content: None,
    });
}

/// Compares what two images say to a container.
pub(crate) fn compare_meaning(left: &Image, right: &Image, findings: &mut Findings) {
    if left.config.digest != right.config.digest {
        configs(left, right, false, findings);
    }
}

fn documents(paper: Paper, left: &Document, right: &Document, findings: &mut Findings) {
    if left.digest != right.digest {
        pointing(paper, &left.bytes, &right.bytes, findings);
    }
}

/// Compares documents that point to blobs.
fn pointing(paper: Paper, left: &[u8], right: &[u8], findings: &mut Findings) {
    if left == right {
        return;
    }
    let mut found = findings.beside();
    let (mut first, mut second) = (parsed(left), parsed(right));
    without_pointers(&mut first);
    without_pointers(&mut second);
    let is_comparable = paper.class != DiffClass::Manifest || same_length(&mut first, &mut second);
    paper.compare(&first, &second, &mut found);
    if found.is_empty() && is_comparable {
        paper.spelling(left, right, &mut found);
    }
    findings.extend(found);
}

/// Leaves out the layers that one manifest has more: they are a difference of their own. Returns whether both had
/// as many.
fn same_length(left: &mut Value, right: &mut Value) -> bool {
    let lists = [left, right].map(|value| value["layers"].as_array_mut());
    let [Some(left), Some(right)] = lists else {
        return true;
    };
    let (here, there) = (left.len(), right.len());
    left.truncate(there);
    right.truncate(here);
    here == there
}

fn configs(left: &Image, right: &Image, with_history: bool, findings: &mut Findings) {
    let (mut left, mut right) = (parsed(&left.config.bytes), parsed(&right.config.bytes));
    let mut histories = Vec::new();
    for config in [&mut left, &mut right] {
        if let Value::Object(fields) = config {
            // The layers are compared themselves.
            if let Some(Value::Object(layers)) = fields.get_mut("rootfs") {
                layers.shift_remove("diff_ids");
            }
            let history = fields.shift_remove("history");
            histories.push(history.unwrap_or(Value::Null));
            if !with_history {
                fields.shift_remove("created");
            }
        }
    }
    CONFIG.compare(&left, &right, findings);
    if let ([left, right], true) = (histories.as_slice(), with_history) {
        HISTORY.compare(left, right, findings);
    }
}

/// Returns what a document says. It was understood before; what it says twice counts as it is said last.
fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
