//! What a user has settled once and for all: in the tree's `stagex.toml`, in one's own, in the
//! environment, on the command line. The nearer to who types, the stronger.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{
    self,
    ErrorKind::{NotADirectory, NotFound, PermissionDenied},
};
use std::ops::Range;

use beneath::{Directory, Problem};
use camino::{Utf8Path, Utf8PathBuf};
use runtimes::Choice;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::arguments::{Arguments, Command, Global, choice};
use crate::docker::{Network, usage};
use crate::environment;
use crate::exit::ErrorKind;
use crate::failure::Failure;

/// The file's name, in a tree and in the user's folder.
const FILE: &str = "stagex.toml";
/// The one encoding that there is.
const PROFILE: &str = "stagex-2026";

/// A value, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// Who says what a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody.
    Default,
    /// A file, in this line.
    File(Utf8PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// The command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{path}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Everything that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) runtime: Setting<Choice>,
    /// How many packages are built at once; as many as there are cores where nobody says.
    pub(crate) jobs: Setting<Option<u32>>,
    /// Whether every RUN is denied the network.
    pub(crate) offline: Setting<bool>,
    /// Whether to begin where the disk seems to have too little room.
    pub(crate) ignore_space: Setting<bool>,
    pub(crate) profile: Setting<String>,
    /// The directory that each tree has one in for what is built; `out/` in the tree where nobody says.
    pub(crate) out: Setting<Option<Utf8PathBuf>>,
    /// The programs of engines.
    pub(crate) engines: BTreeMap<String, Setting<Utf8PathBuf>>,
}

/// The keys of a `stagex.toml`.
const KEYS: [&str; 7] = [
    "runtime",
    "jobs",
    "offline",
    "ignore-space",
    "profile",
    "out",
    "engines",
];

/// What a `stagex.toml` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    runtime: Option<Spanned<String>>,
    /// Any value: what was expected is said in our words.
    jobs: Option<Spanned<toml::Value>>,
    offline: Option<Spanned<bool>>,
    #[serde(rename = "ignore-space")]
    ignore_space: Option<Spanned<bool>>,
    profile: Option<Spanned<String>>,
    out: Option<Spanned<String>>,
    engines: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Whoever wrote the tree. What it names is not run.
    Tree,
    /// The user.
    User,
}

/// Returns what is settled for the tree that is worked on.
pub(crate) fn gather(arguments: &Arguments) -> Result<Settings, Failure> {
    let mut settings = Settings {
        runtime: default(Choice::Auto),
        jobs: default(None),
        offline: default(false),
        ignore_space: default(false),
        profile: default(PROFILE.to_owned()),
        out: default(None),
        engines: BTreeMap::new(),
    };
    let global = &arguments.global;
    settings.read(&global.directory.join(FILE), Owner::Tree)?;
    if let Some(folder) = environment::configuration() {
        settings.read(&folder.join(FILE), Owner::User)?;
    }
    settings.take_environment(global)?;
    settings.take_flags(arguments);
    Ok(settings)
}

/// Puts what is settled into the command line, wherever that says nothing.
pub(crate) fn apply(arguments: &mut Arguments) -> Result<(), Failure> {
    let builds = matches!(
        arguments.command,
        Command::Make(_)
            | Command::Build(_)
            | Command::Digests(_)
            | Command::Clean(_)
            | Command::Conformance(_)
            | Command::Runtimes
    );
    if !builds {
        return Ok(());
    }
    let settings = gather(arguments)?;
    // A matrix is of all engines: which one is usual does not matter to it.
    let usual = matches!(settings.runtime.source, Source::File(..));
    if !(usual && matches!(arguments.command, Command::Conformance(_))) {
        arguments.global.runtime = Some(settings.runtime.value);
    }
    arguments.global.out = settings.out.value;
    let engines = settings.engines.into_iter();
    arguments.global.engines = engines.map(|(name, path)| (name, path.value)).collect();
    if let Command::Make(make) = &mut arguments.command {
        make.jobs = settings.jobs.value;
        make.offline = settings.offline.value;
        make.ignore_space = settings.ignore_space.value;
    }
    if let Command::Build(build) = &mut arguments.command
        && settings.offline.value
    {
        build.network = build.network.or(Some(Network::None));
    }
    Ok(())
}

fn default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::Default,
    }
}

impl Settings {
    /// Reads a file, if it is there. What it says is stronger than what was known before.
    fn read(&mut self, path: &Utf8Path, owner: Owner) -> Result<(), Failure> {
        let Some(text) = text(path, owner)? else {
            return Ok(());
        };
        let place = |span: Range<usize>| Source::File(path.to_owned(), line(&text, span.start));
        let wrong = |span: Range<usize>, message: &str, hint: Option<&str>| {
            let message = format!("{path}:{}: {message}", line(&text, span.start));
            Failure::of(ErrorKind::Usage, [(message, hint.map(str::to_owned))])
        };
        if let Some((span, key)) = unknown_key(&text) {
            let expected = KEYS.join(", ");
            let message = format!("unknown key `{key}`, expected one of {expected}");
            let hint = package_tree::did_you_mean(&key, KEYS);
            return Err(wrong(span, &message, hint.as_deref()));
        }
        let file: File = toml::from_str(&text)
            .map_err(|error| wrong(error.span().unwrap_or_default(), error.message(), None))?;

        if let Some(runtime) = file.runtime {
            let value = choice(runtime.get_ref());
            let value = value.map_err(|expected| wrong(runtime.span(), &expected, None))?;
            if owner == Owner::Tree && is_plugin(&value) {
                let message = format!(
                    "the runtime `{}` is not taken from a tree: expected auto, {}",
                    runtime.get_ref(),
                    runtimes::NAMES.join(", ")
                );
                let hint = "a tree may not say which programs are run on your machine: use \
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
        let switches = [
            (file.offline, &mut self.offline),
            (file.ignore_space, &mut self.ignore_space),
        ];
        for (said, setting) in switches {
            if let Some(said) = said {
                *setting = Setting {
                    value: *said.get_ref(),
                    source: place(said.span()),
                };
            }
        }
        if let Some(profile) = file.profile {
            if profile.get_ref() != PROFILE {
                let message = format!("there is no profile `{}`", profile.get_ref());
                let hint = format!("the one encoding that there is: {PROFILE}");
                return Err(wrong(profile.span(), &message, Some(&hint)));
            }
            self.profile.source = place(profile.span());
        }
        if let Some(out) = file.out {
            let value = elsewhere(out.get_ref(), owner)
                .map_err(|(message, hint)| wrong(out.span(), &message, Some(hint)))?;
            self.out = Setting {
                value: Some(value),
                source: place(out.span()),
            };
        }
        let Some(engines) = file.engines else {
            return Ok(());
        };
        if owner == Owner::Tree {
            let hint = "a tree may not say which programs are run on your machine: write it into \
                stagex/stagex.toml in ~/.config";
            return Err(wrong(
                engines.span(),
                "`engines` is not taken from a tree",
                Some(hint),
            ));
        }
        for (name, program) in engines.into_inner() {
            if !runtimes::is_name(&name) {
                let message = format!("`{name}` is no name of an engine or a plugin");
                return Err(wrong(program.span(), &message, None));
            }
            let setting = Setting {
                source: place(program.span()),
                value: program.into_inner().into(),
            };
            self.engines.insert(name, setting);
        }
        Ok(())
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
        let switches = [
            (environment::offline()?, &mut self.offline),
            (environment::ignore_space()?, &mut self.ignore_space),
        ];
        for (said, setting) in switches {
            let Some((name, value)) = said else { continue };
            let said = match value.as_str() {
                "1" => Ok(true),
                "0" => Ok(false),
                _ => Err(wrong(&name, &value, "expected 0 or 1")),
            };
            *setting = Setting {
                value: said?,
                source: Source::Variable(name),
            };
        }
        if let Some((name, value)) = environment::out()? {
            self.out = Setting {
                value: Some(value.into()),
                source: Source::Variable(name),
            };
        }
        let named = match global.runtime.as_ref().unwrap_or(&self.runtime.value) {
            Choice::Auto => None,
            Choice::Named(name) => Some(name.as_str()),
        };
        for (engine, variable, value) in environment::programs(named)? {
            let source = Source::Variable(variable);
            self.engines.insert(engine, Setting { value, source });
        }
        Ok(())
    }

    fn take_flags(&mut self, arguments: &Arguments) {
        if let Some(runtime) = &arguments.global.runtime {
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
        if let Command::Make(make) = &arguments.command {
            if make.jobs.is_some() {
                self.jobs = Setting {
                    value: make.jobs,
                    source: Source::Flag("--jobs"),
                };
            }
            let switches = [
                (make.offline, "--offline", &mut self.offline),
                (make.ignore_space, "--ignore-space", &mut self.ignore_space),
            ];
            for (_, flag, setting) in switches.into_iter().filter(|(said, ..)| *said) {
                *setting = Setting {
                    value: true,
                    source: Source::Flag(flag),
                };
            }
            if let Some(network) = make.network {
                self.offline = Setting {
                    value: network == Network::None,
                    source: Source::Flag("--network"),
                };
            }
        }
    }
}

/// Reads the directory that outputs are in; of what is refused, why, and what to do.
fn elsewhere(text: &str, owner: Owner) -> Result<Utf8PathBuf, (String, &'static str)> {
    let path = Utf8PathBuf::from(text);
    if owner == Owner::Tree {
        let hint = "a tree may not say where files are written: write it into stagex/stagex.toml in \
            ~/.config";
        return Err(("`out` is not taken from a tree".to_owned(), hint));
    }
    if !path.is_absolute() {
        let hint = "begin it with /: what it is relative to could be any tree";
        return Err((format!("`{path}` is no absolute path"), hint));
    }
    Ok(path)
}

/// Reads a file, if it is there.
fn text(path: &Utf8Path, owner: Owner) -> Result<Option<String>, Failure> {
    let error = match read(path, owner) {
        Ok(text) => return Ok(Some(text)),
        Err(error) => error,
    };
    match (error.kind(), beneath::problem(&error)) {
        // The home folder of who has none may be a device.
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
                     folder, or XDG_CONFIG_HOME",
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

const JOBS: &str = "expected a number of jobs from 1 to 1024";

fn some_jobs(jobs: u32) -> Result<u32, &'static str> {
    (1..=1024).contains(&jobs).then_some(jobs).ok_or(JOBS)
}

/// Returns the line of a place, from 1.
fn line(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            runtime: default(Choice::Auto),
            jobs: default(None),
            offline: default(false),
            ignore_space: default(false),
            profile: default(PROFILE.to_owned()),
            out: default(None),
            engines: BTreeMap::new(),
        }
    }

    fn read(text: &str, owner: Owner) -> Result<Settings, Failure> {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join(FILE);
        std::fs::write(&path, text).unwrap();
        let mut settings = settings();
        settings.read(&path, owner)?;
        Ok(settings)
    }

    #[test]
    fn who_is_offline_builds_offline() {
        use clap::Parser as _;

        let temporary = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(temporary.path()).unwrap();
        let network = |flags: &[&str]| {
            let words = ["stagex", "-C", tree.as_str(), "build", "-t", "a/b:1"];
            let words = words.iter().chain(flags).chain(&["."]);
            let mut arguments = Arguments::parse_from(words);
            apply(&mut arguments).unwrap();
            match arguments.command {
                Command::Build(build) => build.network(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(network(&[]), Network::Default);
        std::fs::write(tree.join(FILE), "offline = true\n").unwrap();
        assert_eq!(network(&[]), Network::None);
        assert_eq!(network(&["--network", "default"]), Network::Default);
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
        assert_eq!(settings.offline.source, Source::Default);
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
            "out = \"not/absolute\"\n",
            "not toml",
        ] {
            assert!(read(text, Owner::User).is_err(), "{text}");
        }
        assert!(read("[engines]\npodman = \"./evil\"\n", Owner::Tree).is_err());
        assert!(read("out = \"/tmp\"\n", Owner::Tree).is_err());
        assert!(read("out = \"/tmp\"\n", Owner::User).is_ok());
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
