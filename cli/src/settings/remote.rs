//! Which server of the Remote Execution API builds: the table `[remote]`, which only the user's own `stagex.toml` may have,
//! the variable and the flag.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use camino::Utf8PathBuf;
use remote::Address;
use serde::Deserialize;
use toml::Spanned;

use super::fetch::Wrong;
use super::setting::{Owner, Setting, Source, default};
use crate::arguments::{Command, Global};
use crate::environment;
use crate::failure::{Failure, usage};

/// What a `[remote]` can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    address: Option<Spanned<String>>,
    properties: Option<Spanned<BTreeMap<String, String>>>,
    certificate: Option<Spanned<Utf8PathBuf>>,
    key: Option<Spanned<Utf8PathBuf>>,
    token: Option<Spanned<Utf8PathBuf>>,
    #[serde(rename = "token-program")]
    token_program: Option<Spanned<Utf8PathBuf>>,
    #[serde(rename = "time-limit")]
    time_limit: Option<Spanned<String>>,
}

/// Which server builds, if one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Building {
    /// Where it is.
    pub(crate) address: Setting<Option<Address>>,
    /// Where further servers are, each of which is asked as well.
    pub(crate) others: Vec<Address>,
    /// The address that stands beside the credentials: they are sent nowhere else.
    pub(crate) known_by: Option<Address>,
    /// What its workers have to have, by its own names.
    pub(crate) properties: Setting<Vec<(String, String)>>,
    /// The files by which it knows the user.
    pub(crate) certificate: Setting<Option<Utf8PathBuf>>,
    pub(crate) key: Setting<Option<Utf8PathBuf>>,
    pub(crate) token: Setting<Option<Utf8PathBuf>>,
    /// The program that prints a token.
    pub(crate) token_program: Setting<Option<Utf8PathBuf>>,
    /// How long an action may take.
    pub(crate) time_limit: Setting<Option<Duration>>,
}

impl Building {
    pub(super) fn of_nobody() -> Self {
        Self {
            address: default(None),
            others: Vec::new(),
            known_by: None,
            properties: default(Vec::new()),
            certificate: default(None),
            key: default(None),
            token: default(None),
            token_program: default(None),
            time_limit: default(None),
        }
    }

    /// Takes what a table says. It is stronger than what was known before.
    pub(super) fn take(
        &mut self,
        table: Option<Spanned<Table>>,
        owner: Owner,
        place: &dyn Fn(Range<usize>) -> Source,
    ) -> Result<(), Wrong> {
        let Some(table) = table else {
            return Ok(());
        };
        if owner == Owner::Tree {
            let hint = "a tree must not decide who builds for you: write it into stagex/stagex.toml in ~/.config";
            let message = "`remote` cannot be set by a tree".to_owned();
            return Err((table.span(), message, Some(hint)));
        }
        let span = table.span();
        let Table {
            address,
            properties,
            certificate,
            key,
            token,
            token_program,
            time_limit,
        } = table.into_inner();
        if certificate.is_some() != key.is_some() {
            let message = "`certificate` and `key` belong together".to_owned();
            return Err((span, message, Some("write both, or none of them")));
        }
        if token.is_some() && token_program.is_some() {
            let message = "`token` and `token-program` exclude each other".to_owned();
            return Err((span, message, Some("write only one of them")));
        }
        for (path, setting) in [
            (certificate, &mut self.certificate),
            (key, &mut self.key),
            (token, &mut self.token),
            (token_program, &mut self.token_program),
        ] {
            let Some(path) = path else {
                continue;
            };
            let span = path.span();
            if !path.get_ref().is_absolute() {
                let hint = "begin it with /, because a relative path would depend on the tree";
                let message = format!("`{}` is not an absolute path", path.get_ref());
                return Err((span, message, Some(hint)));
            }
            let source = place(span);
            let value = Some(path.into_inner());
            *setting = Setting { value, source };
        }
        if let Some(limit) = time_limit {
            let parsed = humantime::parse_duration(limit.get_ref()).ok();
            let parsed = parsed.filter(|parsed| parsed.as_secs() > 0);
            let value = parsed.ok_or_else(|| {
                let message = format!("`{}` is no time", limit.get_ref());
                (limit.span(), message, Some("write it as in 12h or 90m"))
            })?;
            self.time_limit = Setting {
                value: Some(value),
                source: place(limit.span()),
            };
        }
        if let Some(address) = address {
            let parsed = address.get_ref().parse::<Address>();
            let value = parsed.map_err(|error| (address.span(), error.to_string(), None))?;
            self.known_by = Some(value.clone());
            self.address = Setting {
                value: Some(value),
                source: place(address.span()),
            };
        }
        if let Some(properties) = properties {
            let source = place(properties.span());
            let value = properties.into_inner().into_iter().collect();
            self.properties = Setting { value, source };
        }
        Ok(())
    }

    pub(super) fn take_environment(&mut self) -> Result<(), Failure> {
        if let Some((name, value)) = environment::remote()? {
            let parsed = value.parse::<Address>();
            let wrong = |error| usage(format!("{name}={value}: {error}"), None);
            self.address = Setting {
                value: Some(parsed.map_err(wrong)?),
                source: Source::Variable(name.clone()),
            };
        }
        Ok(())
    }

    pub(super) fn take_flags(&mut self, global: &Global) -> Result<(), Failure> {
        if let [address, others @ ..] = global.remote.as_slice() {
            if !global.runtimes.is_empty() {
                let message = "--remote and --runtime cannot be used together".to_owned();
                let hint = "workers build with the runtime native; leave one of the two out";
                return Err(usage(message, Some(hint)));
            }
            self.address = Setting {
                value: Some(address.clone()),
                source: Source::Flag("--remote"),
            };
            self.others = others.to_vec();
            let all = || std::iter::once(address).chain(others).enumerate();
            for (place, one) in all() {
                if all().any(|(before, other)| before < place && other.is_of_same_server(one)) {
                    let message = format!("{one} is a server that was named before");
                    let hint =
                        "what one server answers is one answer, whichever of its workers gave it";
                    return Err(usage(message, Some(hint)));
                }
            }
        } else if !global.runtimes.is_empty() {
            // Who names a runtime builds here.
            self.address = Setting {
                value: None,
                source: Source::Flag("--runtime"),
            };
        }
        Ok(())
    }

    /// Tells whether a server was named on the command line.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.address.source, Source::Flag(_)) && self.address.value.is_some()
    }

    /// Refuses commands that build, and cannot have a server build.
    pub(super) fn check(&self, command: &Command) -> Result<(), Failure> {
        let name = match command {
            Command::Reproduce(_) => return Ok(()),
            _ if !self.others.is_empty() => {
                let message = "only `stagex reproduce` asks several servers".to_owned();
                return Err(usage(message, Some("give --remote once")));
            }
            Command::Build(_) => "build",
            Command::Release(arguments) if arguments.run => "release --run",
            Command::Conformance(_) => "conformance",
            _ => return Ok(()),
        };
        self.refuse(&format!("stagex {name}"))
    }

    /// Refuses what cannot be done by a server, if one was asked for.
    pub(crate) fn refuse(&self, what: &str) -> Result<(), Failure> {
        if self.address.value.is_none() {
            return Ok(());
        }
        let message = format!(
            "{what} cannot be done by a server, which {} asks for",
            self.address.source
        );
        let hint = "only `stagex make` and `stagex reproduce` build by a server; name a runtime to build here: --runtime NAME";
        Err(usage(message, Some(hint)))
    }
}
