//! What a `stagex.toml` says of registries: its table `[registry]`, which only the user's own may have.

use std::collections::BTreeSet;
use std::ops::Range;

use registry::Repository;
use serde::Deserialize;
use toml::Spanned;

use super::fetch::Wrong;
use super::setting::{Owner, Setting, Source};

/// What a `[registry]` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Table {
    insecure: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Takes which hosts are asked without encryption. What a table says is stronger than what was known before.
pub(super) fn take(
    known: &mut Setting<BTreeSet<String>>,
    table: Spanned<Table>,
    owner: Owner,
    place: &dyn Fn(Range<usize>) -> Source,
) -> Result<(), Wrong> {
    if owner == Owner::Tree {
        let hint = "a tree must not decide who is asked without encryption: write it into stagex/stagex.toml in \
            ~/.config";
        let message = "`registry` cannot be set by a tree".to_owned();
        return Err((table.span(), message, Some(hint)));
    }
    let Some(insecure) = table.into_inner().insecure else {
        return Ok(());
    };
    let host = |text: &Spanned<String>| match text.get_ref().parse::<Repository>() {
        Ok(host) if host.host() == text.get_ref() => Ok(host.host().to_owned()),
        _ => {
            let message = format!("`{}` is not the host of a registry", text.get_ref());
            let hint = "write the host, with its port if that is not 80: registry.example.org:5000";
            Err((text.span(), message, Some(hint)))
        }
    };
    *known = Setting {
        value: insecure
            .get_ref()
            .iter()
            .map(host)
            .collect::<Result<_, Wrong>>()?,
        source: place(insecure.span()),
    };
    Ok(())
}
