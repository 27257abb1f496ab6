//! A server that builds, as far as it is known before it is asked.

use camino::Utf8PathBuf;

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
    /// By what it knows the user. None of it is sent without encryption.
    pub credentials: Credentials,
}

/// By what a server knows a user: files, which are read when it is connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// A certificate and its key, each as PEM.
    pub certificate: Option<(Utf8PathBuf, Utf8PathBuf)>,
    /// A token.
    pub token: Option<Utf8PathBuf>,
}
