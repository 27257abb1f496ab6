//! The list of all documents.

use serde::Serialize;

use crate::{
    Attestations, Build, Canon, Check, Clean, Config, ConformanceCells, ConformanceGenerated,
    ConformanceReport, Diff, Digests, Explain, Explanations, Fetch, FetchExport, FetchHashes,
    FetchImport, FetchMirrors, FetchVerify, Graph, GraphClosure, GraphCriticalPath,
    GraphSimulation, GraphSimulations, GraphWhy, History, Import, Keys, Ledger, Lock, Make, Plan,
    Preseed, Publish, Pull, Record, Release, Report, Reproduce, Reproduction, Rules, Runtimes,
    Sign, SignBatch, Verify,
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
    Canon: "canon",
    Check: "check",
    Clean: "clean",
    Config: "config",
    ConformanceCells: "conformance-cells",
    ConformanceGenerated: "conformance-generated",
    ConformanceReport: "conformance-report",
    Diff: "diff",
    Digests: "digests",
    Explain: "explain",
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
    GraphSimulations: "graph-simulations",
    GraphWhy: "graph-why",
    History: "history",
    Import: "import",
    Keys: "keys",
    Ledger: "ledger",
    Lock: "lock",
    Make: "make",
    Plan: "plan",
    Preseed: "preseed",
    Publish: "publish",
    Pull: "pull",
    Record: "record",
    Release: "release",
    Report: "report",
    Reproduce: "reproduce",
    Reproduction: "reproduction",
    Rules: "rules",
    Runtimes: "runtimes",
    Sign: "sign",
    SignBatch: "sign-batch",
    Verify: "verify",
}
