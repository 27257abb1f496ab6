//! What a `stagex.toml` says: in a tree, where it may be somebody else's, or in the user's own directory.
//!
//! It knows the file. It does not know what overrides what it says.

use std::collections::BTreeMap;
use std::io::{
    self,
    ErrorKind::{NotADirectory, NotFound, PermissionDenied},
};
use std::ops::Range;

use beneath::{Directory, Problem};
use build::Profile;
use camino::{Utf8Path, Utf8PathBuf};
use lint::{Allow, UnknownRuleSet};
use runtimes::Choice;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::fetch::{Table, Wrong};
use super::registry;
use super::remote;
use super::setting::{Owner, Setting, Source};
use super::trust;
use super::value::{JOBS, Settings, network, some_jobs};
use crate::arguments::choice;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::options::{Hermetic, TREE_2024};

/// The file's name, in a tree and in the user's directory.
pub(super) const FILE: &str = "stagex.toml";

/// The keys of a `stagex.toml`.
const KEYS: [&str; 14] = [
    "runtime",
    "jobs",
    "offline",
    "hermetic",
    "ignore-space",
    "profile",
    "out",
    "rules",
    "check",
    "engines",
    "fetch",
    "trust",
    "registry",
    "remote",
];

/// What a `stagex.toml` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    runtime: Option<Spanned<String>>,
    /// Any value: what was expected is said in our words.
    jobs: Option<Spanned<toml::Value>>,
    offline: Option<Spanned<bool>>,
    /// Any value: what was expected is said in our words.
    hermetic: Option<Spanned<toml::Value>>,
    #[serde(rename = "ignore-space")]
    ignore_space: Option<Spanned<bool>>,
    profile: Option<Spanned<String>>,
    out: Option<Spanned<String>>,
    rules: Option<Spanned<String>>,
    check: Option<Spanned<CheckTable>>,
    engines: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
    fetch: Option<Table>,
    trust: Option<Spanned<trust::Table>>,
    registry: Option<Spanned<registry::Table>>,
    remote: Option<Spanned<remote::Table>>,
}

/// The table `[check]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckTable {
    #[serde(default)]
    allow: Vec<Spanned<AllowEntry>>,
}

/// An entry of `allow`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowEntry {
    rule: String,
    path: String,
    reason: String,
}

impl Settings {
    /// Reads a file, if it is there. What it says is stronger than what was known before.
    pub(super) fn read(&mut self, path: &Utf8Path, owner: Owner) -> Result<(), Failure> {
        let Some(text) = text(path, owner)? else {
            return Ok(());
        };
        let text = Text { path, text: &text };
        let place = |span: Range<usize>| text.source(span.start);
        let wrong = |span: Range<usize>, message: &str, hint: Option<&str>| {
            text.wrong(span.start, message, hint)
        };
        if let Some((span, key)) = unknown_key(text.text) {
            let expected = KEYS.join(", ");
            let message = format!("unknown key `{key}`, expected one of {expected}");
            let hint = package_tree::did_you_mean(&key, KEYS);
            return Err(wrong(span, &message, hint.as_deref()));
        }
        let file: File = toml::from_str(text.text)
            .map_err(|error| wrong(error.span().unwrap_or_default(), error.message(), None))?;

        if let Some(runtime) = file.runtime {
            let value = choice(runtime.get_ref());
            let value = value.map_err(|expected| wrong(runtime.span(), &expected, None))?;
            if owner == Owner::Tree && is_plugin(&value) {
                let message = format!(
                    "the runtime `{}` cannot be set by a tree; expected auto, {}",
                    runtime.get_ref(),
                    runtimes::NAMES.join(", ")
                );
                let hint = "a tree must not decide which programs run on your machine: use \
                    --runtime, or write it into stagex/stagex.toml in ~/.config";
                return Err(wrong(runtime.span(), &message, Some(hint)));
            }
            self.runtime = Setting {
                value,
                source: place(runtime.span()),
            };
        }
        if let Some(jobs) = file.jobs {
            let number = jobs.get_ref().as_integer();
            let number = number.and_then(|number| u32::try_from(number).ok());
            let value = number.ok_or(JOBS).and_then(some_jobs);
            self.jobs = Setting {
                value: Some(value.map_err(|expected| wrong(jobs.span(), expected, None))?),
                source: place(jobs.span()),
            };
        }
        if let Some(offline) = file.offline {
            self.network = Setting {
                value: network(*offline.get_ref()),
                source: place(offline.span()),
            };
        }
        if let Some(hermetic) = file.hermetic {
            let value = rules_of_hermetic(hermetic.get_ref());
            let value = value.map_err(|expected| wrong(hermetic.span(), &expected, None))?;
            self.hermetic = Setting {
                value,
                source: place(hermetic.span()),
            };
        }
        if let Some(ignore_space) = file.ignore_space {
            self.ignore_space = Setting {
                value: *ignore_space.get_ref(),
                source: place(ignore_space.span()),
            };
        }
        if let Some(profile) = file.profile {
            let value = Profile::named(profile.get_ref()).ok_or_else(|| {
                let message = format!("unknown profile `{}`", profile.get_ref());
                let known = Profile::ALL.map(|profile| profile.name).join(", ");
                let hint = format!("the encodings are: {known}");
                wrong(profile.span(), &message, Some(&hint))
            })?;
            self.profile = Setting {
                value,
                source: place(profile.span()),
            };
        }
        if let Some(out) = file.out {
            let value = elsewhere(out.get_ref(), owner)
                .map_err(|(message, hint)| wrong(out.span(), &message, Some(hint)))?;
            self.out = Setting {
                value: Some(value),
                source: place(out.span()),
            };
        }
        self.take_rules(&text, file.rules, file.check, owner)?;
        if let Some(table) = file.trust {
            let taken = self.trust.take(&table, owner, &place);
            taken.map_err(|(span, message, hint)| wrong(span, &message, hint))?;
        }
        if let Some(table) = file.fetch {
            let taken = self.fetch.take(table, owner, &place);
            taken.map_err(|(span, message, hint)| wrong(span, &message, hint))?;
        }
        if let Some(table) = file.registry {
            let taken = registry::take(&mut self.insecure, table, owner, &place);
            taken.map_err(|(span, message, hint)| wrong(span, &message, hint))?;
        }
        let taken = self.remote.take(file.remote, owner, &place);
        let taken = taken.and_then(|()| self.take_engines(file.engines, owner, &place));
        taken.map_err(|(span, message, hint)| wrong(span, &message, hint))
    }

    fn take_engines(
        &mut self,
        engines: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
        owner: Owner,
        place: &dyn Fn(Range<usize>) -> Source,
    ) -> Result<(), Wrong> {
        let Some(engines) = engines else {
            return Ok(());
        };
        if owner == Owner::Tree {
            let hint = "a tree must not decide which programs run on your machine: write it into \
                stagex/stagex.toml in ~/.config";
            let message = "`engines` cannot be set by a tree".to_owned();
            return Err((engines.span(), message, Some(hint)));
        }
        for (name, program) in engines.into_inner() {
            if !runtimes::is_name(&name) {
                let message = format!("`{name}` is not a valid name of an engine or a plugin");
                return Err((program.span(), message, None));
            }
            let setting = Setting {
                source: place(program.span()),
                value: program.into_inner().into(),
            };
            self.engines.insert(name, setting);
        }
        Ok(())
    }

    /// Takes what a file says of rules.
    fn take_rules(
        &mut self,
        text: &Text<'_>,
        rules: Option<Spanned<String>>,
        check: Option<Spanned<CheckTable>>,
        owner: Owner,
    ) -> Result<(), Failure> {
        if let Some(rules) = rules {
            let at = rules.span().start;
            let value = rules.get_ref().parse();
            let refused = |error: UnknownRuleSet| text.wrong(at, &error.to_string(), None);
            self.rules = Setting {
                value: value.map_err(refused)?,
                source: text.source(at),
            };
        }
        let Some(check) = check else {
            return Ok(());
        };
        if owner == Owner::User {
            let hint =
                "write it into the stagex.toml of the tree, where everyone who checks it sees it";
            let message = "`check` cannot be set for all trees";
            return Err(text.wrong(check.span().start, message, Some(hint)));
        }
        for entry in check.into_inner().allow {
            let at = entry.span().start;
            let allow = allow(entry.into_inner(), line(text.text, at));
            let refused = |(message, hint): (String, _)| text.wrong(at, &message, Some(hint));
            self.allow.push(allow.map_err(refused)?);
        }
        Ok(())
    }
}

/// What a file says, and which it is.
struct Text<'a> {
    path: &'a Utf8Path,
    text: &'a str,
}

impl Text<'_> {
    /// Returns the source of a setting that stands at a place.
    fn source(&self, place: usize) -> Source {
        Source::File(self.path.to_owned(), line(self.text, place))
    }

    /// Says what is wrong at a place.
    fn wrong(&self, place: usize, message: &str, hint: Option<&str>) -> Failure {
        let message = format!("{}:{}: {message}", self.path, line(self.text, place));
        usage(message, hint)
    }
}

/// Reads what is kept from builds; of anything else, what was expected.
fn rules_of_hermetic(value: &toml::Value) -> Result<Hermetic, String> {
    match value {
        toml::Value::Boolean(true) => Ok(Hermetic::Yes),
        toml::Value::Boolean(false) => Ok(Hermetic::No),
        toml::Value::String(text) if text == TREE_2024 => Ok(Hermetic::Tree2024),
        _ => Err(format!(
            "`hermetic`: expected true, false or \"{TREE_2024}\""
        )),
    }
}

/// Reads the directory that outputs are in; of what is refused, why, and what to do.
fn elsewhere(text: &str, owner: Owner) -> Result<Utf8PathBuf, (String, &'static str)> {
    let path = Utf8PathBuf::from(text);
    if owner == Owner::Tree {
        let hint = "a tree must not decide where files are written: write it into stagex/stagex.toml in \
            ~/.config";
        return Err(("`out` cannot be set by a tree".to_owned(), hint));
    }
    if !path.is_absolute() {
        let hint = "begin it with /, because a relative path would depend on the tree";
        return Err((format!("`{path}` is not an absolute path"), hint));
    }
    Ok(path)
}

/// Reads what suppresses findings; of what is refused, why, and what to do.
fn allow(entry: AllowEntry, line: usize) -> Result<Allow, (String, &'static str)> {
    let AllowEntry { rule, path, reason } = entry;
    if lint::rule(&rule).is_none() {
        let message = format!("there is no rule `{rule}`");
        return Err((message, "`stagex check --list-rules` lists all of them"));
    }
    if reason.trim().is_empty() {
        let message = format!("`{rule}` is allowed in `{path}` without a reason");
        return Err((message, "say in `reason` why the rule does not hold there"));
    }
    Ok(Allow {
        rule,
        path,
        reason,
        line,
    })
}

/// Reads a file, if it is there.
fn text(path: &Utf8Path, owner: Owner) -> Result<Option<String>, Failure> {
    let error = match read(path, owner) {
        Ok(text) => return Ok(Some(text)),
        Err(error) => error,
    };
    match (error.kind(), beneath::problem(&error)) {
        // The home directory of who has none may be a device.
        (NotFound | NotADirectory, _) => Ok(None),
        (_, Some(Problem::NotUtf8(_))) => Err(usage(
            format!("{path} is not UTF-8"),
            Some("save it as UTF-8"),
        )),
        (kind, problem) => {
            let message = format!("cannot read {path}: {error}");
            let is_closed = kind == PermissionDenied && owner == Owner::User;
            let hint = match problem {
                _ if is_closed => Some(
                    "it is looked for in ~/.config: set HOME, if that is another user's home \
                     directory, or XDG_CONFIG_HOME",
                ),
                Some(Problem::Link(_)) => Some("a tree's file must be in the tree: copy it there"),
                Some(_) => Some("replace it with a regular file of at most 4 MiB, or remove it"),
                None => None,
            };
            Err(Failure::of(
                ErrorKind::Environment,
                [(message, hint.map(str::to_owned))],
            ))
        }
    }
}

/// Reads a regular file; in a tree, through no symbolic link.
fn read(path: &Utf8Path, owner: Owner) -> io::Result<String> {
    match (owner, path.parent(), path.file_name()) {
        (Owner::Tree, Some(tree), Some(name)) => {
            let tree = match tree.as_str() {
                "" => Utf8Path::new("."),
                _ => tree,
            };
            Directory::open(tree)?.read_text(name.into(), beneath::TEXT)
        }
        _ => beneath::read_text(path, beneath::TEXT),
    }
}

/// Returns the first key that a `stagex.toml` does not have, and where it stands. What is no TOML has
/// none.
fn unknown_key(text: &str) -> Option<(Range<usize>, String)> {
    let table = DeTable::parse(text).ok()?.into_inner();
    let unknown = table
        .keys()
        .filter(|key| !KEYS.contains(&key.get_ref().as_ref()));
    let first = unknown.min_by_key(|key| key.span().start)?;
    Some((first.span(), first.get_ref().to_string()))
}

/// Tells whether a runtime is a program that is found by its name, and is none that is known here.
fn is_plugin(choice: &Choice) -> bool {
    match choice {
        Choice::Auto => false,
        Choice::Named(name) => !runtimes::NAMES.contains(&name.as_str()),
    }
}

/// Returns the line of a place, from 1.
fn line(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, owner: Owner) -> Result<Settings, Failure> {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join(FILE);
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::of_nobody();
        settings.read(&path, owner)?;
        Ok(settings)
    }

    #[test]
    fn each_value_says_where_it_stands() {
        let text = "jobs = 3\n\nruntime = \"podman\"\nprofile = \"stagex-2026\"\n\
            [engines]\npodman = \"/opt/podman\"\n";
        let settings = read(text, Owner::User).unwrap();
        let line = |source: &Source| match source {
            Source::File(_, line) => *line,
            other => panic!("{other}"),
        };
        assert_eq!(
            (settings.jobs.value, line(&settings.jobs.source)),
            (Some(3), 1)
        );
        assert_eq!(settings.runtime.value, Choice::Named("podman".to_owned()));
        assert_eq!(line(&settings.runtime.source), 3);
        let podman = &settings.engines["podman"];
        assert_eq!(
            (podman.value.as_str(), line(&podman.source)),
            ("/opt/podman", 6)
        );
        assert_eq!(settings.network.source, Source::Default);
    }

    #[test]
    fn what_a_file_may_not_say_is_refused() {
        for text in [
            "rutime = \"podman\"\n",
            "jobs = \"two\"\n",
            "jobs = 0\n",
            "runtime = \"No Name\"\n",
            "profile = \"stagex-2030\"\n",
            "[engines]\n\"..\" = \"x\"\n",
            "hermetic = \"tree-2030\"\n",
            "hermetic = 1\n",
            "out = \"not/absolute\"\n",
            "[fetch]\nstroe = \"/x\"\n",
            "[fetch]\nstore = \"not/absolute\"\n",
            "[fetch]\ndirectories = [\"not/absolute\"]\n",
            "[fetch]\nby-hash = [\"https://example.org/\"]\n",
            "[fetch]\nby-hash = [\"https://user:word@example.org/{sha256}\"]\n",
            "[fetch]\nlimit = \"much\"\n",
            "[fetch]\nconnections = 0\n",
            "[fetch]\nper-host = 257\n",
            "[fetch]\nstall = -1\n",
            "rules = \"tree-2030\"\n",
            "[registry]\ninsecuer = []\n",
            "[registry]\ninsecure = [\"http://a.org\"]\n",
            "[registry]\ninsecure = [\"a.org/b\"]\n",
            "[registry]\ninsecure = [\"a\"]\n",
            "[remote]\naddress = \"localhost:8980\"\n",
            "[remote]\nadress = \"grpc://localhost:8980\"\n",
            "[remote]\ncertificate = \"/a\"\n",
            "[remote]\ntoken = \"relative\"\n",
            "[remote]\ntoken = \"/a\"\ntoken-program = \"/b\"\n",
            "[check]\nallow = []\n",
            "not toml",
        ] {
            assert!(read(text, Owner::User).is_err(), "{text}");
        }
        assert!(read("[engines]\npodman = \"./evil\"\n", Owner::Tree).is_err());
        assert!(read("out = \"/tmp\"\n", Owner::Tree).is_err());
        assert!(read("out = \"/tmp\"\n", Owner::User).is_ok());
    }

    #[test]
    fn a_tree_names_no_directories_and_no_store() {
        for (text, of_tree) in [
            ("store = \"/srv\"", false),
            ("limit = \"1GiB\"", false),
            ("directories = [\"/etc\"]", false),
            ("by-hash = [\"https://example.org/{sha256}\"]", true),
            ("by-hash-first = true", true),
            ("connections = 3\nper-host = 2\nstall = 5", true),
        ] {
            let text = format!("[fetch]\n{text}\n");
            assert!(read(&text, Owner::User).is_ok(), "{text}");
            assert_eq!(read(&text, Owner::Tree).is_ok(), of_tree, "{text}");
        }
    }

    #[test]
    fn a_tree_names_no_registries() {
        let text = "[registry]\ninsecure = [\"a.org:5000\", \"localhost\"]\n";
        let settings = read(text, Owner::User).unwrap();
        let found: Vec<_> = settings.insecure.value.iter().collect();
        assert_eq!(found, ["a.org:5000", "localhost"]);
        assert!(read(text, Owner::Tree).is_err());
        assert!(read("[registry]\n", Owner::Tree).is_err());
    }

    #[test]
    fn a_tree_names_no_server() {
        let text =
            "[remote]\naddress = \"grpc://a.org:8980/x\"\nproperties = { OSFamily = \"linux\" }\n";
        let remote = read(text, Owner::User).unwrap().remote;
        let address = remote.address.value.unwrap().to_string();
        assert_eq!(address, "grpc://a.org:8980/x");
        let property = ("OSFamily".to_owned(), "linux".to_owned());
        assert_eq!(remote.properties.value, [property]);
        assert!(read(text, Owner::Tree).is_err());
        assert!(read("[remote]\n", Owner::Tree).is_err());
    }

    #[test]
    fn a_tree_says_which_rules_it_follows_and_breaks() {
        let text = "rules = \"tree-2024\"\n[check]\nallow = [\n\
            { rule = \"time\", path = \"packages/a/*\", reason = \"why\" },\n]\n";
        let settings = read(text, Owner::Tree).unwrap();
        assert_eq!(settings.rules.value.name(), "tree-2024");
        let [allow] = &settings.allow[..] else {
            panic!("{:?}", settings.allow)
        };
        assert_eq!((allow.rule.as_str(), allow.line), ("time", 4));
        for (old, new) in [
            ("time", "tiem"),
            ("why", " "),
            ("reason", "raeson"),
            (", reason = \"why\"", ""),
        ] {
            assert!(read(&text.replace(old, new), Owner::Tree).is_err(), "{new}");
        }
    }

    #[test]
    fn a_tree_names_known_runtimes_and_no_plugins() {
        for (name, of_tree) in [("auto", true), ("podman", true), ("gpg", false)] {
            let text = format!("runtime = \"{name}\"\n");
            assert!(read(&text, Owner::User).is_ok(), "{name}");
            assert_eq!(read(&text, Owner::Tree).is_ok(), of_tree, "{name}");
        }
    }
}
