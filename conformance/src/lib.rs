//! One suite that every runtime must pass: the same digest for each case, whoever built it.
//!
//! It knows cases, columns (a runtime of one generation), the oracles that write the canonical
//! bytes by themselves, and the matrix of them all. It names no engine but the one that defines
//! the bytes, and does not know the command line.

mod bench;
mod column;
mod contrast;
mod differences;
mod document;
mod embedded;
mod harness;
mod matrix;
mod oracle;
mod order;
mod recorded;
pub mod report;
mod results;
mod run;
mod suite;

pub use bench::{Bench, Site};
pub use column::{Column, InvalidLabel, Label, Programs};
pub use contrast::Contrast;
pub use differences::{Difference, Differences, InvalidDifferences, Levelled, User};
pub use embedded::unpack;
pub use harness::{
    Event, Finding, Found, Harness, InvalidKnown, Known, NotPrepared, Plan, Reason, Tally,
};
pub use matrix::{Cell, Failing, Matrix, Verdict};
pub use oracle::Oracle;
pub use recorded::Recorded;
pub use results::{Answer, ColumnFacts, Counts, Results};
pub use run::{Progress, run};
pub use suite::{Subject, Suite, SuiteError};
