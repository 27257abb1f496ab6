//! The variables that the program itself reads. The one module here that reads the environment.

use camino::Utf8PathBuf;

/// Returns the programs named by `STAGEX_DOCKER`, `STAGEX_PODMAN` and the like: those of the
/// engines that are known, and that of the plugin `named`. Each is (engine, variable, program).
pub(crate) fn programs(named: Option<&str>) -> Vec<(String, String, Utf8PathBuf)> {
    let names = runtimes::NAMES.into_iter().chain(named);
    let programs = names.filter_map(|name| {
        let variable = format!("STAGEX_{}", name.to_uppercase().replace('-', "_"));
        let (variable, value) = filled(&variable)?;
        Some((name.to_owned(), variable, Utf8PathBuf::from(value)))
    });
    programs.collect()
}

/// Returns the variable that names the runtime, if it says something, and what.
pub(crate) fn runtime() -> Option<(String, String)> {
    filled("STAGEX_RUNTIME")
}

/// Returns the variable that says how many packages are built at once.
pub(crate) fn jobs() -> Option<(String, String)> {
    filled("STAGEX_JOBS")
}

/// Returns the variable that denies the network.
pub(crate) fn offline() -> Option<(String, String)> {
    filled("STAGEX_OFFLINE")
}

/// Returns the variable that says whether to begin where the disk has too little room.
pub(crate) fn ignore_space() -> Option<(String, String)> {
    filled("STAGEX_IGNORE_SPACE")
}

/// Returns a variable and its value, if it is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn filled(variable: &str) -> Option<(String, String)> {
    let value = std::env::var(variable).ok()?;
    (!value.is_empty()).then(|| (variable.to_owned(), value))
}

/// Returns the folder that a variable names, or else below the home folder.
fn folder(variable: &str, below_home: &str) -> Option<Utf8PathBuf> {
    let absolute = |variable: &str| {
        let folder = Utf8PathBuf::from(filled(variable)?.1);
        folder.is_absolute().then_some(folder)
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

/// Returns the folder of the user's own `stagex.toml`.
pub(crate) fn configuration() -> Option<Utf8PathBuf> {
    Some(folder("XDG_CONFIG_HOME", ".config")?.join("stagex"))
}

/// Returns where it is kept what earlier processes found out about engines: below `stagex` in the
/// folder that the user has for what can be found out again at any time.
pub(crate) fn findings() -> runtimes::Findings {
    folder("XDG_CACHE_HOME", ".cache").map_or_else(runtimes::Findings::none, |parent| {
        runtimes::Findings::in_folder(parent.join("stagex").join("engines"))
    })
}

/// Returns the words of `STAGEX_ENGINES`, each a column as `--column` takes it.
pub(crate) fn engines() -> Vec<String> {
    let text = filled("STAGEX_ENGINES").map(|(_, value)| value);
    let text = text.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
