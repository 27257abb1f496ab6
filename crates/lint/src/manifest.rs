//! A `package.toml` with the places of what it says, for rules that point at it.
//!
//! It does not know which values are right: `package-tree` does.

use containerfile::Span;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text in a `package.toml`, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Span,
}

impl Text {
    /// Returns where a part of it stands; the whole if it is written with escapes.
    pub(crate) fn part(&self, part: &str) -> Span {
        let quotes = (self.span.end - self.span.start).checked_sub(self.value.len());
        match self.value.find(part) {
            Some(place) if quotes == Some(2) => {
                let start = self.span.start + 1 + place;
                let end = start + part.len();
                Span { start, end }
            }
            _ => self.span,
        }
    }
}

/// A source, as it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeclaredSource {
    pub(crate) key: String,
    /// The key's place.
    pub(crate) span: Span,
    pub(crate) file: Option<Text>,
    pub(crate) version: Option<Text>,
    pub(crate) mirrors: Vec<Text>,
}

/// A `package.toml`, as far as rules look at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) license: Option<Text>,
    pub(crate) version_from: Option<Text>,
    pub(crate) subpackages: Vec<Text>,
    /// In the order of the file.
    pub(crate) sources: Vec<DeclaredSource>,
    /// The names of the seeds, in the order of the file.
    pub(crate) seeds: Vec<Text>,
}

impl Manifest {
    /// Reads what can be read of a text.
    pub(crate) fn read(text: &str) -> Self {
        let (document, _) = DeTable::parse_recoverable(text);
        let document = document.get_ref();
        let mut manifest = Self::default();
        if let Some(package) = table(document, "package") {
            manifest.license = string(package, "license");
            manifest.version_from = string(package, "version_from");
            manifest.subpackages = strings(package, "subpackages");
        }
        if let Some(sources) = table(document, "sources") {
            for (key, source) in sources {
                let DeValue::Table(source) = source.get_ref() else {
                    continue;
                };
                manifest.sources.push(DeclaredSource {
                    key: key.get_ref().to_string(),
                    span: span(key.span()),
                    file: string(source, "file"),
                    version: string(source, "version"),
                    mirrors: strings(source, "mirrors"),
                });
            }
        }
        manifest.sources.sort_by_key(|source| source.span);
        let seeds = table(document, "seeds").into_iter().flatten();
        let name = |(name, _): (&Spanned<_>, _)| Text {
            value: ToString::to_string(name.get_ref()),
            span: span(name.span()),
        };
        manifest.seeds = seeds.map(name).collect();
        manifest.seeds.sort_by_key(|seed| seed.span);
        manifest
    }
}

fn span(range: std::ops::Range<usize>) -> Span {
    Span {
        start: range.start,
        end: range.end,
    }
}

fn table<'t, 'a>(table: &'t DeTable<'a>, key: &str) -> Option<&'t DeTable<'a>> {
    match table.get(key)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn text(value: &Spanned<DeValue<'_>>) -> Option<Text> {
    match value.get_ref() {
        DeValue::String(text) => Some(Text {
            value: text.to_string(),
            span: span(value.span()),
        }),
        _ => None,
    }
}

fn string(table: &DeTable<'_>, key: &str) -> Option<Text> {
    text(table.get(key)?)
}

fn strings(table: &DeTable<'_>, key: &str) -> Vec<Text> {
    match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::Array(array)) => array.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}
