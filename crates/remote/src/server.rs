//! A server that builds, as far as it is known before it is asked.

use std::fmt;
use std::time::Duration;

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
    /// How long an action may take; what the server sets by itself, if nothing is said.
    pub time_limit: Option<Duration>,
    /// By what it knows the user. None of it is sent without encryption.
    pub credentials: Credentials,
}

impl Server {
    /// Returns what a reproduction calls it, beside the runtimes of this machine. It can be the name of a directory.
    pub fn label(&self) -> String {
        let Address {
            authority,
            instance,
            ..
        } = &self.address;
        let instance = instance.replace('/', "-");
        let between = if instance.is_empty() { "" } else { "-" };
        format!("{RUNTIME}@{authority}{between}{instance}")
    }
}

/// By what a server knows a user: files, which are read when it is connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// A certificate and its key, each as PEM.
    pub certificate: Option<(Utf8PathBuf, Utf8PathBuf)>,
    /// A token.
    pub token: Option<Token>,
}

/// Where a token is.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// In this file.
    File(Utf8PathBuf),
    /// Here.
    Text(String),
}

/// It is in no message.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "a token in {path}"),
            Self::Text(_) => f.write_str("a token"),
        }
    }
}
