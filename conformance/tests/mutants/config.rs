//! Mutants that say something else of an image: in its config and history, and in its manifest.

use serde_json::{Value, json};

use crate::image::Image;
use crate::mutant::{Change, Mutant};
use crate::related::{every_case, no_other, says};
use crate::world::Case;

pub(crate) const MUTANTS: &[Mutant] = &[
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
            image.spell = &[("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&")];
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
    Mutant {
        name: "the_platform_is_that_of_the_machine",
        case: "an-image-of-32-bits",
        shows: "config: architecture: expected \"386\", found \"amd64\"",
        related: no_other,
        change: Change::Encoder(|image| image.config["architecture"] = json!("amd64")),
    },
    Mutant {
        name: "no_layers_are_an_empty_list",
        case: "an-image-without-layers",
        shows: "manifest: layers: expected null, found []",
        related: no_other,
        change: Change::Encoder(|image| {
            image.manifest.layers.get_or_insert_default();
        }),
    },
    Mutant {
        name: "the_manifest_does_not_say_the_version",
        case: "the-manifest-notes-name-and-version",
        shows: "manifest: annotations.org.opencontainers.image.version: expected \"2.10.3\"",
        related: every_case,
        change: Change::Encoder(|image| {
            let annotations = &mut image.manifest.annotations;
            annotations.remove("org.opencontainers.image.version");
        }),
    },
    Mutant {
        name: "variables_are_sorted",
        case: "environment-of-the-image",
        shows: "config: config.Env[",
        related: |case| !variables(case).is_sorted(),
        change: Change::Encoder(|image| {
            if let Some(variables) = image.config["config"]["Env"].as_array_mut() {
                variables.sort_by_key(ToString::to_string);
            }
        }),
    },
    Mutant {
        name: "entrypoint_keeps_an_inherited_cmd",
        case: "entrypoint-drops-an-inherited-cmd",
        shows: "config: config.Cmd: expected \"nothing\"",
        related: |case| has(case, "Entrypoint") && !has(case, "Cmd"),
        change: Change::Encoder(|image| {
            let config = image.config["config"].as_object_mut().unwrap();
            if config.contains_key("Entrypoint") && !config.contains_key("Cmd") {
                config.insert("Cmd".to_owned(), json!(["/command"]));
            }
        }),
    },
    Mutant {
        name: "labels_of_the_base_are_lost",
        case: "config-is-inherited-over-three-levels",
        shows: "config: config.Labels.kept: expected \"yes\"",
        related: |case| says(case, "\"kept\":"),
        change: Change::Encoder(|image| {
            let labels = image.config["config"].get_mut("Labels");
            if let Some(labels) = labels.and_then(Value::as_object_mut) {
                labels.shift_remove("kept");
            }
        }),
    },
    Mutant {
        name: "history_does_not_count_the_arguments_of_a_run",
        case: "history-of-run",
        shows: "created_by: expected \"RUN |2 ",
        related: |case| says(case, "\"created_by\":\"RUN |"),
        change: Change::Encoder(|image| {
            each_history(image, |created_by| {
                let (_, rest) = created_by.strip_prefix("RUN |")?.split_once(' ')?;
                Some(format!("RUN {rest}"))
            });
        }),
    },
    Mutant {
        name: "history_of_copies_has_no_comment",
        case: "history-of-copy-and-add",
        shows: "# buildkit",
        related: |case| says(case, " # buildkit"),
        change: Change::Encoder(|image| {
            each_history(image, |created_by| {
                Some(created_by.strip_suffix(" # buildkit")?.to_owned())
            });
        }),
    },
    Mutant {
        name: "exposed_ports_are_written_as_before_0_24",
        case: "history-of-exposed-ports",
        shows: "created_by: expected \"EXPOSE [",
        related: |case| says(case, "\"EXPOSE ["),
        change: Change::Encoder(|image| {
            each_history(image, |created_by| {
                Some(format!(
                    "EXPOSE map[{}",
                    created_by.strip_prefix("EXPOSE [")?
                ))
            });
        }),
    },
    Mutant {
        name: "health_checks_are_written_as_after_0_29",
        case: "history-of-health-checks",
        shows: "created_by: expected \"HEALTHCHECK &",
        related: |case| says(case, "\"HEALTHCHECK "),
        change: Change::Encoder(|image| {
            each_history(image, |created_by| {
                let rest = created_by.strip_prefix("HEALTHCHECK &")?;
                Some(format!("HEALTHCHECK {rest}"))
            });
        }),
    },
    Mutant {
        name: "what_only_the_config_shows_has_no_history",
        case: "history-of-what-only-the-config-shows",
        shows: "config: history",
        related: |case| says(case, "\"empty_layer\":true"),
        change: Change::Encoder(|image| {
            let history = image.config["history"].as_array_mut().unwrap();
            history.retain(|entry| entry.get("empty_layer").is_none());
        }),
    },
];

/// Returns the variables that the config sets.
fn variables(case: &Case) -> Vec<String> {
    let variables = case.image.config["config"]["Env"].as_array();
    variables
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect()
}

/// The part of the config that says how a container is run has such a field.
fn has(case: &Case, field: &str) -> bool {
    case.image.config["config"].get(field).is_some()
}

fn each_history(image: &mut Image, change: impl Fn(&str) -> Option<String>) {
    let history = image.config["history"].as_array_mut().unwrap();
    for entry in history {
        let changed = entry["created_by"].as_str().and_then(&change);
        if let Some(changed) = changed {
            entry["created_by"] = Value::String(changed);
        }
    }
}
