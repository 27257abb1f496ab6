//! A bill in the format of `CycloneDX` 1.6.

use documents::PlannedPackage;
use serde_json::{Value, json};

use super::{Bill, Source, identity, text};

/// Returns a bill as a `CycloneDX` 1.6 document.
pub fn cyclonedx(bill: &Bill) -> String {
    let only = match bill.roots.as_slice() {
        [root] => Some(root.name.as_str()),
        _ => None,
    };
    let root = match bill.roots.as_slice() {
        [root] => package(bill, root),
        // Of several packages, what they are all a part of.
        _ => json!({ "type": "application", "bom-ref": bill.name(), "name": bill.name() }),
    };
    let packages = bill
        .packages
        .iter()
        .filter(|each| Some(each.name.as_str()) != only);
    let packages = packages.map(|each| package(bill, each));
    let sources = bill.sources.iter().map(|(hash, each)| source(hash, each));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "",
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": {
                "components": [{
                    "type": "application",
                    "name": "stagex",
                    "version": bill.stagex,
                }],
            },
            "component": root,
        },
        "components": packages.chain(sources).collect::<Vec<_>>(),
        "dependencies": dependencies(bill, only),
    });
    document["serialNumber"] = documents::Digest::sha256(&identity(&document))
        .uuid()
        .into();
    text(&document)
}

fn dependencies(bill: &Bill, only: Option<&str>) -> Vec<Value> {
    let mut all = Vec::new();
    if only.is_none() {
        let roots: Vec<&str> = bill.roots.iter().map(|root| root.name.as_str()).collect();
        all.push(json!({ "ref": bill.name(), "dependsOn": roots }));
    }
    for package in bill.whole() {
        let mut needs: Vec<String> = package.dependencies.clone();
        needs.extend(
            package
                .sources
                .iter()
                .map(|each| source_reference(&each.hash)),
        );
        needs.sort_unstable();
        needs.dedup();
        all.push(json!({ "ref": package.name, "dependsOn": needs }));
    }
    all
}

fn package(bill: &Bill, package: &PlannedPackage) -> Value {
    let mut value = json!({
        "type": "container",
        "bom-ref": package.name,
        "name": package.name,
    });
    if let Some(version) = &package.version {
        value["version"] = version.as_str().into();
    }
    if let Some(digest) = bill.recorded.get(&package.name) {
        value["hashes"] = hashes(digest.hex());
    }
    value["purl"] = bill.purl(package).into();
    value
}

fn source(hash: &str, source: &Source) -> Value {
    let mut value = json!({
        "type": "file",
        "bom-ref": source_reference(hash),
        "name": source.file,
        // It is what packages are built from, and in no image as it is.
        "scope": "excluded",
        "hashes": hashes(hash),
    });
    if let Some(version) = source.version {
        value["version"] = version.into();
    }
    let mirrors = source.mirrors.iter();
    let mirrors = mirrors.map(|url| json!({ "type": "source-distribution", "url": url }));
    let mirrors: Vec<Value> = mirrors.collect();
    if !mirrors.is_empty() {
        value["externalReferences"] = mirrors.into();
    }
    value
}

fn hashes(hash: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": hash }])
}

/// Returns how a source is referred to. No package has such a name.
fn source_reference(hash: &str) -> String {
    format!("source:{hash}")
}
