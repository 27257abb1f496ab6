//! One suite that every runtime must pass: the same digest for each case, whoever built it.
//!
//! It knows cases, the matrix of cases and runtimes, and recorded digests. It names no engine,
//! and does not know the command line.

mod bench;
mod case;
mod matrix;
mod recorded;
mod runtime;

pub use bench::{Bench, copy_folder};
pub use case::{Case, cases};
pub use matrix::{Cell, Matrix, Verdict};
pub use recorded::Recorded;
pub use runtime::{Runtime, probe_all};
