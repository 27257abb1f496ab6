//! Mutants that put an image together in another way than the canonical one: its layers, and how
//! they are compressed.

use std::collections::BTreeSet;

use go_flate::Level;
use serde_json::{Value, json};

use crate::image::Image;
use crate::member::Member;
use crate::mutant::{Change, Mutant};
use crate::related::{
    every_case, has_a_base, has_empty_layers, has_whiteouts, is_whiteout, last_name,
};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "empty_layers_are_left_out",
        case: "empty-layers-stay",
        shows: "layers, found",
        related: has_empty_layers,
        change: Change::Encoder(leave_out_empty_layers),
    },
    Mutant {
        name: "empty_layers_are_not_annotated",
        case: "empty-layers-stay",
        shows: "manifest: layers",
        related: has_empty_layers,
        change: Change::Encoder(|image| {
            for layer in &mut image.layers {
                if layer.members.is_empty() {
                    layer.annotations.clear();
                }
            }
        }),
    },
    Mutant {
        name: "layers_of_the_base_are_annotated",
        case: "layers-of-the-base-stay-as-they-are",
        shows: "manifest: layers[0].annotations",
        related: has_a_base,
        change: Change::Encoder(|image| {
            let note = image.layers.first().map(|layer| layer.annotations.clone());
            for (descriptor, _) in &mut image.base {
                descriptor.annotations = note.clone().unwrap_or_default();
            }
        }),
    },
    Mutant {
        name: "opaque_marks_are_written",
        case: "a-recreated-folder-hides-each-child",
        shows: ".wh..wh..opq",
        related: has_whiteouts,
        change: Change::Encoder(write_opaque_marks),
    },
    Mutant {
        name: "the_level_of_gzip_is_one_less",
        case: "a-megabyte-is-compressed-at-level-six",
        shows: "compressed in another way",
        related: every_case,
        change: Change::Encoder(|image| image.level = Level::new(5).unwrap()),
    },
    Mutant {
        name: "the_level_of_gzip_is_one_more",
        case: "a-megabyte-is-compressed-at-level-six",
        shows: "compressed in another way",
        related: every_case,
        change: Change::Encoder(|image| image.level = Level::new(7).unwrap()),
    },
    Mutant {
        name: "gzip_names_an_operating_system",
        case: "a-megabyte-is-compressed-at-level-six",
        shows: "compressed in another way",
        related: every_case,
        change: Change::Encoder(|image| image.system = 3),
    },
    Mutant {
        name: "another_gzip_hides_no_label",
        case: "config-is-inherited-over-three-levels",
        shows: "config: config.Labels.kept: expected \"yes\"",
        related: every_case,
        change: Change::Encoder(|image| {
            image.system = 3;
            let labels = image.config["config"].get_mut("Labels");
            if let Some(labels) = labels.and_then(Value::as_object_mut) {
                labels.shift_remove("kept");
            }
        }),
    },
];

fn leave_out_empty_layers(image: &mut Image) {
    let base = image.base.len();
    let empty: Vec<bool> = image
        .layers
        .iter()
        .map(|layer| layer.members.is_empty())
        .collect();
    image.layers.retain(|layer| !layer.members.is_empty());
    let history = image.config["history"].as_array_mut().unwrap();
    let layered = history
        .iter_mut()
        .filter(|entry| entry.get("empty_layer").is_none());
    for (entry, empty) in layered.skip(base).zip(empty) {
        if empty {
            entry["empty_layer"] = json!(true);
        }
    }
}

/// Writes one opaque mark for all whiteouts of a directory.
fn write_opaque_marks(image: &mut Image) {
    for layer in &mut image.layers {
        let mut marked = BTreeSet::new();
        let mut members = Vec::new();
        for member in std::mem::take(&mut layer.members) {
            let path = member.path();
            let directory = path[..path.len() - last_name(&path).len()].to_vec();
            if !is_whiteout(&member) {
                members.push(member);
            } else if marked.insert(directory.clone()) {
                let directory =
                    String::from_utf8(directory).expect("these directories' names are text");
                let mut mark = Member::empty(&format!("{directory}.wh..wh..opq"));
                mark.set_mode(0);
                members.push(mark);
            }
        }
        layer.members = members;
    }
}
