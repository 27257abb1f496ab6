//! What a client is told once.
//!
//! It does not read the environment, nor settings: whoever makes a client says what stands there.

use std::collections::BTreeSet;

use crate::limits::Limits;

/// What a client is told once.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where credentials are looked for, if a registry asks who is asking.
    pub credentials: credentials::Config,
    /// The hosts that are asked without encryption, each with its port if that is not 80, beside this machine.
    pub insecure: BTreeSet<String>,
    /// How large what is downloaded may be.
    pub limits: Limits,
    /// How it is downloaded.
    pub transfer: transfer::Config,
}
