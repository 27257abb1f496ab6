//! What one attempt says of the digest that is recorded now. It knows nothing of other attempts.

use documents::{Attempt, AttemptVerdict, MaterialKind, ReportState};

use crate::facts::Facts;

/// Returns what an attempt says of the recorded digest of its package.
///
/// An attempt counts only if it was made from what is recorded now: from a tree without uncommitted changes, with this
/// encoding, and with dependencies that have their recorded digests. Anything else is outdated, whatever came of it.
pub(crate) fn standing(facts: &Facts, attempt: &Attempt) -> ReportState {
    let recorded = facts.recorded.get(&attempt.package);
    let is_recorded = |name: &str, digest| facts.recorded.get(name) == Some(digest);
    let mut dependencies = attempt.materials.iter();
    let is_of_records = dependencies
        .all(|each| each.kind != MaterialKind::Dependency || is_recorded(&each.name, &each.digest));
    if attempt.tree.dirty || attempt.profile != facts.profile || !is_of_records {
        return ReportState::Outdated;
    }
    match attempt.verdict {
        AttemptVerdict::Failed | AttemptVerdict::Unstable
            if attempt.recorded.as_ref() != recorded =>
        {
            ReportState::Outdated
        }
        AttemptVerdict::Failed => ReportState::Failed,
        AttemptVerdict::Unstable => ReportState::Unstable,
        _ if recorded.is_none() => ReportState::NotRecorded,
        // The digests are compared here, whatever they were compared with then.
        _ if attempt.digest.as_ref() == recorded => ReportState::Reproduced,
        _ if attempt.recorded.as_ref() == recorded => ReportState::Differs,
        _ => ReportState::Outdated,
    }
}
