//! The matrix of the conformance suite: which cells there are, and what came of them:
//! `stagex conformance`, and the `report.json` that it writes.

use serde::{Deserialize, Serialize};

use crate::Version;

/// Which cells there are: `stagex conformance --list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConformanceCells {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The cells, case by case.
    pub cells: Vec<ListedCell>,
}

/// A cell, and whether it can be asked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedCell {
    /// The cell.
    pub cell: Cell,
    /// Why it cannot be asked here, if so.
    pub absence: Option<String>,
}

/// A cell of the matrix: a question that has an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "question", rename_all = "kebab-case")]
pub enum Cell {
    /// Does this column's image have the recorded digest?
    Recorded {
        /// The case or package.
        subject: String,
        /// The column.
        column: String,
    },
    /// Do all columns that are here give the same image?
    Agreement {
        /// The case or package.
        subject: String,
    },
    /// Does an engine that writes canonical bytes by itself write the same?
    Oracle {
        /// The case or package.
        subject: String,
        /// The column of that engine.
        oracle: String,
    },
}

/// What came of the whole matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConformanceReport {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The columns, in order, also those that are not here.
    pub columns: Vec<Column>,
    /// The cases or packages, in order.
    pub subjects: Vec<Subject>,
    /// The answers, in the order of the cells.
    pub answers: Vec<Answer>,
    /// The differences between engines that no image shows.
    pub levelled: Vec<Levelled>,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
}

/// What came of inputs that were made by chance: `stagex conformance --generate N`, `--seconds S` and `--again DIR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConformanceGenerated {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The seed of the first input; each further one has the next number.
    pub seed: u64,
    /// The columns, also those that are not here.
    pub columns: Vec<Column>,
    /// How many inputs were tried.
    pub tried: u64,
    /// What came of them, for each two that were compared.
    pub tallies: Vec<GeneratedTally>,
    /// Why inputs had no image to compare, or may differ.
    pub reasons: Vec<GeneratedReason>,
    /// What differs.
    pub findings: Vec<GeneratedFinding>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
}

/// How often a column agreed with another one, or with an oracle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GeneratedTally {
    /// The column.
    pub column: String,
    /// What it is compared with: a column, or `oracle-<column>`.
    pub against: String,
    /// For how many inputs both have the same image.
    pub equal: u64,
    /// For how many neither has one.
    pub refused_by_both: u64,
    /// How many one of them refused before anything was built.
    pub refused_while_planning: u64,
    /// How many differ as known.
    pub known: u64,
    /// How many differ.
    pub differs: u64,
    /// How many differed only once, or could not be tried.
    pub unsteady: u64,
}

/// Why inputs had no image to compare, or may differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GeneratedReason {
    /// What happened to them, in few words.
    pub state: String,
    /// Who is meant.
    pub who: String,
    /// Why, as the first of them says it.
    pub why: String,
    /// How many there were.
    pub count: u64,
    /// The seed of the first.
    pub seed: u64,
}

/// An input that differs, made small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GeneratedFinding {
    /// Of which kind the difference is.
    pub kind: String,
    /// The column.
    pub column: String,
    /// What it is compared with.
    pub against: String,
    /// The seed of the input.
    pub seed: u64,
    /// The seeds of others of the kind that were not made small.
    pub others: Vec<u64>,
    /// The first thing that differs: expected is what the other gives, and found what the column gives.
    pub contrast: Contrast,
    /// The Containerfile, made small.
    pub containerfile: String,
    /// The directory with the whole input, and a note that says how it is shown again.
    pub directory: Option<String>,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Column {
    /// Its name: a runtime, or `<runtime>@<generation>`.
    pub label: String,
    /// The engine's version, if one was found.
    pub version: Option<String>,
    /// The path of the program that drives it, if one was found.
    pub program: Option<String>,
    /// Why it is not ready, if it is not.
    pub absence: Option<String>,
}

/// A case or a package, whose image must be the same in every column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Subject {
    /// The name of a case, or the full name of a package.
    pub name: String,
    /// What a case shows, in one sentence; empty for a package.
    pub property: String,
    /// The full name of the package that is built, `<stage>-<name>`.
    pub output: String,
}

/// A cell with its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The question.
    #[serde(flatten)]
    pub cell: Cell,
    /// The answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, in seconds. An image is counted where it was first asked for.
    pub seconds: f64,
}

/// The answer to a cell's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
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
    Fails {
        /// What happened.
        message: String,
        /// The first thing that differs, where there is an image to compare with.
        contrast: Option<Contrast>,
    },
    /// It cannot be asked here. Never a pass.
    CannotRun {
        /// Why not.
        reason: String,
    },
}

/// The first thing in which two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contrast {
    /// Where: an entry of a layer and its field, or a place in the config or the manifest.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A difference between engines that no image shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Levelled {
    /// What differs, and in which engines.
    pub what: String,
    /// How it is made equal.
    pub how: String,
    /// The case that shows that it is.
    pub case: String,
}
