//! Documents that no other test asks for, and what reads them: each is as its schema says.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{NO_ENGINES, sample, stagex};
use crate::schema::{compared, printed};

#[test]
fn what_a_schema_does_not_say_is_wrong() {
    let fields =
        json!({ "name": "core-a", "outcome": "fresh", "digest": format!("sha256:{:064}", 0) });
    let compare = |field: &str, value: Option<Value>| {
        let mut package = fields.clone();
        let known = package.as_object_mut().unwrap();
        known.shift_remove(field);
        known.extend(value.map(|value| (field.to_owned(), value)));
        let packages = [package];
        let made = json!({ "version": 1, "runtime": "docker", "interrupted": false, "packages": packages });
        compared("make", &made)
    };
    assert_eq!(compare("other", None), Ok(()));
    for (field, value) in [
        ("name", None),
        ("name", Some(json!(1))),
        ("digest", Some(json!("sha256:0"))),
        ("outcome", Some(json!("new"))),
        // A field of another outcome, and one of none.
        ("seconds", Some(json!(1.5))),
        ("other", Some(Value::Null)),
    ] {
        assert!(compare(field, value).is_err(), "{field}");
    }
}

#[test]
fn a_report_has_what_cannot_run_and_what_fails() {
    for (column, code, state) in [
        (None, 4, "cannot-run"),
        (Some("--column=podman"), 1, "fails"),
    ] {
        let words = ["--format=json", "conformance", "--case=an-equal-file"];
        let arguments = [&NO_ENGINES[..], &words, column.as_slice()].concat();
        let ran = stagex(Path::new("."), &arguments);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let report = printed("conformance-report", &ran.stdout);
        assert_eq!(report["answers"][0]["state"], state);
    }
}

#[test]
fn what_was_never_built_is_explained_and_has_no_digest() {
    let tree = sample();
    let words = ["make", "-n", "--explain", "--format", "json"];
    let ran = stagex(tree.path(), &words);
    let explained = printed("explanations", &ran.stdout);
    let reasons = &explained["packages"][1]["reasons"];
    assert_eq!(reasons[0]["reason"], "never-built");
    assert_eq!(reasons[1]["package"], "core-musl");
    let ran = stagex(tree.path(), &["digests", "--format", "json"]);
    let digests = printed("digests", &ran.stdout);
    assert_eq!(digests["packages"][0]["built"], Value::Null);
}
