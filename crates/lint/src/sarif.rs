//! Findings as SARIF 2.1.0, the format that code hosts and editors read: the part of it that findings need.
//!
//! The types are written here because the crate that has all of them is made by an unmaintained generator; in tests,
//! documents are read with them too. It does not know where a document goes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::finding::Finding;
use crate::outcome::Outcome;
use crate::rule::Severity;
use crate::table::RULES;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The base of all paths: the tree's root.
const ROOT: &str = "TREE";

/// A whole document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sarif {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<SarifResult>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: String,
    rules: Vec<ReportingDescriptor>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportingDescriptor {
    id: &'static str,
    short_description: Message,
    help: Message,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_column: usize,
}

/// Returns what was found by the program of a version.
pub fn sarif(outcome: &Outcome, version: &str) -> Sarif {
    let set = outcome.set;
    let rules: Vec<_> = RULES
        .iter()
        .filter(|rule| rule.sets.contains(&set))
        .collect();
    let index = |finding: &Finding| rules.iter().position(|rule| **rule == finding.rule);
    let results = outcome.findings.iter().map(|finding| SarifResult {
        rule_id: finding.rule.id,
        rule_index: index(finding).unwrap_or_default(),
        level: level(finding.rule.severity),
        message: Message {
            text: format!("{}; {}", finding.message, finding.advice),
        },
        locations: [location(finding)],
    });
    let results = results.collect();
    let descriptors = rules.iter().map(|rule| ReportingDescriptor {
        id: rule.id,
        short_description: Message {
            text: rule.reason.to_owned(),
        },
        help: Message {
            text: rule.advice.to_owned(),
        },
        default_configuration: Configuration {
            level: level(rule.severity),
        },
    });
    Sarif {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "stagex",
                    version: version.to_owned(),
                    rules: descriptors.collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            results,
        }],
    }
}

fn level(severity: Severity) -> &'static str {
    severity.word()
}

fn location(finding: &Finding) -> Location {
    let region = finding.place.as_ref().map(|place| Region {
        start_line: place.line,
        start_column: place.column,
        end_column: place.end,
    });
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: uri(finding.file.as_str()),
                uri_base_id: ROOT,
            },
            region,
        },
    }
}

/// Returns a path as a relative URI.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
