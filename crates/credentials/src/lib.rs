//! Credentials for registries: the files in which `podman login` and `docker login` leave them, and the programs that
//! those files name (`docker-credential-NAME`).
//!
//! It does not know registries, nor to whom credentials may be sent. What is in them is in no message and in no log.

mod error;
mod file;
mod helper;
mod secret;
mod store;

pub use error::Error;
pub use secret::{Credentials, Origin, Secret};
pub use store::{Config, Lookup, Store};
