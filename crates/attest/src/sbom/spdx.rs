//! A bill in the format of SPDX 2.3.

use std::fmt::Write as _;

use documents::{Digest, PlannedPackage};
use serde_json::{Value, json};

use super::{Bill, Source, identity, text};

const UNKNOWN: &str = "NOASSERTION";

/// Returns a bill as an SPDX 2.3 document.
pub fn spdx(bill: &Bill) -> String {
    let packages = bill.packages.iter().map(|each| package(bill, each));
    let sources = bill.sources.iter().map(|(hash, each)| source(hash, each));
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": bill.name(),
        "documentNamespace": "",
        "creationInfo": {
            "created": bill.created,
            "creators": [format!("Tool: stagex-{}", bill.stagex)],
        },
        "packages": packages.chain(sources).collect::<Vec<_>>(),
        "relationships": relationships(bill),
    });
    let digest = Digest::sha256(&identity(&document));
    let namespace = format!(
        "https://stagex.tools/spdx/{}-{}",
        crate::uri::encoded(&bill.name()),
        digest.hex()
    );
    document["documentNamespace"] = namespace.into();
    text(&document)
}

fn relationships(bill: &Bill) -> Vec<Value> {
    let relation = |from: &str, kind: &str, to: &str| {
        json!({
            "spdxElementId": from,
            "relationshipType": kind,
            "relatedSpdxElement": to,
        })
    };
    let roots = bill.roots.iter();
    let roots = roots.map(|root| relation("SPDXRef-DOCUMENT", "DESCRIBES", &id(&root.name)));
    let mut relations: Vec<Value> = roots.collect();
    for package in bill.whole() {
        let package_id = id(&package.name);
        let mut needs: Vec<&String> = package.dependencies.iter().collect();
        needs.sort_unstable();
        needs.dedup();
        for need in needs {
            relations.push(relation(&id(need), "BUILD_DEPENDENCY_OF", &package_id));
        }
        let mut hashes: Vec<&String> = package.sources.iter().map(|each| &each.hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        for hash in hashes {
            relations.push(relation(&package_id, "GENERATED_FROM", &source_id(hash)));
        }
    }
    relations
}

fn package(bill: &Bill, package: &PlannedPackage) -> Value {
    let mut value = json!({
        "SPDXID": id(&package.name),
        "name": package.name,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": "CONTAINER",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": bill.purl(package),
        }],
    });
    if let Some(version) = &package.version {
        value["versionInfo"] = version.as_str().into();
    }
    if let Some(digest) = bill.recorded.get(&package.name) {
        value["checksums"] = checksums(digest.hex());
    }
    value
}

fn source(hash: &str, source: &Source) -> Value {
    let mut mirrors = source.mirrors.iter().filter(|mirror| is_location(mirror));
    let mut value = json!({
        "SPDXID": source_id(hash),
        "name": source.file,
        "downloadLocation": mirrors.next().copied().unwrap_or(UNKNOWN),
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": "SOURCE",
        "checksums": checksums(hash),
    });
    if let Some(version) = source.version {
        value["versionInfo"] = version.into();
    }
    let others: Vec<&str> = mirrors.copied().collect();
    if !others.is_empty() {
        value["comment"] = format!("Other mirrors: {}", others.join(" ")).into();
    }
    value
}

fn checksums(hash: &str) -> Value {
    json!([{ "algorithm": "SHA256", "checksumValue": hash }])
}

/// Tells whether SPDX takes a mirror for a place to download from.
fn is_location(mirror: &str) -> bool {
    mirror.starts_with("https://") || mirror.starts_with("http://")
}

fn source_id(hash: &str) -> String {
    format!("SPDXRef-Source-{hash}")
}

/// Returns the identifier of a package, in which there may be letters, digits, `-` and `.` only. What is encoded
/// begins with a dot, so that no two packages have one.
fn id(name: &str) -> String {
    let mut id = "SPDXRef-Package-".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            id.push(char::from(byte));
        } else {
            let _ = write!(id, ".{byte:02x}");
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn no_two_packages_have_one_identifier() {
        let names = ["core-a.b", "core-a_b", "core-a-b", "core-a.2eb", "core-a+b"];
        let ids: std::collections::BTreeSet<String> = names.map(id).into();
        assert_eq!(ids.len(), names.len(), "{ids:?}");
    }
}
