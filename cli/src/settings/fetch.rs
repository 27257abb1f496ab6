//! What a `stagex.toml` says of fetching sources: its table `[fetch]`.
//!
//! It does not know what overrides what it says.

use std::ops::Range;
use std::time::Duration;

use camino::Utf8PathBuf;
use fetch::Template;
use serde::Deserialize;
use toml::Spanned;

use super::setting::{Owner, Setting, Source, default};

/// What is settled about fetching sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetching {
    /// The directory of the store; one of the user's cache where nobody says.
    pub(crate) store: Setting<Option<Utf8PathBuf>>,
    /// How many bytes the store may have.
    pub(crate) limit: Setting<u64>,
    /// Addresses that have any source.
    pub(crate) by_hash: Setting<Vec<Template>>,
    /// Whether they are asked before a package's own mirrors.
    pub(crate) by_hash_first: Setting<bool>,
    /// How many downloads run at once, in total.
    pub(crate) connections: Setting<u32>,
    /// How many of them from one host.
    pub(crate) per_host: Setting<u32>,
    /// How long nothing may arrive.
    pub(crate) stall: Setting<Duration>,
    /// The directories whose files a mirror may name.
    pub(crate) directories: Setting<Vec<Utf8PathBuf>>,
}

impl Fetching {
    /// Returns the settings where nobody has set anything.
    pub(super) fn of_nobody() -> Self {
        let usual = transfer::Config::default();
        let number = |number| u32::try_from(number).unwrap_or(1);
        Self {
            store: default(None),
            limit: default(fetch::DEFAULT_LIMIT),
            by_hash: default(Vec::new()),
            by_hash_first: default(false),
            connections: default(number(usual.connections)),
            per_host: default(number(usual.per_host)),
            stall: default(usual.stall),
            directories: default(Vec::new()),
        }
    }
}

/// What a `[fetch]` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Table {
    store: Option<Spanned<String>>,
    limit: Option<Spanned<String>>,
    by_hash: Option<Spanned<Vec<Spanned<String>>>>,
    by_hash_first: Option<Spanned<bool>>,
    connections: Option<Spanned<i64>>,
    per_host: Option<Spanned<i64>>,
    stall: Option<Spanned<i64>>,
    directories: Option<Spanned<Vec<Spanned<String>>>>,
}

/// What is wrong, where, and what to do.
pub(super) type Wrong = (Range<usize>, String, Option<&'static str>);

const OWN: &str = "a tree must not decide which files are read and written: write it into stagex/stagex.toml in \
    ~/.config";
const ABSOLUTE: &str = "begin it with /, because a relative path would depend on the tree";

/// How many connections there may be.
pub(crate) const CONNECTIONS: &str = "expected a number of connections from 1 to 256";

impl Fetching {
    /// Takes what a table says. What it says is stronger than what was known before.
    pub(super) fn take(
        &mut self,
        table: Table,
        owner: Owner,
        place: &dyn Fn(Range<usize>) -> Source,
    ) -> Result<(), Wrong> {
        if let Some(store) = table.store {
            let value = own("store", &store, owner).and_then(|()| absolute(&store))?;
            self.store = said(&store, Some(value), place);
        }
        if let Some(limit) = table.limit {
            own("limit", &limit, owner)?;
            let value = package_tree::bytes(limit.get_ref()).ok_or_else(|| {
                let text = format!(
                    "`{}` is not a valid amount, expected one such as `64GiB`",
                    limit.get_ref()
                );
                (limit.span(), text, None)
            })?;
            self.limit = said(&limit, value, place);
        }
        if let Some(by_hash) = table.by_hash {
            let template = |text: &Spanned<String>| {
                text.get_ref().parse::<Template>().map_err(|error| {
                    let text_of = format!("`{}` is not a place of sources by their hash: {error}", text.get_ref());
                    let hint = "write the URL of a file with {sha256} in it, such as https://example.org/{sha256}";
                    (text.span(), text_of, Some(hint))
                })
            };
            let value = by_hash.get_ref().iter().map(template);
            self.by_hash = said(&by_hash, value.collect::<Result<_, Wrong>>()?, place);
        }
        if let Some(first) = table.by_hash_first {
            self.by_hash_first = said(&first, *first.get_ref(), place);
        }
        if let Some(connections) = table.connections {
            self.connections = said(&connections, some(&connections)?, place);
        }
        if let Some(per_host) = table.per_host {
            self.per_host = said(&per_host, some(&per_host)?, place);
        }
        if let Some(stall) = table.stall {
            let seconds = u64::try_from(*stall.get_ref()).ok();
            let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
            let wrong = || {
                (
                    stall.span(),
                    "expected a number of seconds from 1 to 3600".to_owned(),
                    None,
                )
            };
            self.stall = said(
                &stall,
                Duration::from_secs(seconds.ok_or_else(wrong)?),
                place,
            );
        }
        if let Some(directories) = table.directories {
            own("directories", &directories, owner)?;
            let value = directories.get_ref().iter().map(absolute);
            self.directories = said(&directories, value.collect::<Result<_, Wrong>>()?, place);
        }
        Ok(())
    }
}

fn said<T, V>(at: &Spanned<V>, value: T, place: &dyn Fn(Range<usize>) -> Source) -> Setting<T> {
    Setting {
        value,
        source: place(at.span()),
    }
}

/// Refuses what only the user may say.
fn own<T>(key: &str, at: &Spanned<T>, owner: Owner) -> Result<(), Wrong> {
    match owner {
        Owner::User => Ok(()),
        Owner::Tree => Err((
            at.span(),
            format!("`{key}` in [fetch] cannot be set by a tree"),
            Some(OWN),
        )),
    }
}

fn absolute(text: &Spanned<String>) -> Result<Utf8PathBuf, Wrong> {
    let path = Utf8PathBuf::from(text.get_ref());
    if path.is_absolute() {
        return Ok(path);
    }
    Err((
        text.span(),
        format!("`{path}` is not an absolute path"),
        Some(ABSOLUTE),
    ))
}

fn some(number: &Spanned<i64>) -> Result<u32, Wrong> {
    let value = u32::try_from(*number.get_ref()).ok();
    let value = value.filter(|value| (1..=256).contains(value));
    value.ok_or_else(|| (number.span(), CONNECTIONS.to_owned(), None))
}
