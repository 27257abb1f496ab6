//! Which attempts are attested: of each image and each runtime the last that succeeded here.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Attempt, AttemptVerdict};

/// Returns of each image and each runtime the last attempt of this machine in which all rounds had one digest, and that
/// was the recorded one if one was recorded. With `packages`, only of those. They are sorted by package, platform and
/// runtime.
///
/// What somebody else says they have built is theirs to attest.
pub fn latest<'a>(attempts: &'a [Attempt], packages: Option<&BTreeSet<&str>>) -> Vec<&'a Attempt> {
    let mut latest = BTreeMap::new();
    for attempt in attempts {
        let is_asked_for = packages.is_none_or(|names| names.contains(attempt.package.as_str()));
        let is_success = matches!(
            attempt.verdict,
            AttemptVerdict::Reproduced | AttemptVerdict::NotRecorded
        );
        let is_ours = attempt.machine.whose.is_none();
        if is_asked_for && is_ours && is_success && attempt.digest.is_some() {
            let image = (&attempt.package, &attempt.platform, &attempt.runtime.name);
            // They are in the order in which they were recorded, so the last stays.
            latest.insert(image, attempt);
        }
    }
    latest.into_values().collect()
}
