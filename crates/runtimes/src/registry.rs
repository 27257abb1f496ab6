//! Every backend there is, one line each; and behind them whatever has a plugin.

use std::collections::BTreeMap;
use std::sync::Arc;

use backend_api::Backend;
use backend_plugin::Plugin;
use camino::Utf8PathBuf;
use probe_cache::ProbeCache;

/// Makes a backend that drives the given program, or the one on PATH.
type Constructor = fn(Option<Utf8PathBuf>, &ProbeCache) -> Arc<dyn Backend>;

/// The backends, in the order in which they are preferred.
const BACKENDS: [(&str, Constructor); 4] = [
    ("docker", |program, probe_cache| {
        Arc::new(backend_docker::Docker::new(program, probe_cache.clone()))
    }),
    ("podman", |program, probe_cache| {
        Arc::new(backend_podman::Podman::new(program, probe_cache.clone()))
    }),
    ("buildah", |program, probe_cache| {
        Arc::new(backend_buildah::Buildah::new(program, probe_cache.clone()))
    }),
    ("native", |program, probe_cache| {
        Arc::new(backend_native::Native::new(program, probe_cache.clone()))
    }),
];

/// The runtime that needs no engine.
pub(crate) const FALLBACK: &str = "native";

/// The names of the runtimes, in the order in which they are preferred.
pub const NAMES: [&str; BACKENDS.len()] = {
    let mut names = [""; BACKENDS.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = BACKENDS[place].0;
        place += 1;
    }
    names
};

/// Which program to use for a runtime, where the user says so.
pub type Programs = BTreeMap<String, Utf8PathBuf>;

/// Returns the backend of the runtime `name`, if there is such a runtime: one of [`NAMES`], or
/// one whose plugin is in `programs` or on PATH. What earlier processes found out about engines
/// is in `probe_cache`.
pub fn backend(
    name: &str,
    programs: &Programs,
    probe_cache: &ProbeCache,
) -> Option<Arc<dyn Backend>> {
    let program = programs.get(name).cloned();
    if let Some((_, constructor)) = BACKENDS.iter().find(|(known, _)| *known == name) {
        return Some(constructor(program, probe_cache));
    }
    let name: backend_plugin::Name = name.parse().ok()?;
    let program = program.or_else(|| name.find())?;
    Some(Arc::new(Plugin::new(name, Some(program))))
}

/// Returns the names of the runtimes that have a plugin, in `programs` or on PATH.
pub fn plugins(programs: &Programs) -> Vec<String> {
    let installed = backend_plugin::installed().into_keys();
    let names = installed.map(|name| name.to_string());
    let mut names: Vec<String> = names.chain(programs.keys().cloned()).collect();
    names.retain(|name| !NAMES.contains(&name.as_str()));
    names.sort();
    names.dedup();
    names
}

/// Tells whether `name` may be the name of a runtime, whether or not there is one.
pub fn is_name(name: &str) -> bool {
    name.parse::<backend_plugin::Name>().is_ok()
}
