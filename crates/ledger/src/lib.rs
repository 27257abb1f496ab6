//! The ledger: every attempt to reproduce a package, one after the other, in the state directory of the user
//! who made them.
//!
//! Each line is proven by an HMAC under the user's secret over itself and the proof of the line before, so that none
//! can be changed, removed or put in between. It does not know how a package is built, nor what follows from an attempt.

mod error;
mod ledger;
mod machine;

pub use error::Error;
pub use ledger::{Imported, Ledger, export, read_export};
pub use machine::{machine, machine_of_server, now};
