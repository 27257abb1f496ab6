//! `docs/json.md`, the page for people: each field of each document has its line there, and nothing
//! has that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ErrorKind;
use crate::document::schemas;

const PAGE: &str = include_str!("../../../../docs/json.md");
/// What a table of fields begins with.
const HEAD: &str = "| field | |";

/// What a schema says of a document.
#[derive(Default)]
struct Fields {
    /// The paths of all fields that hold no others.
    leaves: BTreeSet<String>,
    /// Those of the others.
    parents: BTreeSet<String>,
    /// The words that a field may have for a value.
    words: BTreeSet<String>,
}

impl Fields {
    fn of(document: &Value) -> Self {
        let mut fields = Self::default();
        fields.read(document, document, "");
        fields
    }

    /// Reads what a part of a document's schema says of the field at `path`.
    fn read(&mut self, document: &Value, part: &Value, path: &str) {
        if let Some(name) = part["$ref"].as_str() {
            let part = document.pointer(name.trim_start_matches('#')).unwrap();
            self.read(document, part, path);
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            for part in part[choice].as_array().into_iter().flatten() {
                self.read(document, part, path);
            }
        }
        for (name, part) in part["properties"].as_object().into_iter().flatten() {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{name}");
            self.read(document, part, &path);
            let known = if self.has_below(&path) {
                &mut self.parents
            } else {
                &mut self.leaves
            };
            known.insert(path);
        }
        if part["items"].is_object() {
            self.read(document, &part["items"], &format!("{path}[]"));
        }
        if part["additionalProperties"].is_object() {
            let path = format!("{path}.<name>");
            self.read(document, &part["additionalProperties"], &path);
        }
        let words = part["enum"].as_array().into_iter().flatten();
        let words = words.chain([&part["const"]]).filter_map(Value::as_str);
        self.words.extend(words.map(str::to_owned));
    }

    fn has_below(&self, path: &str) -> bool {
        let is_below = |other: &String| {
            let rest = other.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.leaves.iter().any(is_below)
    }
}

/// Returns the sections of the page by the document whose schema they link to.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let mut sections = BTreeMap::new();
    for section in PAGE.split("\n## ").skip(1) {
        let links = section.match_indices("(schema/");
        let mut names = links.map(|(place, link)| {
            let name = &section[place + link.len()..];
            name.split_once(".json)").unwrap().0
        });
        if let Some(name) = names.next() {
            assert_eq!(names.next(), None, "two documents in the section of {name}");
            assert_eq!(sections.insert(name, section), None, "{name} comes twice");
        }
    }
    sections
}

/// Returns the fields that a section's tables name. A row may name several, and then from the second on
/// only what stands behind the path that they share.
fn named(section: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for table in section.split(HEAD).skip(1) {
        let rows = table.lines().skip(1).take_while(|row| row.starts_with('|'));
        for row in rows.filter(|row| !row.starts_with("|-")) {
            let cell = row.trim_start_matches('|').split('|').next().unwrap();
            let mut shared = "";
            for name in cell.split('`').skip(1).step_by(2) {
                let path = if let Some(last) = name.strip_prefix('.') {
                    format!("{shared}.{last}")
                } else {
                    shared = name.rsplit_once('.').map_or("", |(shared, _)| shared);
                    name.to_owned()
                };
                let path = path.trim_end_matches("[]").to_owned();
                assert!(named.insert(path), "{name} comes twice");
            }
        }
    }
    named
}

#[test]
fn every_field_has_its_line_and_every_line_its_field() {
    let sections = sections();
    let documents = schemas();
    let names: BTreeSet<&str> = documents.iter().map(|(name, _)| *name).collect();
    let described: BTreeSet<&str> = sections.keys().copied().collect();
    assert_eq!(described, names, "each document has a section with a link");
    let mut wrong = Vec::new();
    for (name, schema) in documents {
        let fields = Fields::of(schema.as_value());
        let named = named(sections[name]);
        for leaf in fields.leaves.difference(&named) {
            wrong.push(format!("{name}: `{leaf}` is not described"));
        }
        for path in named.difference(&fields.leaves) {
            if !fields.parents.contains(path) {
                wrong.push(format!("{name}: there is no `{path}`"));
            }
        }
        for word in &fields.words {
            if !PAGE.contains(&format!("`{word}`")) {
                wrong.push(format!("{name}: the value `{word}` is not described"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/json.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_page_says_of_each_kind_of_error_how_it_ends() {
    for kind in ErrorKind::ALL {
        let word = serde_json::to_string(&kind).unwrap();
        let row = format!("| `{}` | {} |", word.trim_matches('"'), kind.exit_code());
        assert!(PAGE.contains(&row), "docs/json.md has no row `{row}`");
    }
}
