//! The registry: a name becomes a backend. The only crate that names them all.

mod registry;
mod select;

pub use backend_native::capabilities as capabilities_of_native;
pub use probe_cache::ProbeCache;
pub use registry::{NAMES, Programs, backend, is_name, plugins};
pub use select::{Choice, NoRuntime, Selected, select};
