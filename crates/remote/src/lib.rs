//! Builds packages by a server of the Remote Execution API (REAPI v2), and what its workers run.
//!
//! An action is a package: its input is this program, what the recipe says, and everything that the image is a function
//! of; its output is an OCI layout. Nobody there is believed: every digest of what is kept is computed here.
//! It does not know which packages are built, nor how anything is printed.

mod action;
mod address;
#[cfg(test)]
#[path = "../tests/support/at_once.rs"]
mod at_once;
mod bearer;
mod begun;
mod blob;
mod client;
mod description;
mod error;
mod execution;
mod executor;
mod output;
mod place;
mod retry;
mod server;
mod summary;
mod transfer;
mod tree;
mod turns;
mod worker;

pub use address::{Address, InvalidAddress};
pub use executor::{Cache, Remote};
pub use server::{Credentials, RUNTIME, Server, Token};
pub use summary::Summary;
pub use worker::{WorkerError, work};
