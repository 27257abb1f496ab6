//! What is known to differ in what is generated: by the rules that an input is made of, and by what is seen.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::outcome::{Difference, Outcome};
use super::side::Side;
use crate::differences::Versions;

/// The table for all that is generated.
const TABLE: &str = include_str!("../../generated.toml");

/// What is known to differ.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The lines of the table.
    #[serde(default)]
    known: Vec<Line>,
}

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The engines that differ, each with its versions.
    runtimes: Vec<Versions>,
    /// Whether they do as oracles, and not as columns.
    #[serde(default)]
    oracle: bool,
    /// The rules of the grammar that it takes; any where there are none.
    #[serde(default)]
    rules: BTreeSet<String>,
    /// A part of the place where it is seen, or of a message; any where there is none.
    #[serde(default)]
    shows: Option<String>,
    /// What differs, and why.
    why: String,
}

/// The table is wrong.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKnown {
    /// It cannot be read.
    #[error("the table of what is known to differ is wrong")]
    Toml(#[from] toml::de::Error),
    /// It names a rule that is not there.
    #[error("no rule of the grammar is called `{0}`")]
    NoRule(String),
    /// A line would cover everything.
    #[error("a line names neither rules nor what is seen: {0}")]
    Everything(String),
}

impl Known {
    /// Reads the project's table.
    pub fn read() -> Result<Self, InvalidKnown> {
        Self::of(TABLE)
    }

    fn of(text: &str) -> Result<Self, InvalidKnown> {
        let table: Self = toml::from_str(text)?;
        let tags = generate::tags();
        for line in &table.known {
            if let Some(stray) = line.rules.iter().find(|rule| !tags.contains(rule.as_str())) {
                return Err(InvalidKnown::NoRule(stray.clone()));
            }
            if line.rules.is_empty() && line.shows.is_none() {
                return Err(InvalidKnown::Everything(line.why.clone()));
            }
        }
        Ok(table)
    }

    /// Returns why an outcome of an input that is made by the rules `tags` was to be expected, if it was.
    pub(crate) fn excuse(
        &self,
        sides: [&Side; 2],
        tags: &BTreeSet<String>,
        outcome: &Outcome,
    ) -> Option<&str> {
        let Outcome::Differs(difference) = outcome else {
            return None;
        };
        let line = self.known.iter().find(|line| {
            let is_of = |side: &&Side| line.is_of(side);
            sides.iter().any(is_of) && line.covers(tags, difference)
        });
        line.map(|line| line.why.as_str())
    }
}

impl Line {
    fn is_of(&self, side: &Side) -> bool {
        let (engine, version) = side.engine();
        let mut versions = self.runtimes.iter();
        side.is_oracle() == self.oracle && versions.any(|which| which.has(engine, version))
    }

    fn covers(&self, tags: &BTreeSet<String>, difference: &Difference) -> bool {
        let rules = self.rules.is_empty() || self.rules.iter().any(|rule| tags.contains(rule));
        let contrast = &difference.contrast;
        let texts = [&contrast.place, &contrast.expected, &contrast.found];
        let shown = |part: &String| texts.iter().any(|text| text.contains(part));
        rules && self.shows.as_ref().is_none_or(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn the_table_is_read_strictly() {
        Known::read().unwrap();
        for text in [
            "[[known]]\nruntimes = ['docker']\nwhy = 'a'\n",
            "[[known]]\nruntimes = ['docker']\nrules = ['no-such-rule']\nwhy = 'a'\n",
            "[[known]]\nruntimes = ['docker']\nrules = ['expose']\n",
        ] {
            assert!(Known::of(text).is_err(), "{text}");
        }
    }
}
