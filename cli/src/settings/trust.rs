//! What a `stagex.toml` says of whom the user believes: its table `[trust]`. All of it is the user's: a tree does not
//! decide whose signatures of it count.
//!
//! It does not know what overrides what it says.

use std::ops::Range;

use camino::Utf8PathBuf;
use serde::Deserialize;
use toml::Spanned;

use super::fetch::Wrong;
use super::setting::{Owner, Setting, Source, default};

/// What is settled about whom the user believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusting {
    /// The policy.
    pub(crate) policy: Setting<Option<Utf8PathBuf>>,
    /// The keyring: a file or a directory.
    pub(crate) keyring: Setting<Option<Utf8PathBuf>>,
    /// A directory, or the address of a server.
    pub(crate) signatures: Setting<Option<String>>,
}

/// What a `[trust]` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    policy: Option<Spanned<String>>,
    keyring: Option<Spanned<String>>,
    signatures: Option<Spanned<String>>,
}

const OWN: &str =
    "a tree must not decide whose signatures count: write it into stagex/stagex.toml in ~/.config";
const ABSOLUTE: &str = "begin it with /, because a relative path would depend on the tree";

impl Trusting {
    /// Returns the settings where nobody has set anything.
    pub(super) fn of_nobody() -> Self {
        Self {
            policy: default(None),
            keyring: default(None),
            signatures: default(None),
        }
    }

    /// Takes what a table says. What it says is stronger than what was known before.
    pub(super) fn take(
        &mut self,
        table: &Spanned<Table>,
        owner: Owner,
        place: &dyn Fn(Range<usize>) -> Source,
    ) -> Result<(), Wrong> {
        if owner == Owner::Tree {
            let message = "[trust] cannot be set by a tree".to_owned();
            return Err((table.span(), message, Some(OWN)));
        }
        let Table {
            policy,
            keyring,
            signatures,
        } = table.get_ref();
        for (said, setting) in [(policy, &mut self.policy), (keyring, &mut self.keyring)] {
            if let Some(said) = said {
                *setting = Setting {
                    value: Some(absolute(said)?),
                    source: place(said.span()),
                };
            }
        }
        if let Some(said) = signatures {
            if !said.get_ref().contains("://") {
                absolute(said)?;
            }
            self.signatures = Setting {
                value: Some(said.get_ref().clone()),
                source: place(said.span()),
            };
        }
        Ok(())
    }
}

fn absolute(text: &Spanned<String>) -> Result<Utf8PathBuf, Wrong> {
    let path = Utf8PathBuf::from(text.get_ref());
    if path.is_absolute() {
        return Ok(path);
    }
    let message = format!("`{path}` is not an absolute path");
    Err((text.span(), message, Some(ABSOLUTE)))
}
