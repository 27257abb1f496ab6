//! `stagex config`: every setting, its value, and who says so.

use std::fmt::Write as _;

use documents::{Setting, SettingValue, Version};
use runtimes::Choice;

use crate::context::Context;
use crate::exit::Exit;
use crate::options::{Format, Network};
use crate::render;
use crate::settings::{Settings, Source};

pub(super) fn run(context: &Context) -> Exit {
    let settings = rows(&context.settings);
    match context.format {
        Format::Json => render::json(&documents::Config {
            version: Version,
            settings,
        }),
        Format::Human => {
            let mut text = String::new();
            for setting in &settings {
                let Setting {
                    name,
                    value,
                    source,
                } = setting;
                let value = match value {
                    SettingValue::Switch(value) => value.to_string(),
                    SettingValue::Number(value) => value.to_string(),
                    SettingValue::Text(value) => value.clone(),
                };
                let _ = writeln!(text, "{name:16} {value:24} {source}");
            }
            render::result(&text);
        }
    }
    Exit::Success
}

fn rows(settings: &Settings) -> Vec<Setting> {
    let text = |value: &str| SettingValue::Text(value.to_owned());
    let row = |name: &str, value, source: &Source| Setting {
        name: name.to_owned(),
        value,
        source: source.to_string(),
    };
    let runtime = match &settings.runtime.value {
        Choice::Auto => "auto",
        Choice::Named(name) => name,
    };
    let (network, ignore_space) = (&settings.network, &settings.ignore_space);
    let (profile, out) = (&settings.profile, &settings.out);
    let jobs = SettingValue::Number(settings.jobs());
    let is_offline = SettingValue::Switch(network.value == Network::None);
    let out_path = out.value.as_ref().map_or("out", |out| out.as_str());
    let mut rows = vec![
        row("runtime", text(runtime), &settings.runtime.source),
        row("jobs", jobs, &settings.jobs.source),
        row("offline", is_offline, &network.source),
        row(
            "ignore-space",
            SettingValue::Switch(ignore_space.value),
            &ignore_space.source,
        ),
        row("profile", text(profile.value.name), &profile.source),
        row("out", text(out_path), &out.source),
        row(
            "rules",
            text(settings.rules.value.name()),
            &settings.rules.source,
        ),
    ];
    let engines = settings.engines.iter().map(|(name, program)| {
        let name = format!("engines.{name}");
        row(&name, text(program.value.as_str()), &program.source)
    });
    rows.extend(engines);
    rows
}
