//! Which runtime builds: the one that was named, or the first that can.

use std::sync::Arc;

use backend_api::{Availability, Backend, Ready, Unavailable};

use probe_cache::ProbeCache;

use crate::registry::{FALLBACK, NAMES, Programs, backend};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The first that is ready, in the order of [`NAMES`]. Never a plugin.
    Auto,
    /// This one: a name of [`NAMES`], or of a plugin.
    Named(String),
}

/// A runtime that is ready.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Its backend.
    pub backend: Arc<dyn Backend>,
    /// What is known of it.
    pub ready: Ready,
    /// It was taken because no engine is ready, of those that were tried.
    pub is_fallback: bool,
}

/// No runtime that was asked for is ready.
#[derive(Debug, thiserror::Error)]
pub enum NoRuntime {
    /// There is no runtime of that name.
    #[error(
        "there is no runtime `{0}`: expected {names}, or the name of a plugin, and no program \
         `stagex-runtime-{0}` is on PATH",
        names = NAMES.join(", ")
    )]
    Unknown(String),
    /// Those that were asked for, each with why it is not ready.
    #[error("{}", why(.0))]
    Unavailable(Vec<(String, Unavailable)>),
}

fn why(tried: &[(String, Unavailable)]) -> String {
    if let [(name, only)] = tried {
        return format!("{name} is not ready: {}", only.message);
    }
    let each = tried
        .iter()
        .map(|(name, why)| format!("\n  {name}: {}", why.message));
    format!("no runtime is ready{}", each.collect::<String>())
}

/// Finds the runtime to build with.
pub async fn select(
    choice: &Choice,
    programs: &Programs,
    probe_cache: &ProbeCache,
) -> Result<Selected, NoRuntime> {
    let names = match choice {
        Choice::Auto => NAMES.iter().map(|name| (*name).to_owned()).collect(),
        Choice::Named(name) => vec![name.clone()],
    };
    let mut tried = Vec::new();
    for name in names {
        let Some(backend) = backend(&name, programs, probe_cache) else {
            return Err(NoRuntime::Unknown(name));
        };
        match backend.probe().await {
            Availability::Ready(ready) => {
                let is_fallback = *choice == Choice::Auto && name == FALLBACK;
                return Ok(Selected {
                    backend,
                    ready,
                    is_fallback,
                });
            }
            Availability::Unavailable(unavailable) => tried.push((name, unavailable)),
        }
    }
    Err(NoRuntime::Unavailable(tried))
}
