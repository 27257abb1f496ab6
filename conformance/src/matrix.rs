//! Every case on every runtime: which cells there are, and when a cell holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;

use crate::bench::Bench;
use crate::case::Case;
use crate::recorded::Recorded;

/// A question that has an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Does this runtime's image have the recorded digest?
    Recorded {
        /// The case.
        case: String,
        /// The runtime.
        runtime: &'static str,
    },
    /// Does this runtime build a whole tree to the digests in its `digests/`?
    Tree {
        /// The tree's folder.
        tree: Utf8PathBuf,
        /// The runtime.
        runtime: &'static str,
    },
    /// Do all runtimes that are here give the same image?
    Agreement {
        /// The case.
        case: String,
    },
}

/// The answer to a cell's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Holds,
    /// No, and why.
    Fails(String),
    /// It cannot be asked here, and why. Never a pass.
    Inconclusive(String),
}

/// All cases on all runtimes that are here.
#[derive(Debug)]
pub struct Matrix {
    cases: BTreeMap<String, Case>,
    recorded: Recorded,
    benches: BTreeMap<&'static str, Arc<Bench>>,
}

impl Matrix {
    /// Makes the matrix of `cases` on the runtimes of `benches`.
    pub fn new(cases: Vec<Case>, recorded: Recorded, benches: Vec<Bench>) -> Self {
        let cases = cases
            .into_iter()
            .map(|case| (case.name.clone(), case))
            .collect();
        let benches = benches
            .into_iter()
            .map(|bench| (bench.runtime(), Arc::new(bench)))
            .collect();
        Self {
            cases,
            recorded,
            benches,
        }
    }

    /// Answers a cell's question. Images are built when they are first asked for, once.
    pub fn ask(&self, cell: &Cell) -> Verdict {
        match cell {
            Cell::Recorded { case, runtime } => self.recorded(case, runtime),
            Cell::Tree { tree, runtime } => self.tree(tree, runtime),
            Cell::Agreement { case } => self.agreement(case),
        }
    }

    fn built(&self, case: &str, bench: &Bench) -> Result<Digest, String> {
        bench.digest(&self.cases[case])
    }

    fn recorded(&self, case: &str, runtime: &str) -> Verdict {
        let Some(bench) = self.benches.get(runtime) else {
            return Verdict::Inconclusive(format!("{runtime} is not ready"));
        };
        match (self.built(case, bench), self.recorded.get(case)) {
            (Err(message), _) => Verdict::Fails(message),
            (Ok(found), Some(expected)) if found == expected => Verdict::Holds,
            (Ok(found), None) => Verdict::Fails(format!(
                "no digest is recorded; if this one is right, record it:\n{} {case}",
                found.hex()
            )),
            (Ok(found), Some(expected)) => {
                let mut message = format!("expected {}, found {}", expected.hex(), found.hex());
                if let Some(difference) = self.difference_to(case, expected, bench) {
                    message = format!("{message}\n{difference}");
                }
                Verdict::Fails(message)
            }
        }
    }

    fn tree(&self, tree: &Utf8Path, runtime: &str) -> Verdict {
        let Some(bench) = self.benches.get(runtime) else {
            return Verdict::Inconclusive(format!("{runtime} is not ready"));
        };
        match bench.differences_from_recorded(tree) {
            Err(message) => Verdict::Fails(message),
            Ok(differences) if differences.is_empty() => Verdict::Holds,
            Ok(differences) => Verdict::Fails(differences.join("\n")),
        }
    }

    /// Compares the image of `bench` with that of a runtime that got the expected digest.
    fn difference_to(&self, case: &str, expected: Digest, bench: &Bench) -> Option<String> {
        let right = self.benches.values().find(|other| {
            self.built(case, other)
                .is_ok_and(|digest| digest == expected)
        })?;
        right.difference(bench, &self.cases[case])
    }

    fn agreement(&self, case: &str) -> Verdict {
        let mut benches = self.benches.values();
        let (Some(first), true) = (benches.next(), self.benches.len() > 1) else {
            return Verdict::Inconclusive("fewer than two runtimes are ready".to_owned());
        };
        let expected = match self.built(case, first) {
            Ok(digest) => digest,
            Err(message) => return Verdict::Fails(message),
        };
        for bench in benches {
            match self.built(case, bench) {
                Ok(digest) if digest == expected => {}
                Err(message) => return Verdict::Fails(message),
                Ok(found) => {
                    let difference = first.difference(bench, &self.cases[case]);
                    return Verdict::Fails(format!(
                        "{} gives {}, {} gives {}\n{}",
                        first.runtime(),
                        expected.hex(),
                        bench.runtime(),
                        found.hex(),
                        difference.unwrap_or_default(),
                    ));
                }
            }
        }
        Verdict::Holds
    }
}
