//! Every package on every column: which cells there are, and when a cell holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci_image::Digest;

use crate::bench::{Bench, Site};
use crate::column::{Column, Label};
use crate::contrast::Contrast;
use crate::differences::{Difference, User};
use crate::oracle::{Oracle, Sentence};
use crate::suite::{Subject, Suite};

const FEWER_THAN_TWO: &str = "inconclusive: fewer than two runtimes are ready";

/// A question that has an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Does this column's image have the recorded digest?
    Recorded {
        /// The package.
        subject: String,
        /// The column.
        column: Label,
    },
    /// Do all columns that are here give the same image?
    Agreement {
        /// The package.
        subject: String,
    },
    /// Does an engine that writes canonical bytes by itself write the same?
    Oracle {
        /// The package.
        subject: String,
        /// The oracle.
        oracle: Label,
    },
}

impl Cell {
    /// Returns the name of the package that it asks about.
    pub fn subject(&self) -> &str {
        match self {
            Self::Recorded { subject, .. }
            | Self::Agreement { subject }
            | Self::Oracle { subject, .. } => subject,
        }
    }

    /// Returns what stands at the head of its column.
    pub fn head(&self) -> String {
        match self {
            Self::Recorded { column, .. } => column.to_string(),
            Self::Agreement { .. } => "agreement".to_owned(),
            Self::Oracle { oracle, .. } => format!("oracle-{oracle}"),
        }
    }

    /// Returns its name: `<package>::<column>`.
    pub fn name(&self) -> String {
        format!("{}::{}", self.subject(), self.head())
    }
}

/// The answer to a cell's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Holds,
    /// No, and that is known and listed.
    Differs {
        /// What differs, and why.
        why: String,
        /// What the author of a package must avoid.
        avoid: String,
    },
    /// No.
    Fails(Failing),
    /// It cannot be asked here. Never a pass.
    CannotRun {
        /// Why not.
        reason: String,
    },
}

/// Why a cell does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// What happened.
    pub message: String,
    /// The first thing that differs, where an image is there to compare with.
    pub contrast: Option<Contrast>,
}

impl Verdict {
    pub(crate) fn fails(message: impl Into<String>) -> Self {
        Self::Fails(Failing {
            message: message.into(),
            contrast: None,
        })
    }
}

/// All packages of a suite on all columns, and before all oracles.
#[derive(Debug)]
pub struct Matrix {
    suite: Arc<Suite>,
    columns: Vec<Column>,
    benches: BTreeMap<Label, Bench>,
    oracles: Vec<Oracle>,
    site: Site,
}

impl Matrix {
    /// Makes the matrix. There must be no columns of an earlier matrix at the site.
    pub fn new(suite: Arc<Suite>, columns: Vec<Column>, oracles: Vec<Oracle>, site: Site) -> Self {
        let bench = |column: &Column| {
            let bench = Bench::new(column, &suite, &site)?;
            Some((column.label.clone(), bench))
        };
        let benches = match suite.absence() {
            None => columns.iter().filter_map(bench).collect(),
            Some(_) => BTreeMap::new(),
        };
        Self {
            suite,
            columns,
            benches,
            oracles,
            site,
        }
    }

    /// Tells whether the work was interrupted.
    pub fn is_interrupted(&self) -> bool {
        *self.site.interrupted.borrow()
    }

    /// Returns the suite.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// Returns the columns, also those that are not here.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the oracles.
    pub fn oracles(&self) -> &[Oracle] {
        &self.oracles
    }

    /// Lists every cell, whatever is here, package by package.
    pub fn cells(&self) -> Vec<Cell> {
        let of = |subject: &Subject| {
            let name = || subject.name.clone();
            let columns = self.columns.iter().map(move |column| Cell::Recorded {
                subject: name(),
                column: column.label.clone(),
            });
            let oracles = self.oracles.iter().filter(|_| !subject.has_seeds);
            let oracles = oracles.map(move |oracle| Cell::Oracle {
                subject: name(),
                oracle: oracle.label().clone(),
            });
            let agreement = Cell::Agreement { subject: name() };
            columns
                .chain(oracles)
                .chain([agreement])
                .collect::<Vec<_>>()
        };
        self.suite.subjects.iter().flat_map(of).collect()
    }

    /// Returns why a cell cannot be asked here, if so.
    pub fn absence(&self, cell: &Cell) -> Option<String> {
        let column = |label: &Label| self.columns.iter().find(|column| column.label == *label);
        let by_itself = match cell {
            Cell::Recorded { column: label, .. } => {
                column(label).map_or_else(|| Some("no such column".to_owned()), Column::absence)
            }
            Cell::Oracle { .. } => self
                .benches
                .is_empty()
                .then(|| "no runtime is ready to build what the oracle is asked about".to_owned()),
            Cell::Agreement { .. } => (self.benches.len() < 2).then(|| FEWER_THAN_TWO.to_owned()),
        };
        self.suite.absence().or(by_itself)
    }

    /// Tells whether it is a failure that a cell cannot be asked.
    pub fn is_required(&self, cell: &Cell) -> bool {
        let mut required = self.columns.iter().filter(|column| column.required);
        match cell {
            Cell::Recorded { column: label, .. } | Cell::Oracle { oracle: label, .. } => {
                required.any(|column| column.label == *label)
            }
            Cell::Agreement { .. } => required.count() > 1,
        }
    }

    /// Answers a cell's question. Images are built when they are first asked for, once.
    pub fn ask(&self, cell: &Cell) -> Verdict {
        if let Some(reason) = self.absence(cell) {
            return if self.is_required(cell) {
                Verdict::fails(reason)
            } else {
                Verdict::CannotRun { reason }
            };
        }
        let Some(subject) = self.suite.subject(cell.subject()) else {
            return Verdict::fails("there is no such case");
        };
        match cell {
            Cell::Recorded { column, .. } => self.recorded(subject, &self.benches[column]),
            Cell::Agreement { .. } => self.agreement(subject),
            Cell::Oracle { oracle: label, .. } => {
                let oracle = self.oracles.iter().find(|oracle| oracle.label() == label);
                oracle.map_or_else(
                    || Verdict::fails("there is no such oracle"),
                    |oracle| self.oracle(subject, oracle),
                )
            }
        }
    }

    fn listed(&self, subject: &Subject, bench: &Bench) -> Option<&Difference> {
        let ready = bench.ready();
        let engine = ready.engine().unwrap_or(bench.label().runtime());
        let differences = &self.suite.differences;
        differences.of_runtime(&subject.name, engine, &ready.version, User::current())
    }

    fn recorded(&self, subject: &Subject, bench: &Bench) -> Verdict {
        let expected = self.suite.recorded.get(&subject.name);
        let verdict = match (bench.digest(subject), expected) {
            (Err(message), _) => Verdict::fails(message),
            (Ok(found), Some(expected)) if found == expected => Verdict::Holds,
            (Ok(_), None) if !self.suite.all_recorded => Verdict::Holds,
            (Ok(found), None) => Verdict::fails(format!(
                "no digest is recorded; if this one is right, record it:\n{} {}",
                found.hex(),
                subject.name
            )),
            (Ok(found), Some(expected)) => Verdict::Fails(Failing {
                message: format!("expected {}, found {}", expected.hex(), found.hex()),
                contrast: self
                    .built_right(subject, expected)
                    .and_then(|right| right.difference(bench, subject))
                    // Where nobody is here who got it right, all that is known is that it differs.
                    .or_else(|| Some(Contrast::of_digests(expected, found))),
            }),
        };
        weigh(verdict, self.listed(subject, bench))
    }

    /// Returns a bench that got the expected digest.
    fn built_right(&self, subject: &Subject, expected: Digest) -> Option<&Bench> {
        let right = |bench: &&Bench| bench.digest(subject).is_ok_and(|found| found == expected);
        self.benches.values().find(right)
    }

    fn agreement(&self, subject: &Subject) -> Verdict {
        let unlisted = |bench: &&Bench| self.listed(subject, bench).is_none();
        let mut benches = self.benches.values().filter(unlisted);
        // What is left to compare, once those are taken out that are listed, may be one or none.
        let alone = || {
            let mut all = self.benches.values();
            let listed = all.find_map(|bench| self.listed(subject, bench));
            listed.map_or_else(
                || Verdict::CannotRun {
                    reason: FEWER_THAN_TWO.to_owned(),
                },
                differs,
            )
        };
        let Some(first) = benches.next() else {
            return alone();
        };
        let expected = match first.digest(subject) {
            Ok(digest) => digest,
            Err(message) => return Verdict::fails(message),
        };
        let mut compared = 0;
        for bench in benches {
            match bench.digest(subject) {
                Ok(digest) if digest == expected => compared += 1,
                Err(message) => return Verdict::fails(message),
                Ok(found) => {
                    let names = (first.label(), bench.label());
                    return Verdict::Fails(Failing {
                        message: format!(
                            "{} gives {}, {} gives {}",
                            names.0,
                            expected.hex(),
                            names.1,
                            found.hex()
                        ),
                        contrast: first.difference(bench, subject),
                    });
                }
            }
        }
        if compared == 0 {
            return alone();
        }
        Verdict::Holds
    }

    fn oracle(&self, subject: &Subject, oracle: &Oracle) -> Verdict {
        let right = match self.suite.recorded.get(&subject.name) {
            Some(expected) => self.built_right(subject, expected),
            None => self
                .benches
                .values()
                .find(|bench| bench.digest(subject).is_ok()),
        };
        let Some(right) = right else {
            return Verdict::fails("no runtime built the expected image to compare with");
        };
        let work = self
            .site
            .directory
            .join(format!("oracle-{}", oracle.label()))
            .join(&subject.name);
        let verdict = match oracle.judge(right, subject, &work, self.site.interrupted.clone()) {
            Err(message) => Verdict::fails(message),
            Ok(Sentence::Same) => Verdict::Holds,
            Ok(Sentence::Differs(contrast)) => Verdict::Fails(Failing {
                message: format!("{} writes another image", oracle.label()),
                contrast: Some(contrast),
            }),
        };
        let differences = &self.suite.differences;
        let listed = differences.of_oracle(&subject.name, oracle.label(), oracle.version());
        weigh(verdict, listed)
    }
}

fn differs(listed: &Difference) -> Verdict {
    Verdict::Differs {
        why: listed.why.clone(),
        avoid: listed.avoid.clone(),
    }
}

/// Holds a verdict against what is listed: a listed difference is no failure, and one that does
/// not show is.
fn weigh(verdict: Verdict, listed: Option<&Difference>) -> Verdict {
    let Some(listed) = listed else {
        return verdict;
    };
    let shows = match (&verdict, &listed.fails) {
        (Verdict::Fails(failing), Some(part)) => failing.message.contains(part),
        (Verdict::Fails(failing), None) => failing.contrast.is_some(),
        _ => false,
    };
    match verdict {
        _ if shows => differs(listed),
        Verdict::Holds if listed.depends_on.is_none() => Verdict::fails(format!(
            "a difference is listed that does not show: {}",
            listed.why
        )),
        other => other,
    }
}
