//! What a report is made from. It does not know what follows from it.

use std::collections::BTreeMap;

use documents::{Attempt, Digest, Plan, SignedBy};

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The packages.
    pub plan: &'a Plan,
    /// The recorded digests, by full name.
    pub recorded: &'a BTreeMap<String, Digest>,
    /// Who has signed the recorded digests, by full name, if that was asked for.
    pub signed: Option<&'a BTreeMap<String, SignedBy>>,
    /// The attempts, in the order in which they were recorded.
    pub attempts: &'a [Attempt],
    /// The encoding that counts.
    pub profile: &'a str,
    /// The version of `stagex`.
    pub stagex: &'a str,
}
