//! `stagex config`: every setting, its value, and who says so.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use documents::{Setting, SettingValue, Version};
use indicatif::HumanBytes;
use runtimes::Choice;

use crate::context::Context;
use crate::environment;
use crate::exit::Exit;
use crate::options::{Format, Hermetic, Network, TREE_2024};
use crate::render;
use crate::settings::{Building, Fetching, Settings, Source, Trusting};

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
                let _ = writeln!(text, "{name:19} {value:24} {source}");
            }
            render::result(&text);
        }
    }
    Exit::Success
}

fn row(name: &str, value: SettingValue, source: &Source) -> Setting {
    Setting {
        name: name.to_owned(),
        value,
        source: source.to_string(),
    }
}

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.to_owned())
}

/// Returns the settings of `[fetch]`.
fn of_fetching(settings: &Fetching) -> Vec<Setting> {
    let Fetching {
        store,
        limit,
        by_hash,
        by_hash_first,
        connections,
        per_host,
        stall,
        directories,
    } = settings;
    let store_path = store.value.clone().or_else(environment::default_store);
    let store_path = store_path.map_or_else(String::new, Utf8PathBuf::into_string);
    let by_hash_text: Vec<_> = by_hash.value.iter().map(ToString::to_string).collect();
    let directories_text: Vec<_> = directories.value.iter().map(|path| path.as_str()).collect();
    let number = |number: u64| SettingValue::Number(usize::try_from(number).unwrap_or(usize::MAX));
    vec![
        row("fetch.store", text(&store_path), &store.source),
        row(
            "fetch.limit",
            text(&HumanBytes(limit.value).to_string()),
            &limit.source,
        ),
        row(
            "fetch.by-hash",
            text(&by_hash_text.join(" ")),
            &by_hash.source,
        ),
        row(
            "fetch.by-hash-first",
            SettingValue::Switch(by_hash_first.value),
            &by_hash_first.source,
        ),
        row(
            "fetch.connections",
            number(connections.value.into()),
            &connections.source,
        ),
        row(
            "fetch.per-host",
            number(per_host.value.into()),
            &per_host.source,
        ),
        row("fetch.stall", number(stall.value.as_secs()), &stall.source),
        row(
            "fetch.directories",
            text(&directories_text.join(" ")),
            &directories.source,
        ),
    ]
}

/// Returns the settings of `[trust]`.
fn of_trusting(settings: &Trusting) -> Vec<Setting> {
    let Trusting {
        policy,
        keyring,
        signatures,
    } = settings;
    let path = |path: &Option<Utf8PathBuf>| text(path.as_ref().map_or("", |path| path.as_str()));
    vec![
        row("trust.policy", path(&policy.value), &policy.source),
        row("trust.keyring", path(&keyring.value), &keyring.source),
        row(
            "trust.signatures",
            text(signatures.value.as_deref().unwrap_or_default()),
            &signatures.source,
        ),
    ]
}

/// Returns the settings of `[remote]`.
fn of_building(settings: &Building) -> Vec<Setting> {
    let Building {
        address,
        properties,
        certificate,
        key,
        token,
        token_program,
        time_limit,
        // They are given for one command.
        others: _,
        known_by: _,
    } = settings;
    let path = |path: &Option<Utf8PathBuf>| text(path.as_ref().map_or("", |path| path.as_str()));
    let address_text = address
        .value
        .as_ref()
        .map_or(String::new(), ToString::to_string);
    let limit = time_limit.value.map_or(String::new(), |limit| {
        humantime::format_duration(limit).to_string()
    });
    let property = |(name, value): &(String, String)| format!("{name}={value}");
    let properties_text: Vec<_> = properties.value.iter().map(property).collect();
    vec![
        row("remote.address", text(&address_text), &address.source),
        row(
            "remote.properties",
            text(&properties_text.join(" ")),
            &properties.source,
        ),
        row(
            "remote.certificate",
            path(&certificate.value),
            &certificate.source,
        ),
        row("remote.key", path(&key.value), &key.source),
        row("remote.token", path(&token.value), &token.source),
        row(
            "remote.token-program",
            path(&token_program.value),
            &token_program.source,
        ),
        row("remote.time-limit", text(&limit), &time_limit.source),
    ]
}

fn rows(settings: &Settings) -> Vec<Setting> {
    let runtime = match &settings.runtime.value {
        Choice::Auto => "auto",
        Choice::Named(name) => name,
    };
    let (network, ignore_space) = (&settings.network, &settings.ignore_space);
    let (profile, out) = (&settings.profile, &settings.out);
    let jobs = SettingValue::Number(settings.jobs());
    let is_offline = SettingValue::Switch(network.value == Network::None);
    let hermetic = match settings.hermetic.value {
        Hermetic::No => SettingValue::Switch(false),
        Hermetic::Yes => SettingValue::Switch(true),
        Hermetic::Tree2024 => text(TREE_2024),
    };
    let out_path = out.value.as_ref().map_or("out", |out| out.as_str());
    let mut rows = vec![
        row("runtime", text(runtime), &settings.runtime.source),
        row("jobs", jobs, &settings.jobs.source),
        row("offline", is_offline, &network.source),
        row("hermetic", hermetic, &settings.hermetic.source),
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
    rows.extend(of_fetching(&settings.fetch));
    rows.extend(of_trusting(&settings.trust));
    let insecure: Vec<_> = settings.insecure.value.iter().map(String::as_str).collect();
    rows.push(row(
        "registry.insecure",
        text(&insecure.join(" ")),
        &settings.insecure.source,
    ));
    rows.extend(of_building(&settings.remote));
    rows
}
