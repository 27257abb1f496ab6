//! What came of a whole matrix, as data: what every report is made from.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::column::{Column, Label};
use crate::differences::Levelled;
use crate::matrix::{Cell, Matrix, Verdict};
use crate::recorded::Recorded;
use crate::suite::Subject;

/// What came of a matrix.
#[derive(Debug, Clone)]
pub struct Results {
    /// The columns, in order, also those that are not here.
    pub columns: Vec<ColumnFacts>,
    /// The packages, in order.
    pub subjects: Vec<Subject>,
    /// The digests that are recorded for the packages.
    pub recorded: Recorded,
    /// The answers, in the order of the cells.
    pub answers: Vec<Answer>,
    /// The differences between engines that no image shows.
    pub levelled: Vec<Levelled>,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
}

/// What is known of a column.
#[derive(Debug, Clone)]
pub struct ColumnFacts {
    /// Its name.
    pub label: Label,
    /// The engine's version, if one was found.
    pub version: Option<String>,
    /// The program that drives it, if one was found.
    pub program: Option<Utf8PathBuf>,
    /// Why it is not ready, if it is not.
    pub absence: Option<String>,
}

/// A cell with its answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The question.
    pub cell: Cell,
    /// The answer.
    pub verdict: Verdict,
    /// How long it took, in seconds. An image is counted where it was first asked for.
    pub seconds: f64,
}

/// How many cells are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cells that hold.
    pub holds: usize,
    /// Cells where a listed difference shows.
    pub differs: usize,
    /// Cells that fail.
    pub fails: usize,
    /// Cells that cannot run here.
    pub cannot_run: usize,
    /// How many cells there are of each listed difference and of each reason not to run.
    pub reasons: BTreeMap<String, usize>,
}

impl Results {
    /// Gathers the facts of a matrix and its answers.
    pub(crate) fn of(matrix: &Matrix, answers: Vec<Answer>, seconds: f64) -> Self {
        Self {
            columns: matrix.columns().iter().map(ColumnFacts::of).collect(),
            subjects: matrix.suite().subjects.clone(),
            recorded: matrix.suite().recorded.clone(),
            interrupted: answers.len() < matrix.cells().len(),
            levelled: matrix.suite().differences.levelled.clone(),
            answers,
            seconds,
        }
    }

    /// Counts the cells by state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for answer in &self.answers {
            let (count, reason) = match &answer.verdict {
                Verdict::Holds => (&mut counts.holds, None),
                Verdict::Differs { why, .. } => (&mut counts.differs, Some(why)),
                Verdict::Fails(_) => (&mut counts.fails, None),
                Verdict::CannotRun { reason } => (&mut counts.cannot_run, Some(reason)),
            };
            *count += 1;
            if let Some(reason) = reason {
                *counts.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        counts
    }
}

impl ColumnFacts {
    pub(crate) fn of(column: &Column) -> Self {
        let (version, program) = match column.availability.ready() {
            Ok(ready) => (Some(ready.version.clone()), Some(ready.program.clone())),
            Err(why) => (why.version.clone(), why.program.clone()),
        };
        Self {
            label: column.label.clone(),
            version,
            program,
            absence: column.absence(),
        }
    }
}
