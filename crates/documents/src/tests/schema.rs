//! The schemas in `docs/schema/`: what the types say, and nothing older.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::document::schemas;

/// Set it to write the schemas.
const WRITE: &str = "STAGEX_WRITE_SCHEMAS";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema")
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever changes a type asks for new schemas with a variable"
)]
fn the_schemas_are_what_the_types_say() {
    let said: BTreeMap<String, String> = schemas()
        .into_iter()
        .map(|(name, schema)| {
            let text = serde_json::to_string_pretty(&schema).unwrap();
            (format!("{name}.json"), text + "\n")
        })
        .collect();
    if std::env::var_os(WRITE).is_some() {
        let _ = fs::remove_dir_all(directory());
        fs::create_dir_all(directory()).unwrap();
        for (name, text) in &said {
            fs::write(directory().join(name), text).unwrap();
        }
    }
    let committed: BTreeMap<String, String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    let names = said.keys().chain(committed.keys());
    let differ: BTreeSet<_> = names
        .filter(|name| said.get(*name) != committed.get(*name))
        .collect();
    assert!(
        differ.is_empty(),
        "docs/schema/ has other schemas than the types: {differ:?}; write them with \
         `{WRITE}=1 cargo test -p documents schemas`, and raise the version of a document in which a \
         field changed its meaning or went away"
    );
}

#[test]
fn every_document_has_a_version() {
    for (name, schema) in schemas() {
        let version = schema.as_value().pointer("/properties/version/const");
        assert!(
            version.is_some_and(serde_json::Value::is_u64),
            "{name} has no version"
        );
    }
}
