//! The flags of one instruction: which it has, of which kind, each at most once.
//!
//! It does not know what a flag does.

use crate::error::{ErrorKind, Fault};
use crate::words::Flag;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One text.
    Text,
    /// A text each time that it stands.
    Texts,
    /// Nothing, `true` or `false`.
    Switch,
}

/// The flags of one instruction, checked.
#[derive(Debug)]
pub(crate) struct Flags<'line> {
    given: &'line [Flag<'line>],
}

impl<'line> Flags<'line> {
    /// Checks the flags `given` to `keyword` against those that it knows.
    pub(crate) fn check(
        keyword: &'static str,
        given: &'line [Flag<'line>],
        known: &[(&str, Kind)],
    ) -> Result<Self, Fault> {
        for (index, flag) in given.iter().enumerate() {
            let Some((_, kind)) = known.iter().find(|(name, _)| *name == flag.name) else {
                let names: Vec<_> = known.iter().map(|(name, _)| format!("--{name}")).collect();
                let kind = ErrorKind::UnknownFlag {
                    keyword,
                    flag: flag.name.to_string(),
                    expected: if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(" ")
                    },
                };
                return Err(Fault::new(kind, flag.span));
            };
            let repeated = given[..index].iter().any(|other| other.name == flag.name);
            if repeated && *kind != Kind::Texts {
                return Err(Fault::new(
                    ErrorKind::RepeatedFlag(flag.name.to_string()),
                    flag.span,
                ));
            }
            match (kind, flag.value.as_deref()) {
                (Kind::Text | Kind::Texts, None) => return Err(bad(flag, "`--flag=value`")),
                (Kind::Switch, Some(value)) if switch(value).is_none() => {
                    return Err(bad(flag, "`true` or `false`"));
                }
                _ => {}
            }
        }
        Ok(Self { given })
    }

    fn find(&self, name: &str) -> Option<&'line Flag<'line>> {
        self.given.iter().find(|flag| flag.name == name)
    }

    /// Returns the text of a flag; an empty text is none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.find(name)
            .and_then(|flag| flag.value.as_deref())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// Returns each text of a flag that may stand several times.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.given
            .iter()
            .filter(|flag| flag.name == name)
            .filter_map(|flag| flag.value.as_deref())
            .map(str::to_owned)
            .collect()
    }

    /// Returns the state of a switch, where it stands.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        let flag = self.find(name)?;
        flag.value.as_deref().map_or(Some(true), switch)
    }

    /// Returns the text of a flag read by `read`, or an error that says what was `expected`.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(flag) = self.find(name) else {
            return Ok(None);
        };
        match flag.value.as_deref() {
            None | Some("") => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| bad(flag, expected)),
        }
    }
}

fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn bad(flag: &Flag, expected: &'static str) -> Fault {
    let kind = ErrorKind::BadFlag {
        flag: flag.name.to_string(),
        value: flag.value.as_deref().unwrap_or_default().to_owned(),
        expected,
    };
    Fault::new(kind, flag.span)
}
