//! Mutants that put an image together in another way than the canonical one: its layers, their
//! compression, its config.

use std::collections::BTreeSet;

use go_flate::Level;
use serde_json::json;

use crate::image::Image;
use crate::member::Member;
use crate::mutant::{Change, Mutant};
use crate::recording::RecordedLayer;
use crate::related::{
    every_case, has_a_base, has_empty_layers, has_several_layers, has_whiteouts, is_whiteout,
    last_name, meant, says, walked,
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
        name: "entries_that_equal_the_base_are_kept",
        case: "an-equal-file-is-dropped",
        shows: "found the entry",
        related: |case| has_a_base(case) || has_several_layers(case),
        change: Change::EncoderOfTouched(keep_what_equals_the_base),
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
        name: "angle_brackets_are_not_escaped_in_json",
        case: "characters-that-json-escapes",
        shows: "manifest: config.digest",
        related: |case| {
            ["\\u003c", "\\u003e", "\\u0026"]
                .iter()
                .any(|each| says(case, each))
        },
        change: Change::Encoder(|image| {
            image.spell = |text| {
                let text = text.replace("\\u003c", "<");
                text.replace("\\u003e", ">").replace("\\u0026", "&")
            };
        }),
    },
    Mutant {
        name: "the_config_is_in_another_order",
        case: "history-of-what-only-the-config-shows",
        shows: "manifest: config.digest",
        related: every_case,
        change: Change::Encoder(|image| {
            let fields = image.config.as_object().unwrap().clone();
            image.config = fields.into_iter().rev().collect();
        }),
    },
    Mutant {
        name: "the_image_has_no_time",
        case: "history-of-what-only-the-config-shows",
        shows: "config: created: expected \"1970-01-01T00:00:01Z\", found \"nothing\"",
        related: every_case,
        change: Change::Encoder(|image| {
            image
                .config
                .as_object_mut()
                .unwrap()
                .shift_remove("created");
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

/// Writes one opaque mark for all whiteouts of a folder.
fn write_opaque_marks(image: &mut Image) {
    for layer in &mut image.layers {
        let mut marked = BTreeSet::new();
        let mut members = Vec::new();
        for member in std::mem::take(&mut layer.members) {
            let path = member.path();
            let folder = path[..path.len() - last_name(&path).len()].to_vec();
            if !is_whiteout(&member) {
                members.push(member);
            } else if marked.insert(folder.clone()) {
                let folder = String::from_utf8(folder).expect("these folders' names are text");
                let mut mark = Member::empty(&format!("{folder}.wh..wh..opq"));
                mark.set_mode(0);
                members.push(mark);
            }
        }
        layer.members = members;
    }
}

/// Adds what the engine handed over although it is in the base.
fn keep_what_equals_the_base(image: &mut Image, touched: &[RecordedLayer]) {
    let base = image.base.iter().flat_map(|(_, members)| members);
    let mut below: BTreeSet<_> = base.map(Member::path).collect();
    for (layer, touched) in image.layers.iter_mut().zip(touched) {
        let own: BTreeSet<_> = layer.members.iter().map(meant).collect();
        let kept = touched.members.iter().filter(|member| {
            let path = member.path();
            below.contains(&path) && !own.contains(&path) && !is_whiteout(member)
        });
        let kept: Vec<_> = kept.cloned().collect();
        below.extend(own);
        for mut member in kept {
            member.set_seconds(member.seconds().min(1));
            layer.members.push(member);
        }
        layer
            .members
            .sort_by_cached_key(|member| walked(&meant(member)));
    }
}
