//! The runtimes of the matrix, each probed before anything is listed, so that absence is a
//! listed fact and never a pass.

use std::sync::Arc;

use backend_api::{Availability, Backend};
use runtimes::Programs;

/// A runtime, and whether it is here.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Its name.
    pub name: &'static str,
    /// Its backend.
    pub backend: Arc<dyn Backend>,
    /// Whether it can build here.
    pub availability: Availability,
    /// Whether its absence is a failure.
    pub required: bool,
}

impl Runtime {
    /// Returns why its cells cannot run, if they cannot.
    pub fn absence(&self) -> Option<String> {
        let why = self.availability.ready().err()?;
        Some(format!("{} is not ready: {}", self.name, why.message))
    }
}

/// Probes every runtime there is. Those named in `required` must be here.
pub async fn probe_all(programs: &Programs, required: &[String]) -> Vec<Runtime> {
    let mut found = Vec::new();
    for name in runtimes::NAMES {
        let Some(backend) = runtimes::backend(name, programs) else {
            continue;
        };
        let availability = backend.probe().await;
        let required = required.iter().any(|wanted| wanted == name);
        found.push(Runtime {
            name,
            backend,
            availability,
            required,
        });
    }
    found
}
