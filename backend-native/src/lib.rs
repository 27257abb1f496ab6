//! Builds images without an engine: in namespaces of its own, on file systems of its own.
//!
//! What other backends tell an engine, this one does itself, in a process of its own, the
//! [`worker`]: this same program, started again. It reads the lowered Containerfile by the crate
//! that wrote it; how files are copied and layers read is known to `snapshot`, how a process is
//! shut off to `sandbox`. It does not know packages, nor the canonical format.

mod backend;
mod command;
mod error;
mod job;
mod parse;
mod probe;
mod worker;

pub use backend::Native;
pub use probe::capabilities;
