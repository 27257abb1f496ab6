//! What a user has agreed to: for each registry the certificates, or the policy, that they were shown and said yes
//! to. It lies in their state directory, and only what they wrote there themselves is believed.
//!
//! It does not know how they are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use state::{Key, Secret, Sum};

use crate::fingerprint::Fingerprint;
use crate::payload::Registry;
use crate::policy::Policy;

/// The file, in the state directory.
const FILE: &str = "trust";
/// The first line. Raised when the rest changes its meaning.
const HEADER: &str = "stagex trust 1";
/// What a line begins with that is of certificates.
const KEYS: &str = "keys";
/// What a line begins with that is of a policy.
const POLICY: &str = "policy";

/// What a user has agreed to.
#[derive(Debug)]
pub struct Pins {
    path: Utf8PathBuf,
    directory: Directory,
    key: Key,
    /// By registry.
    keys: BTreeMap<String, BTreeSet<Fingerprint>>,
    policies: BTreeMap<String, String>,
}

/// Why it is not known, or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else wrote it, or something damaged it.
    #[error("{path}:{line}: this is not what stagex wrote for you")]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl PinsError {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Environment
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { path, .. } => format!("make {path} accessible to you"),
            Self::Damaged { path, .. } => format!(
                "nothing in it can be believed: remove {path}, and compare all fingerprints again"
            ),
        }
    }
}

impl Pins {
    /// Reads what is agreed to, from the directory `state`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what was written.
    pub fn open(state: &Utf8Path, secret: &Secret) -> Result<Self, PinsError> {
        let path = state.join(FILE);
        let io = |source| PinsError::Io {
            action: "read",
            path: path.clone(),
            source,
        };
        let directory = Directory::open(state).map_err(io)?;
        let text = match directory.read_text(FILE.into(), beneath::TEXT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(io)?,
        };
        let mut pins = Self {
            key: secret.key("trust"),
            directory,
            keys: BTreeMap::new(),
            policies: BTreeMap::new(),
            path: path.clone(),
        };
        let mut before = Sum::default();
        for (number, line) in text.lines().enumerate() {
            let damaged = || PinsError::Damaged {
                path: path.clone(),
                line: number + 1,
            };
            let (body, sum) = pins.key.open(&before, line).ok_or_else(damaged)?;
            before = sum;
            if number == 0 {
                if body != HEADER {
                    return Err(damaged());
                }
            } else {
                pins.take(body).ok_or_else(damaged)?;
            }
        }
        Ok(pins)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let (registry, rest) = rest.split_once(' ')?;
        match kind {
            KEYS => {
                let keys = rest.split(' ').map(|word| word.parse().ok());
                self.keys
                    .insert(registry.to_owned(), keys.collect::<Option<_>>()?);
            }
            POLICY => _ = self.policies.insert(registry.to_owned(), rest.to_owned()),
            _ => return None,
        }
        Some(())
    }

    /// Returns its path.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns the certificates that are agreed to for a registry, if some are.
    pub fn keys(&self, registry: &Registry) -> Option<&BTreeSet<Fingerprint>> {
        self.keys.get(registry.as_str())
    }

    /// Tells whether exactly this policy is agreed to.
    pub fn has_policy(&self, policy: &Policy) -> bool {
        let known = self.policies.get(policy.registry.as_str());
        known.is_some_and(|known| *known == policy.statement())
    }

    /// Agrees to certificates for a registry, in place of those that there were.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn agree_to_keys(
        &mut self,
        registry: &Registry,
        keys: BTreeSet<Fingerprint>,
    ) -> Result<(), PinsError> {
        self.keys.insert(registry.to_string(), keys);
        self.write()
    }

    /// Agrees to a policy for its registry, in place of the one that there was.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn agree_to_policy(&mut self, policy: &Policy) -> Result<(), PinsError> {
        let registry = policy.registry.to_string();
        self.policies.insert(registry, policy.statement());
        self.write()
    }

    fn write(&self) -> Result<(), PinsError> {
        let keys = self.keys.iter().map(|(registry, keys)| {
            let keys: Vec<_> = keys.iter().map(Fingerprint::as_str).collect();
            format!("{KEYS} {registry} {}", keys.join(" "))
        });
        let policies = self.policies.iter();
        let policies = policies.map(|(registry, policy)| format!("{POLICY} {registry} {policy}"));
        let mut text = String::new();
        let mut before = Sum::default();
        for line in std::iter::once(HEADER.to_owned())
            .chain(keys)
            .chain(policies)
        {
            let (line, sum) = self.key.seal(&before, &line);
            text.push_str(&line);
            before = sum;
        }
        let written = self.directory.write(FILE.into(), text.as_bytes());
        written.map_err(|source| PinsError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn keys(keys: &[&str]) -> BTreeSet<Fingerprint> {
        keys.iter().map(|key| key.parse().unwrap()).collect()
    }

    fn policy(threshold: u32) -> Policy {
        Policy::of_certificates(None, Some(threshold), &keys(&[ONE, TWO])).unwrap()
    }

    #[test]
    fn what_is_agreed_to_is_known_later_and_for_one_registry_only() {
        let temporary = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(temporary.path()).unwrap();
        let secret = Secret::read_or_make(state).unwrap();
        let open = || Pins::open(state, &secret).unwrap();
        let [stagex, other] =
            ["stagex", "quay.io/stagex"].map(|text| text.parse::<Registry>().unwrap());
        let mut pins = open();
        assert_eq!(pins.keys(&stagex), None);
        pins.agree_to_keys(&stagex, keys(&[ONE])).unwrap();
        pins.agree_to_policy(&policy(2)).unwrap();
        let pins = open();
        assert_eq!(pins.keys(&stagex), Some(&keys(&[ONE])));
        assert_eq!(pins.keys(&other), None);
        assert!(pins.has_policy(&policy(2)) && !pins.has_policy(&policy(1)));
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(temporary.path()).unwrap();
        let secret = Secret::read_or_make(state).unwrap();
        let mut pins = Pins::open(state, &secret).unwrap();
        pins.agree_to_keys(&"stagex".parse().unwrap(), keys(&[ONE]))
            .unwrap();
        pins.agree_to_policy(&policy(2)).unwrap();
        let text = fs::read_to_string(pins.path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for spoilt in [
            text.replace(ONE, TWO),
            text.replace("policy stagex", "policy docker.io/stagex"),
            // A line that is left out.
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{text}keys stagex {TWO}\n"),
        ] {
            fs::write(pins.path(), spoilt).unwrap();
            let error = Pins::open(state, &secret).unwrap_err();
            assert!(matches!(error, PinsError::Damaged { .. }), "{error}");
        }
        fs::write(pins.path(), &text).unwrap();
        let other = Secret::of_process();
        assert!(Pins::open(state, &other).is_err());
    }
}
