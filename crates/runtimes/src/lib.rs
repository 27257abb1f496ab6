//! The registry: a name becomes a backend. The only crate that names them all.

mod registry;
mod select;

pub use findings::Findings;
pub use registry::{NAMES, Programs, backend, is_name, plugins};
pub use select::{Choice, NoRuntime, Selected, select};
