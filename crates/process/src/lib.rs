//! Children: how this project starts a program, what the program sees, and how it ends.
//!
//! The only crate that starts processes. It knows environments, limits, process groups and
//! lines of output, and which other platforms' programs the kernel runs; it does not know any container
//! engine.

mod emulation;
mod environment;
mod error;
mod group;
mod invocation;
mod lines;
mod surroundings;

pub use emulation::emulated_platforms;
pub use environment::{Environment, is_kept};
pub use error::{Error, KILLED_HINT};
pub use group::wait_for_ended_groups;
pub use invocation::{Channel, Finished, Invocation, find, find_all, find_in};
pub use lines::{LONGEST_LINE, Lines};
pub use surroundings::Surroundings;
