//! The settings: resolved once, from the tree's `stagex.toml`, the user's own, the environment and the
//! command line. Later sources override earlier ones.
//!
//! It does not know what commands do with them.

mod fetch;
mod file;
mod registry;
mod remote;
mod setting;
mod trust;
mod value;

use runtimes::Choice;

pub(crate) use fetch::Fetching;
use file::FILE;
pub(crate) use remote::Building;
use setting::Owner;
pub(crate) use setting::{Setting, Source};
pub(crate) use trust::Trusting;
pub(crate) use value::Settings;
use value::{JOBS, network, some_jobs};

use crate::arguments::{self, Arguments, Command, Global, choice};
use crate::environment;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::options::{Hermetic, Network, TREE_2024};

/// Returns what is settled for the tree that is worked on.
pub(crate) fn gather(arguments: &Arguments) -> Result<Settings, Failure> {
    let mut settings = Settings::of_nobody();
    let global = &arguments.global;
    settings.read(&global.directory.join(FILE), Owner::Tree)?;
    if let Some(directory) = environment::configuration() {
        settings.read(&directory.join(FILE), Owner::User)?;
    }
    settings.take_environment(global)?;
    settings.remote.take_environment()?;
    settings.take_flags(arguments)?;
    settings.remote.take_flags(global)?;
    settings.remote.check(&arguments.command)?;
    settings.check(&arguments.command)?;
    Ok(settings)
}

impl Settings {
    /// Refuses what cannot be had together.
    fn check(&self, command: &Command) -> Result<(), Failure> {
        if self.hermetic.value == Hermetic::No {
            return Ok(());
        }
        let source = &self.hermetic.source;
        let hint = Some("turn it off with --hermetic=no, STAGEX_HERMETIC=0 or `hermetic = false`");
        match command {
            Command::Conformance(_) => Err(usage(
                format!("stagex conformance has no hermetic builds, which {source} asks for"),
                Some("use STAGEX_HERMETIC=0: its cases are copied, so git does not know them"),
            )),
            Command::Make(_) | Command::Build(_) | Command::Reproduce(_)
                if self.network.value == Network::Host =>
            {
                let message = format!(
                    "--network host gives RUNs the machine's network, and {source} asks for hermetic builds"
                );
                Err(usage(message, hint))
            }
            _ => Ok(()),
        }
    }

    fn take_environment(&mut self, global: &Global) -> Result<(), Failure> {
        let wrong = |name: &str, value: &str, expected: &str| {
            let message = format!("{name}={value}: {expected}");
            Failure::of(ErrorKind::Usage, [(message, None)])
        };
        if let Some((name, value)) = environment::runtime()? {
            self.runtime = Setting {
                value: choice(&value).map_err(|expected| wrong(&name, &value, &expected))?,
                source: Source::Variable(name),
            };
        }
        if let Some((name, value)) = environment::jobs()? {
            let number = value.parse().map_err(|_| JOBS).and_then(some_jobs);
            self.jobs = Setting {
                value: Some(number.map_err(|expected| wrong(&name, &value, expected))?),
                source: Source::Variable(name),
            };
        }
        let switch = |said: Option<(String, String)>| -> Result<Option<Setting<bool>>, Failure> {
            let Some((name, value)) = said else {
                return Ok(None);
            };
            let value = match value.as_str() {
                "1" => true,
                "0" => false,
                _ => return Err(wrong(&name, &value, "expected 0 or 1")),
            };
            let source = Source::Variable(name);
            Ok(Some(Setting { value, source }))
        };
        if let Some(offline) = switch(environment::offline()?)? {
            self.network = Setting {
                value: network(offline.value),
                source: offline.source,
            };
        }
        if let Some((name, value)) = environment::hermetic()? {
            let value = match value.as_str() {
                "0" => Hermetic::No,
                "1" => Hermetic::Yes,
                TREE_2024 => Hermetic::Tree2024,
                _ => {
                    let expected = format!("expected 0, 1 or {TREE_2024}");
                    return Err(wrong(&name, &value, &expected));
                }
            };
            self.hermetic = Setting {
                value,
                source: Source::Variable(name),
            };
        }
        if let Some(ignore_space) = switch(environment::ignore_space()?)? {
            self.ignore_space = ignore_space;
        }
        if let Some((name, value)) = environment::out()? {
            self.out = Setting {
                value: Some(value.into()),
                source: Source::Variable(name),
            };
        }
        if let Some((name, value)) = environment::store()? {
            self.fetch.store = Setting {
                value: Some(value.into()),
                source: Source::Variable(name),
            };
        }
        let named = match global.runtimes.first().unwrap_or(&self.runtime.value) {
            Choice::Auto => None,
            Choice::Named(name) => Some(name.as_str()),
        };
        for (engine, variable, value) in environment::programs(named)? {
            let source = Source::Variable(variable);
            self.engines.insert(engine, Setting { value, source });
        }
        Ok(())
    }

    fn take_flags(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let runtimes = &arguments.global.runtimes;
        if runtimes.len() > 1 && !matches!(arguments.command, Command::Conformance(_)) {
            return Err(usage(
                "expected one runtime".to_owned(),
                Some("only `stagex conformance` takes several"),
            ));
        }
        if let Some(runtime) = runtimes.first() {
            self.runtime = Setting {
                value: runtime.clone(),
                source: Source::Flag("--runtime"),
            };
        }
        if let Some(out) = &arguments.global.out {
            self.out = Setting {
                value: Some(out.clone()),
                source: Source::Flag("--out"),
            };
        }
        for (name, program) in &arguments.global.engines {
            let setting = Setting {
                value: program.clone(),
                source: Source::Flag("--engine"),
            };
            self.engines.insert(name.clone(), setting);
        }
        let (jobs, offline, network, ignore_space) = match &arguments.command {
            Command::Make(arguments::Make { building, .. })
            | Command::Reproduce(arguments::Reproduce { building, .. }) => (
                building.jobs,
                building.offline,
                building.network,
                building.ignore_space,
            ),
            Command::Build(build) => (None, false, build.network, build.ignore_space),
            Command::Conformance(conformance) => (conformance.jobs, false, None, false),
            Command::Fetch(fetch) => {
                self.take_fetch(fetch);
                (None, fetch.offline, None, false)
            }
            Command::Release(release) => (None, release.offline, None, false),
            _ => (None, false, None, false),
        };
        if let Command::Check(check) = &arguments.command
            && let Some(rules) = check.rules
        {
            self.rules = Setting {
                value: rules,
                source: Source::Flag("--rules"),
            };
        }
        if jobs.is_some() {
            self.jobs = Setting {
                value: jobs,
                source: Source::Flag("--jobs"),
            };
        }
        if offline {
            self.network = Setting {
                value: Network::None,
                source: Source::Flag("--offline"),
            };
        }
        if let Some(network) = network {
            self.network = Setting {
                value: network,
                source: Source::Flag("--network"),
            };
        }
        let hermetic = match &arguments.command {
            Command::Make(make) => make.building.hermetic,
            Command::Reproduce(again) => again.building.hermetic,
            Command::Build(build) => build.hermetic,
            _ => None,
        };
        if let Some(value) = hermetic {
            let source = Source::Flag("--hermetic");
            self.hermetic = Setting { value, source };
        }
        if ignore_space {
            self.ignore_space = Setting {
                value: true,
                source: Source::Flag("--ignore-space"),
            };
        }
        Ok(())
    }
}

impl Settings {
    fn take_fetch(&mut self, fetch: &arguments::Fetch) {
        if let Some(value) = fetch.jobs {
            let source = Source::Flag("--jobs");
            self.fetch.connections = Setting { value, source };
        }
        if let Some(value) = fetch.per_host {
            let source = Source::Flag("--per-host");
            self.fetch.per_host = Setting { value, source };
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use clap::Parser as _;

    use super::*;

    /// Returns what is settled for a command in a tree.
    fn settings(tree: &Utf8Path, words: &[&str]) -> Result<Settings, Failure> {
        let words = [&["stagex", "-C", tree.as_str()], words].concat();
        gather(&Arguments::parse_from(words))
    }

    #[test]
    fn every_command_that_builds_gets_what_a_file_says() {
        let temporary = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(temporary.path()).unwrap();
        std::fs::write(
            tree.join(FILE),
            "offline = true\njobs = 3\nignore-space = true\n",
        )
        .unwrap();
        let build = ["build", "-t", "a/b:1", "."];
        for words in [&["make"][..], &build, &["conformance"]] {
            let settings = settings(tree, words).unwrap();
            assert_eq!(settings.network.value, Network::None, "{words:?}");
            assert_eq!(settings.jobs(), 3, "{words:?}");
            assert!(settings.ignore_space.value, "{words:?}");
        }
        for words in [
            ["make", "--network", "default", "."],
            ["build", "--network", "default", "."],
        ] {
            let settings = settings(tree, &words).unwrap();
            assert_eq!(settings.network.value, Network::Default, "{words:?}");
            assert_eq!(
                settings.network.source,
                Source::Flag("--network"),
                "{words:?}"
            );
        }
    }

    #[test]
    fn only_a_matrix_is_of_several_runtimes() {
        let temporary = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(temporary.path()).unwrap();
        let several = ["--runtime", "podman,native"];
        assert!(settings(tree, &[&several[..], &["conformance"]].concat()).is_ok());
        assert!(settings(tree, &[&several[..], &["make"]].concat()).is_err());
    }
}
