//! Bills of materials against the schemas that SPDX and `CycloneDX` publish, by a validator that is not ours. The schemas
//! are those that two crates carry which make their types from them, and those types read the bills as well.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use attest::{Bill, Scope};
use cargo_metadata::MetadataCommand;
use documents::{Digest, Plan, PlannedPackage, Source, Version};
use serde_json::{Value, json};

/// Returns a schema that a crate carries.
fn schema(of: &str, file: &str) -> Value {
    let metadata = MetadataCommand::new().exec().unwrap();
    let package = metadata
        .packages
        .iter()
        .find(|each| each.name.as_str() == of)
        .unwrap();
    let manifest = PathBuf::from(package.manifest_path.as_std_path());
    let path = manifest.parent().unwrap().join("schemas").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns what a schema finds wrong with a document.
fn wrong(schema: &Value, document: &str) -> Vec<String> {
    // Two others that CycloneDX's refers to, for licences and signatures. A bill of ours has neither.
    let others = ["spdx.schema.json", "jsf-0.82.schema.json"].map(|name| {
        let address = format!("http://cyclonedx.org/schema/{name}");
        let resource = json!({ "definitions": { "signature": false } });
        (address, resource)
    });
    let mut registry = jsonschema::Registry::new();
    for (address, resource) in others {
        registry = registry.add(address, resource).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options();
    let validator = options.with_registry(&registry).build(schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let errors = validator.iter_errors(&document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn package(name: &str, needs: &[&str], requested: bool) -> PlannedPackage {
    let (stage, short) = name.split_once('-').unwrap();
    PlannedPackage {
        name: name.to_owned(),
        stage: stage.to_owned(),
        package: short.to_owned(),
        origin: short.to_owned(),
        version: requested.then(|| "1.2+a~b".to_owned()),
        platforms: vec!["linux/amd64".to_owned()],
        target: None,
        containerfile: String::new(),
        context: String::new(),
        fetch: String::new(),
        build_args: Vec::new(),
        dependencies: needs.iter().map(|&need| need.to_owned()).collect(),
        seeds: Vec::new(),
        sources: vec![Source {
            key: "a".to_owned(),
            file: format!("{short}.tar.gz"),
            hash: Digest::sha256(&[u8::try_from(short.len()).unwrap(); 32])
                .hex()
                .to_owned(),
            mirrors: vec![
                "https://a.example/x".to_owned(),
                "http://b.example/x".to_owned(),
            ],
            version: None,
            git_sha: None,
        }],
        memory: None,
        requested,
        archives: Vec::new(),
    }
}

/// Calls `check` with bills of every shape, in both formats.
fn each_bill(mut check: impl FnMut(&str, &str)) {
    let recorded = BTreeMap::from([("core-lib_c++".to_owned(), Digest::sha256(&[7; 32]))]);
    for roots in [0, 1, 2] {
        let plan = Plan {
            version: Version,
            packages: vec![
                package("core-a.b", &[], false),
                package("core-lib_c++", &["core-a.b"], roots > 1),
                package("user-tmux", &["core-lib_c++", "core-a.b"], roots > 0),
            ],
        };
        for scope in [Scope::Package, Scope::Closure] {
            let bill = Bill::new(&plan, scope, &recorded, "docker.io", 1, "0.1.0");
            check(&attest::spdx(&bill), &attest::cyclonedx(&bill));
        }
    }
}

#[test]
fn every_bill_is_as_the_published_schemas_say() {
    let spdx = schema("serde-spdx", "spdx_2_3.json");
    let cyclonedx = schema("serde-cyclonedx", "cyclonedx_1_6.json");
    each_bill(|one, other| {
        assert_eq!(wrong(&spdx, one), [""; 0], "{one}");
        assert_eq!(wrong(&cyclonedx, other), [""; 0], "{other}");
        serde_json::from_str::<serde_spdx::spdx::v_2_3::Spdx>(one).unwrap();
        serde_json::from_str::<serde_cyclonedx::cyclonedx::v_1_6::CycloneDx>(other).unwrap();
    });
}

#[test]
fn the_schemas_find_what_is_wrong() {
    let spdx = schema("serde-spdx", "spdx_2_3.json");
    let cyclonedx = schema("serde-cyclonedx", "cyclonedx_1_6.json");
    each_bill(|one, other| {
        for (right, mistaken) in [("DESCRIBES", "describes"), ("\"SHA256\"", "\"SHA\"")] {
            let broken = one.replace(right, mistaken);
            let is_right = wrong(&spdx, &broken).is_empty();
            assert_eq!(broken == one, is_right, "{broken}");
        }
        for (right, mistaken) in [("\"container\"", "\"image\""), ("urn:uuid:", "uuid:")] {
            let broken = other.replace(right, mistaken);
            assert_eq!(
                broken == other,
                wrong(&cyclonedx, &broken).is_empty(),
                "{broken}"
            );
        }
    });
}
