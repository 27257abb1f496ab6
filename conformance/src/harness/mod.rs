//! The differential harness: inputs that are made by chance, built by every column and before every oracle. What
//! differs is made small.
//!
//! It does not know what inputs are made of, nor the command line.

mod bases;
mod built;
mod found;
mod known;
mod laid;
mod outcome;
mod run;
mod side;

pub use bases::NotPrepared;
pub use found::{Finding, Found, Reason, Tally};
pub use known::{InvalidKnown, Known};
pub use run::{Event, Harness, Plan};
