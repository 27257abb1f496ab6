//! What is other in the canonical image than in the one that it was made from, as a list.
//!
//! It compares; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use documents::{CanonChange, CanonPart, CanonWhat, LayerWriter};
use images::{Image, Layer};
use oci_image::{Event, Layout, RewrittenLayer};
use serde_json::Value;

use crate::facts::{Manifest, Pointer};
use crate::unpack::Unpacked;

/// How many names a detail has at most.
const MOST_NAMES: usize = 5;

/// What is other, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<CanonChange>);

impl Changes {
    pub(crate) fn into_list(self) -> Vec<CanonChange> {
        self.0
    }

    fn add(&mut self, part: CanonPart, what: CanonWhat, count: usize, detail: Option<String>) {
        if count > 0 {
            self.0.push(CanonChange {
                part,
                layer: None,
                what,
                count: count as u64,
                detail,
            });
        }
    }

    /// Adds what is other in the layer at `place`.
    pub(crate) fn layer(
        &mut self,
        place: usize,
        (layer, unpacked): (&Layer, &Unpacked),
        now: &RewrittenLayer,
    ) {
        let first = self.0.len();
        let mut add = |what, count, detail| self.add(CanonPart::Layer, what, count, detail);
        if layer.diff_id == now.layer.diff_id {
            let is_same = layer.digest == Some(now.layer.blob.digest);
            add(CanonWhat::Compression, usize::from(!is_same), None);
        } else {
            for (what, count) in unpacked.census.changes() {
                add(what, usize::try_from(count).unwrap_or(usize::MAX), None);
            }
            let (leftovers, ambiguous) = events(&now.events);
            // What an engine left behind is dropped, too.
            let dropped = now.reshaped.dropped.saturating_sub(leftovers.len());
            let dropped =
                dropped.saturating_sub(usize::try_from(unpacked.census.opaque).unwrap_or(0));
            let other = unpacked.writer != LayerWriter::Go;
            add(CanonWhat::Compression, usize::from(other), None);
            add(CanonWhat::Order, now.reshaped.moved, None);
            add(CanonWhat::Dropped, dropped, None);
            add(CanonWhat::Added, now.reshaped.added, None);
            add(CanonWhat::MadeDirectories, now.reshaped.levelled, None);
            add(CanonWhat::Leftovers, leftovers.len(), names(&leftovers));
            add(CanonWhat::Ambiguous, ambiguous.len(), names(&ambiguous));
        }
        if self.0.len() == first && layer.diff_id != now.layer.diff_id {
            self.add(CanonPart::Layer, CanonWhat::Form, 1, None);
        }
        for change in &mut self.0[first..] {
            change.layer = Some(place as u64 + 1);
        }
    }

    /// Adds what is other in the config. The layers' diff ids are not told once more.
    pub(crate) fn config(&mut self, before: &[u8], now: &[u8]) {
        let first = self.0.len();
        let read = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let (old, new) = (read(before), read(now));
        let part = CanonPart::Config;
        let entries = |document: &Value, field: &str| -> Vec<Value> {
            let history = document["history"].as_array();
            let entries = history.into_iter().flatten();
            entries.map(|entry| entry[field].clone()).collect()
        };
        let differ = |field: &str| count_differing(&entries(&old, field), &entries(&new, field));
        let texts = differ("created_by") + differ("comment") + differ("empty_layer");
        self.add(part, CanonWhat::History, texts, None);
        let created = differ("created") + usize::from(old["created"] != new["created"]);
        self.add(part, CanonWhat::Created, created, None);
        let mut fields = differing(&old, &new, "");
        fields
            .retain(|field| !["config", "created", "history", "rootfs"].contains(&field.as_str()));
        fields.extend(differing(&old["config"], &new["config"], "config."));
        self.add(part, CanonWhat::Fields, fields.len(), names(&fields));
        let is_other = before != now && old["rootfs"] == new["rootfs"];
        if is_other && self.0.len() == first {
            self.add(part, CanonWhat::Json, 1, None);
        }
    }

    /// Adds what is other in the manifest, and in what leads to it.
    pub(crate) fn manifest(&mut self, before: &Manifest, (image, layout): (&Image, &Layout)) {
        let part = CanonPart::Manifest;
        let Some(document) = &image.manifest else {
            let detail = Some("there was none".to_owned());
            self.add(part, CanonWhat::Fields, 1, detail);
            return;
        };
        let now = layout.manifest();
        let mut annotations = differing_texts(&before.annotations(), &now.annotations);
        for (place, (old, new)) in before.layers().iter().zip(now.layers()).enumerate() {
            let keys = differing_texts(&old.annotations(), &new.annotations);
            annotations.extend(
                keys.into_iter()
                    .map(|key| format!("layer {}: {key}", place + 1)),
            );
        }
        self.add(
            part,
            CanonWhat::Annotations,
            annotations.len(),
            names(&annotations),
        );
        let mut types = usize::from(before.media_type != now.media_type);
        let config = before.config.as_ref().map(|config| &config.media_type);
        types += usize::from(config != Some(&now.config.media_type));
        let other =
            |(old, new): &(&Pointer, &oci_image::Descriptor)| old.media_type != new.media_type;
        types += before
            .layers()
            .iter()
            .zip(now.layers())
            .filter(other)
            .count();
        self.add(part, CanonWhat::MediaTypes, types, None);
        let is_same = document.digest == layout.manifest_digest();
        if !is_same && self.0.is_empty() {
            self.add(part, CanonWhat::Json, 1, None);
        }
        match image.indexes.as_slice() {
            [only] => {
                let canonical = layout.blobs().next().map(|index| index.digest);
                let is_other = is_same && canonical != Some(only.digest);
                self.add(
                    CanonPart::Index,
                    CanonWhat::Json,
                    usize::from(is_other),
                    None,
                );
            }
            others => {
                let detail = Some(match others.len() {
                    0 => "`index.json` points to the manifest itself".to_owned(),
                    count => format!("{count} indexes lead to the manifest"),
                });
                self.add(CanonPart::Index, CanonWhat::Indexes, 1, detail);
            }
        }
    }
}

/// Returns what was left behind, and what could not be decided.
fn events(events: &[Event]) -> (Vec<String>, Vec<String>) {
    let (mut leftovers, mut ambiguous) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::LeftoverRemoved(path) => leftovers.push(path.to_string()),
            Event::Ambiguous { .. } => ambiguous.push(event.to_string()),
        }
    }
    (leftovers, ambiguous)
}

fn count_differing(old: &[Value], new: &[Value]) -> usize {
    let pairs = old.iter().zip(new).filter(|(old, new)| old != new).count();
    pairs + old.len().abs_diff(new.len())
}

/// Returns the keys of two objects whose values are not the same.
fn differing(old: &Value, new: &Value, prefix: &str) -> Vec<String> {
    let keys = [old, new].into_iter().filter_map(Value::as_object);
    let keys: BTreeSet<_> = keys.flat_map(|object| object.keys()).collect();
    let keys = keys.into_iter().filter(|key| old[*key] != new[*key]);
    keys.map(|key| format!("{prefix}{}", printable::line(key)))
        .collect()
}

fn differing_texts(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let keys = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key));
    keys.map(|key| printable::line(key).into_owned()).collect()
}

/// Returns the first of some names as a text.
fn names(names: &[String]) -> Option<String> {
    let shown = names.iter().take(MOST_NAMES).cloned();
    let mut shown: Vec<_> = shown.collect();
    if names.len() > MOST_NAMES {
        shown.push(format!("and {} more", names.len() - MOST_NAMES));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}
