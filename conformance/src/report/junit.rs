//! `JUnit`'s XML: a suite for each column, a test case for each cell.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::matrix::Verdict;
use crate::results::{Answer, Results};

/// Returns the results as `JUnit`'s XML.
pub(super) fn xml(results: &Results) -> Result<String, SerializeError> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for answer in &results.answers {
        let head = answer.cell.head();
        let suite = suites
            .entry(head.clone())
            .or_insert_with(|| TestSuite::new(head));
        suite.add_test_case(test_case(answer));
    }
    let mut report = Report::new("stagex conformance");
    report.set_time(Duration::from_secs_f64(results.seconds));
    report.add_test_suites(suites.into_values());
    let text = report.to_string()?;
    Ok(printable::lines(&text).into_owned())
}

fn test_case(answer: &Answer) -> TestCase {
    let status = match &answer.verdict {
        Verdict::Holds => TestCaseStatus::success(),
        Verdict::Differs { why, .. } => skipped(&format!("differs as listed: {why}")),
        Verdict::CannotRun { reason } => skipped(&format!("cannot run: {reason}")),
        Verdict::Fails(failing) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failing.message.as_str());
            if let Some(contrast) = &failing.contrast {
                status.set_description(format!(
                    "{}\nexpected {}\nfound    {}",
                    contrast.place, contrast.expected, contrast.found
                ));
            }
            status
        }
    };
    let mut case = TestCase::new(answer.cell.subject(), status);
    case.set_classname(answer.cell.head());
    case.set_time(Duration::from_secs_f64(answer.seconds));
    case
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}
