//! The variables that the program itself reads. The one module here that reads the environment.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

/// Returns the programs named by `STAGEX_DOCKER`, `STAGEX_PODMAN` and the like.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn programs() -> BTreeMap<String, Utf8PathBuf> {
    let named = runtimes::NAMES.iter().filter_map(|name| {
        let value = std::env::var(format!("STAGEX_{}", name.to_uppercase())).ok()?;
        (!value.is_empty()).then(|| ((*name).to_owned(), Utf8PathBuf::from(value)))
    });
    named.collect()
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
