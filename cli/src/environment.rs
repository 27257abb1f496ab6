//! The variables that the program itself reads. The one module here that reads the environment.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

/// Returns the programs named by `STAGEX_DOCKER`, `STAGEX_PODMAN` and the like: those of the
/// engines that are known, and that of the plugin `named`.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn programs(named: Option<&str>) -> BTreeMap<String, Utf8PathBuf> {
    let names = runtimes::NAMES.into_iter().chain(named);
    let programs = names.filter_map(|name| {
        let variable = format!("STAGEX_{}", name.to_uppercase().replace('-', "_"));
        let value = std::env::var(variable).ok()?;
        (!value.is_empty()).then(|| (name.to_owned(), Utf8PathBuf::from(value)))
    });
    programs.collect()
}

/// Returns where it is kept what earlier processes found out about engines: below `stagex` in the
/// folder that the user has for what can be found out again at any time.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn findings() -> runtimes::Findings {
    let folder = |variable: &str| {
        let folder = Utf8PathBuf::from(std::env::var(variable).ok()?);
        folder.is_absolute().then_some(folder)
    };
    let parent = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    parent.map_or_else(runtimes::Findings::none, |parent| {
        runtimes::Findings::in_folder(parent.join("stagex").join("engines"))
    })
}

/// Returns the words of `STAGEX_ENGINES`, each a column as `--column` takes it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn engines() -> Vec<String> {
    let text = std::env::var("STAGEX_ENGINES").unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
