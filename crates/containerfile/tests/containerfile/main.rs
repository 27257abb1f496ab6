//! What the crate promises, over whole files.

mod beside_heredocs;
mod bounds;
mod closed;
mod environment;
mod grammar;
mod lowering;
mod mounts;
mod references;
mod refusals;
mod resolution;
mod robustness;

use containerfile::{Platform, Scope};

fn platform(text: &str) -> Platform {
    text.parse().expect("a platform")
}

fn scope() -> Scope {
    Scope::new(platform("linux/amd64"))
}
