//! A server that builds, as far as it is known before it is asked.

use crate::address::Address;

/// What records and messages call it.
pub const RUNTIME: &str = make::REMOTE;

/// A server, and how it is asked.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    /// What workers have to have, by the server's own names.
    pub properties: Vec<(String, String)>,
}
