//! Every backend there is, one line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use backend_api::Backend;
use camino::Utf8PathBuf;

/// Makes a backend that drives the given program, or the one on PATH.
type Constructor = fn(Option<Utf8PathBuf>) -> Arc<dyn Backend>;

/// The backends, in the order in which they are preferred.
const BACKENDS: [(&str, Constructor); 3] = [
    ("docker", |program| {
        Arc::new(backend_docker::Docker::new(program))
    }),
    ("podman", |program| {
        Arc::new(backend_podman::Podman::new(program))
    }),
    ("buildah", |program| {
        Arc::new(backend_buildah::Buildah::new(program))
    }),
];

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

/// Returns the backend of the runtime `name`, if there is such a runtime.
pub fn backend(name: &str, programs: &Programs) -> Option<Arc<dyn Backend>> {
    let (_, constructor) = BACKENDS.iter().find(|(known, _)| *known == name)?;
    Some(constructor(programs.get(name).cloned()))
}
