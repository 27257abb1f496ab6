//! A matrix and what came of it, as documents have it.

use camino::Utf8PathBuf;
use documents::{ConformanceCells, ConformanceGenerated, ConformanceReport, ListedCell, Version};

use crate::contrast::Contrast;
use crate::differences::Levelled;
use crate::harness::{Finding, Found, Reason, Tally};
use crate::matrix::{Cell, Failing, Matrix, Verdict};
use crate::results::{Answer, ColumnFacts, Results};
use crate::suite::Subject;

impl Matrix {
    /// Returns the list of its cells, with why some cannot be asked here.
    pub fn document(&self) -> ConformanceCells {
        let cells = self.cells();
        let cells = cells.iter().map(|cell| ListedCell {
            cell: cell.into(),
            absence: self.absence(cell),
        });
        ConformanceCells {
            version: Version,
            cells: cells.collect(),
        }
    }
}

impl Results {
    /// Returns the report for programs.
    pub fn document(&self) -> ConformanceReport {
        ConformanceReport {
            version: Version,
            columns: self.columns.iter().map(Into::into).collect(),
            subjects: self.subjects.iter().map(Into::into).collect(),
            answers: self.answers.iter().map(Into::into).collect(),
            levelled: self.levelled.iter().map(Into::into).collect(),
            seconds: self.seconds,
            interrupted: self.interrupted,
        }
    }
}

impl Found {
    /// Returns the report for programs.
    pub fn document(&self) -> ConformanceGenerated {
        ConformanceGenerated {
            version: Version,
            seed: self.seed,
            columns: self.columns.iter().map(Into::into).collect(),
            tried: self.tried,
            tallies: self.tallies.iter().map(Into::into).collect(),
            reasons: self.reasons.iter().map(Into::into).collect(),
            findings: self.findings.iter().map(Into::into).collect(),
            seconds: self.seconds,
            interrupted: self.interrupted,
        }
    }
}

impl From<&Tally> for documents::GeneratedTally {
    fn from(tally: &Tally) -> Self {
        Self {
            column: tally.column.clone(),
            against: tally.against.clone(),
            equal: tally.equal,
            refused_by_both: tally.refused_by_both,
            refused_while_planning: tally.refused_while_planning,
            known: tally.known,
            differs: tally.differs,
            unsteady: tally.unsteady,
        }
    }
}

impl From<&Reason> for documents::GeneratedReason {
    fn from(reason: &Reason) -> Self {
        Self {
            state: reason.state.to_owned(),
            who: reason.who.clone(),
            why: reason.why.clone(),
            count: reason.count,
            seed: reason.seed,
        }
    }
}

impl From<&Finding> for documents::GeneratedFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: finding.kind.clone(),
            column: finding.column.clone(),
            against: finding.against.clone(),
            seed: finding.seed,
            others: finding.others.clone(),
            contrast: (&finding.contrast).into(),
            containerfile: finding.containerfile.clone(),
            directory: finding.directory.clone().map(Utf8PathBuf::into_string),
        }
    }
}

impl From<&ColumnFacts> for documents::Column {
    fn from(column: &ColumnFacts) -> Self {
        Self {
            label: column.label.to_string(),
            version: column.version.clone(),
            program: column.program.clone().map(Utf8PathBuf::into_string),
            absence: column.absence.clone(),
        }
    }
}

impl From<&Subject> for documents::Subject {
    fn from(subject: &Subject) -> Self {
        Self {
            name: subject.name.clone(),
            property: subject.property.clone(),
            output: subject.output.clone(),
        }
    }
}

impl From<&Answer> for documents::Answer {
    fn from(answer: &Answer) -> Self {
        Self {
            cell: (&answer.cell).into(),
            verdict: (&answer.verdict).into(),
            seconds: answer.seconds,
        }
    }
}

impl From<&Cell> for documents::Cell {
    fn from(cell: &Cell) -> Self {
        let subject = cell.subject().to_owned();
        match cell {
            Cell::Recorded { column, .. } => Self::Recorded {
                subject,
                column: column.to_string(),
            },
            Cell::Agreement { .. } => Self::Agreement { subject },
            Cell::Oracle { oracle, .. } => Self::Oracle {
                subject,
                oracle: oracle.to_string(),
            },
        }
    }
}

impl From<&Verdict> for documents::Verdict {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Differs { why, avoid } => Self::Differs {
                why: why.clone(),
                avoid: avoid.clone(),
            },
            Verdict::Fails(Failing { message, contrast }) => Self::Fails {
                message: message.clone(),
                contrast: contrast.as_ref().map(Into::into),
            },
            Verdict::CannotRun { reason } => Self::CannotRun {
                reason: reason.clone(),
            },
        }
    }
}

impl From<&Contrast> for documents::Contrast {
    fn from(contrast: &Contrast) -> Self {
        Self {
            place: contrast.place.clone(),
            expected: contrast.expected.clone(),
            found: contrast.found.clone(),
        }
    }
}

impl From<&Levelled> for documents::Levelled {
    fn from(levelled: &Levelled) -> Self {
        Self {
            what: levelled.what.clone(),
            how: levelled.how.clone(),
            case: levelled.case.clone(),
        }
    }
}
