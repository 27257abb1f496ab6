//! The variables that the program itself reads. The one module here that reads the environment.

use std::env::VarError;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// A variable and its value, if it is set to something.
type Filled = Result<Option<(String, String)>, NotUtf8>;

/// A variable is set to something that is not UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is not UTF-8: {}", value.display())]
pub(crate) struct NotUtf8 {
    variable: String,
    value: OsString,
}

/// Returns the programs named by `STAGEX_DOCKER`, `STAGEX_PODMAN` and the like: those of the
/// engines that are known, and that of the plugin `named`. Each is (engine, variable, program).
pub(crate) fn programs(named: Option<&str>) -> Result<Vec<(String, String, Utf8PathBuf)>, NotUtf8> {
    let mut programs = Vec::new();
    for name in runtimes::NAMES.into_iter().chain(named) {
        let variable = format!("STAGEX_{}", name.to_uppercase().replace('-', "_"));
        if let Some((variable, value)) = filled(&variable)? {
            programs.push((name.to_owned(), variable, Utf8PathBuf::from(value)));
        }
    }
    Ok(programs)
}

/// Returns the variable that names the runtime, if it says something, and what.
pub(crate) fn runtime() -> Filled {
    filled("STAGEX_RUNTIME")
}

/// Returns the variable that says how many packages are built at once.
pub(crate) fn jobs() -> Filled {
    filled("STAGEX_JOBS")
}

/// Returns the variable that denies the network.
pub(crate) fn offline() -> Filled {
    filled("STAGEX_OFFLINE")
}

/// Returns the variable that says what is kept from builds.
pub(crate) fn hermetic() -> Filled {
    filled("STAGEX_HERMETIC")
}

/// Returns the variable that says whether to begin where the disk has too little room.
pub(crate) fn ignore_space() -> Filled {
    filled("STAGEX_IGNORE_SPACE")
}

/// Returns one of our variables and its value, if it is set to something.
fn filled(variable: &str) -> Filled {
    match read(variable) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some((variable.to_owned(), value))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => Err(NotUtf8 {
            variable: variable.to_owned(),
            value,
        }),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn read(variable: &str) -> Result<String, VarError> {
    std::env::var(variable)
}

/// Returns the directory that a variable names, or else below the home directory.
fn directory(variable: &str, below_home: &str) -> Option<Utf8PathBuf> {
    absolute(variable).or_else(|| Some(home()?.join(below_home)))
}

/// Returns the home directory.
pub(crate) fn home() -> Option<Utf8PathBuf> {
    absolute("HOME")
}

fn absolute(variable: &str) -> Option<Utf8PathBuf> {
    let directory = Utf8PathBuf::from(read(variable).ok()?);
    directory.is_absolute().then_some(directory)
}

/// Returns the name of the terminal.
pub(crate) fn terminal() -> Option<String> {
    read("TERM").ok()
}

/// Returns the variable that says where outputs are, if not in the tree.
pub(crate) fn out() -> Filled {
    filled("STAGEX_OUT")
}

/// Returns the variable that says by which server packages are built.
pub(crate) fn remote() -> Filled {
    filled("STAGEX_REMOTE")
}

/// Returns the directory for what is temporary, if a variable names one.
pub(crate) fn temporary() -> Option<Utf8PathBuf> {
    absolute("TMPDIR")
}

/// Returns the directory of what belongs to the user and is no setting: the secret.
pub(crate) fn state() -> Option<Utf8PathBuf> {
    Some(directory("XDG_STATE_HOME", ".local/state")?.join("stagex"))
}

/// Returns the directory of the user's own `stagex.toml`.
pub(crate) fn configuration() -> Option<Utf8PathBuf> {
    Some(directory("XDG_CONFIG_HOME", ".config")?.join("stagex"))
}

/// Returns where it is kept what earlier processes found out about engines: below `stagex` in the
/// directory that the user has for what can be found out again at any time.
pub(crate) fn probe_cache() -> runtimes::ProbeCache {
    directory("XDG_CACHE_HOME", ".cache").map_or_else(runtimes::ProbeCache::none, |parent| {
        runtimes::ProbeCache::in_directory(parent.join("stagex").join("engines"))
    })
}

/// Returns the variable that says where the store of sources is.
pub(crate) fn store() -> Filled {
    filled("STAGEX_STORE")
}

/// Returns where the store of sources is if nobody says: below `stagex` in the directory that the user has for
/// what can be had again at any time.
pub(crate) fn default_store() -> Option<Utf8PathBuf> {
    let parent = directory("XDG_CACHE_HOME", ".cache")?;
    Some(parent.join("stagex").join("sources"))
}

/// Returns the proxies that the environment names, in lower case or, as many write them, in upper case.
pub(crate) fn proxies() -> Result<transfer::Proxies, NotUtf8> {
    let find = |lower: &str| -> Result<Option<String>, NotUtf8> {
        let found = match filled(lower)? {
            None => filled(&lower.to_uppercase())?,
            found => found,
        };
        Ok(found.map(|(_, value)| value))
    };
    Ok(transfer::Proxies {
        http: find("http_proxy")?,
        https: find("https_proxy")?,
        all: find("all_proxy")?,
        none: find("no_proxy")?,
    })
}

/// Returns the variable that names the one file with credentials for registries.
pub(crate) fn credentials() -> Filled {
    filled("REGISTRY_AUTH_FILE")
}

/// Returns the files in which `podman login` and `docker login` leave credentials, in the order in which Podman looks.
pub(crate) fn default_credentials() -> Result<Vec<Utf8PathBuf>, NotUtf8> {
    let auth = "containers/auth.json";
    let runtime = absolute("XDG_RUNTIME_DIR").map(|path| path.join(auth));
    let runtime = runtime.or_else(|| {
        let user = std::fs::metadata("/proc/self").ok()?.uid();
        Some(format!("/run/containers/{user}/auth.json").into())
    });
    let docker = filled("DOCKER_CONFIG")?.map(|(_, path)| Utf8PathBuf::from(path));
    let docker = docker.or_else(|| Some(home()?.join(".docker")));
    let found = [
        runtime,
        directory("XDG_CONFIG_HOME", ".config").map(|path| path.join(auth)),
        docker.map(|path| path.join("config.json")),
    ];
    Ok(found.into_iter().flatten().collect())
}

/// What programs that keep credentials need of the environment, beside what GnuPG does and what every child sees: where a
/// password store and the clients of clouds have what is theirs.
const OF_CREDENTIALS: [&str; 3] = [
    "PASSWORD_STORE_DIR",
    "PASSWORD_STORE_GPG_OPTS",
    "XDG_CACHE_HOME",
];
const PREFIXES_OF_CREDENTIALS: [&str; 5] = ["AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "ACR_"];

/// Returns what programs need of the environment that keep credentials.
pub(crate) fn of_credentials() -> Vec<(String, String)> {
    let is_theirs = |name: &str| {
        OF_CREDENTIALS.contains(&name)
            || PREFIXES_OF_CREDENTIALS
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let theirs = variables.filter(|(name, _)| is_theirs(name));
    of_gpg().into_iter().chain(theirs).collect()
}

/// Returns the directories of programs.
pub(crate) fn path() -> String {
    read("PATH").unwrap_or_default()
}

/// Returns the words of `STAGEX_ENGINES`, each a column as `--column` takes it.
pub(crate) fn engines() -> Result<Vec<String>, NotUtf8> {
    let text = filled("STAGEX_ENGINES")?.map(|(_, value)| value);
    let text = text.unwrap_or_default();
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// What GnuPG needs of the environment: where its keys are, and where it asks for a PIN.
const OF_GPG: [&str; 8] = [
    "GNUPGHOME",
    "GPG_TTY",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "TERM",
    "PINENTRY_USER_DATA",
    "INSIDE_EMACS",
];

/// Returns what GnuPG needs of the environment. Where a PIN is asked for is the terminal, unless it is set.
pub(crate) fn of_gpg() -> Vec<(String, String)> {
    let set = |name: &&str| Some(((*name).to_owned(), read(name).ok()?));
    let mut variables: Vec<_> = OF_GPG.iter().filter_map(set).collect();
    let terminal = std::io::stderr().is_terminal();
    let terminal = terminal.then(|| Utf8Path::new("/proc/self/fd/2").read_link_utf8().ok());
    let terminal = terminal.flatten().map(Utf8PathBuf::into_string);
    if let (Some(terminal), None) = (terminal, set(&"GPG_TTY")) {
        variables.push(("GPG_TTY".to_owned(), terminal));
    }
    variables
}

/// Returns the program that lists keys, with options behind it.
pub(crate) fn gpg() -> Filled {
    filled("STAGEX_GPG")
}

/// Returns the program that signs, with options behind it, if it is another.
pub(crate) fn gpg_sign() -> Filled {
    filled("STAGEX_GPG_SIGN")
}
