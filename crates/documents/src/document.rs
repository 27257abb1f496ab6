//! The list of all documents.

use serde::Serialize;

use crate::{
    Attestations, Build, Check, Clean, Config, ConformanceCells, ConformanceReport, Digests,
    Explanations, Fetch, FetchExport, FetchHashes, FetchImport, FetchMirrors, FetchVerify, Graph,
    GraphClosure, GraphCriticalPath, GraphSimulation, GraphWhy, Ledger, Make, Plan, Record, Report,
    Reproduce, Reproduction, Rules, Runtimes,
};

/// A whole document: what is printed, or written to a file, as one JSON object.
pub trait Document: Serialize {
    /// The name of its schema in `docs/schema/`, without `.json`.
    const NAME: &'static str;
}

/// Names the documents. Tests look at the schema of each.
macro_rules! documents {
    ($($kind:ident: $name:literal,)*) => {
        $(impl Document for $kind {
            const NAME: &'static str = $name;
        })*

        /// Returns the name and the schema of each document, as it is printed.
        #[cfg(test)]
        pub(crate) fn schemas() -> Vec<(&'static str, schemars::Schema)> {
            let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
            let schema_of = |kind: fn(schemars::SchemaGenerator) -> schemars::Schema| {
                kind(settings.clone().into_generator())
            };
            vec![$(($name, schema_of(|all| all.into_root_schema_for::<$kind>()))),*]
        }
    };
}

documents! {
    Attestations: "attestations",
    Build: "build",
    Check: "check",
    Clean: "clean",
    Config: "config",
    ConformanceCells: "conformance-cells",
    ConformanceReport: "conformance-report",
    Digests: "digests",
    Explanations: "explanations",
    Fetch: "fetch",
    FetchExport: "fetch-export",
    FetchHashes: "fetch-hashes",
    FetchImport: "fetch-import",
    FetchMirrors: "fetch-mirrors",
    FetchVerify: "fetch-verify",
    Graph: "graph",
    GraphClosure: "graph-closure",
    GraphCriticalPath: "graph-critical-path",
    GraphSimulation: "graph-simulation",
    GraphWhy: "graph-why",
    Ledger: "ledger",
    Make: "make",
    Plan: "plan",
    Record: "record",
    Report: "report",
    Reproduce: "reproduce",
    Reproduction: "reproduction",
    Rules: "rules",
    Runtimes: "runtimes",
}
