//! From a plan to many images: what is up to date, why the rest is built, in what order, and what is
//! removed again.
//!
//! It does not know how one image is built, nor how things are printed.

mod clean;
mod executor;
mod explain;
mod given;
mod import;
mod inputs;
mod job;
mod keys;
mod make;
mod memory;
mod package;
mod refused;
mod scan;
mod schedule;
mod simulate;
mod sizes;
mod sources;
mod substitute;
mod timing;

pub use build::{Error, Event, Failure, Listener, Profile, Space};
pub use clean::{Clean, Cleaned, abandoned_runtimes, clean, clean_store};
pub use documents::{ErrorKind, Explanation, Reason};
pub use executor::{Executor, Local, REMOTE};
pub use explain::{explain, explain_cleaned};
pub use given::{Given, GivenImage};
pub use import::{Import, import};
pub use job::{Job, Options};
pub use keys::Keys;
pub use make::{Outcome, Report, make};
pub use refused::refusals;
pub use simulate::Simulator;
pub use sizes::sizes;
pub use sources::{Present, Sources};
pub use substitute::{SUBSTITUTED, substitute};
pub use timing::Timing;
