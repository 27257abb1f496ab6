//! The columns of the matrix: a runtime of one generation, probed before anything is listed, so
//! that absence is a listed fact and never a pass.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use backend_api::{Availability, Backend};
use camino::Utf8PathBuf;
use tokio::task::JoinSet;

/// The name of a column: a runtime, and behind an `@` its generation where there are several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

/// Which program drives the runtime of which column.
pub type Programs = BTreeMap<Label, Option<Utf8PathBuf>>;

/// A label is not a runtime's name, with or without `@` and a generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid column: expected a runtime, as in `podman`, or one of a generation, as in `podman@trixie`"
)]
pub struct InvalidLabel(String);

impl Label {
    /// Returns the runtime's name.
    pub fn runtime(&self) -> &str {
        self.0
            .split_once('@')
            .map_or(&self.0, |(runtime, _)| runtime)
    }

    /// Returns the label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        let fits = |part: &str| {
            let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !part.is_empty() && part.chars().all(known)
        };
        let (runtime, generation) = text.split_once('@').unwrap_or((text, "any"));
        if fits(runtime) && fits(generation) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLabel(text.to_owned()))
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A runtime, and whether it is here.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub label: Label,
    /// Its backend.
    pub backend: Arc<dyn Backend>,
    /// Whether it can build here.
    pub availability: Availability,
    /// Whether its absence is a failure.
    pub required: bool,
}

impl Column {
    /// Probes a backend.
    pub async fn probe(label: Label, backend: Arc<dyn Backend>) -> Self {
        let availability = backend.probe().await;
        Self {
            label,
            backend,
            availability,
            required: false,
        }
    }

    /// Probes the runtimes of `programs`, and those named in `required`, which must be here.
    ///
    /// # Errors
    ///
    /// A required column that no runtime is known for.
    pub async fn probe_all(
        programs: &Programs,
        required: &[Label],
    ) -> Result<Vec<Self>, runtimes::NoRuntime> {
        let wanted = required
            .iter()
            .filter(|label| !programs.contains_key(label));
        let wanted = wanted.map(|label| (label, &None));
        let mut probes = JoinSet::new();
        for (label, program) in programs.iter().chain(wanted) {
            let name = label.runtime();
            let named = program.iter().map(|path| (name.to_owned(), path.clone()));
            let backend = runtimes::backend(name, &named.collect(), &runtimes::ProbeCache::none())
                .ok_or_else(|| runtimes::NoRuntime::Unknown(name.to_owned()))?;
            probes.spawn(Self::probe(label.clone(), backend));
        }
        let mut columns = probes.join_all().await;
        for column in &mut columns {
            column.required = required.contains(&column.label);
        }
        // The host's own first, then generation by generation, each in the same order.
        columns.sort_by_key(|column| {
            let generation = column
                .label
                .as_str()
                .split_once('@')
                .map(|(_, name)| name.to_owned());
            let place = runtimes::NAMES
                .iter()
                .position(|name| *name == column.label.runtime());
            (
                generation,
                place.unwrap_or(usize::MAX),
                column.label.clone(),
            )
        });
        Ok(columns)
    }

    /// Returns why its cells cannot run, if they cannot.
    pub fn absence(&self) -> Option<String> {
        let why = self.availability.ready().err()?;
        Some(format!("{} is not ready: {}", self.label, why.message))
    }
}

#[cfg(test)]
mod tests {
    use super::Label;

    #[test]
    fn a_label_is_a_runtime_with_or_without_a_generation() {
        for (text, runtime) in [("podman", "podman"), ("docker@26.1", "docker")] {
            assert_eq!(text.parse::<Label>().unwrap().runtime(), runtime);
        }
        for text in [
            "", "@", "podman@", "@trixie", "Podman", "a b", "a/b", "a@b@c",
        ] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
