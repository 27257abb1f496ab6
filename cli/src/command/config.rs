//! `stagex config`: every setting, its value, and who says so.

use std::fmt::Write as _;

use runtimes::Choice;
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::context::Context;
use crate::docker::Network;
use crate::exit::Exit;
use crate::render;
use crate::settings::Settings;

pub(super) fn run(context: &Context) -> Exit {
    let rows = rows(&context.settings);
    match context.format {
        Format::Json => {
            let row = |(name, value, source): &(String, Value, String)| json!({ "name": name, "value": value, "source": source });
            let settings: Vec<_> = rows.iter().map(row).collect();
            render::json(&json!({ "version": 1, "settings": settings }));
        }
        Format::Human => {
            let mut text = String::new();
            for (name, value, source) in &rows {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let _ = writeln!(text, "{name:16} {value:24} {source}");
            }
            render::result(&text);
        }
    }
    Exit::Success
}

fn rows(settings: &Settings) -> Vec<(String, Value, String)> {
    let runtime = match &settings.runtime.value {
        Choice::Auto => "auto",
        Choice::Named(name) => name,
    };
    let out = settings
        .out
        .value
        .as_ref()
        .map_or("out", |out| out.as_str());
    let mut rows = vec![
        ("runtime", runtime.into(), &settings.runtime.source),
        ("jobs", settings.jobs().into(), &settings.jobs.source),
        (
            "offline",
            (settings.network.value == Network::None).into(),
            &settings.network.source,
        ),
        (
            "ignore-space",
            settings.ignore_space.value.into(),
            &settings.ignore_space.source,
        ),
        (
            "profile",
            settings.profile.value.name.into(),
            &settings.profile.source,
        ),
        ("out", out.into(), &settings.out.source),
    ]
    .into_iter()
    .map(|(name, value, source)| (name.to_owned(), value, source.to_string()))
    .collect::<Vec<_>>();
    for (name, program) in &settings.engines {
        rows.push((
            format!("engines.{name}"),
            program.value.as_str().into(),
            program.source.to_string(),
        ));
    }
    rows
}
