//! From the facts to the document: the state of each package, what is counted, and what has changed. It knows no pages.

use std::collections::{BTreeMap, BTreeSet};

use documents::{
    Attempt, PlannedPackage, Report, ReportAnswer, ReportChange, ReportCounts, ReportPackage,
    ReportRuntime, ReportState, Version, rfc3339, seconds_of,
};

use crate::facts::Facts;
use crate::standing::standing;

/// How many changes are kept, with those of earlier reports.
const CHANGES: usize = 200;

/// Returns what the facts say, and what has changed since the `previous` report.
pub fn report(facts: &Facts, previous: Option<&Report>) -> Report {
    let mut of_package: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    let names: BTreeSet<&str> = facts
        .plan
        .packages
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    let known = facts
        .attempts
        .iter()
        .filter(|each| names.contains(each.package.as_str()));
    // Of a package with several platforms, the digest of the first is the one that is compared.
    for attempt in known.clone().filter(|each| each.platform.is_none()) {
        of_package
            .entry(&attempt.package)
            .or_default()
            .push(attempt);
    }
    let mut packages: Vec<ReportPackage> = facts
        .plan
        .packages
        .iter()
        .map(|each| package(facts, each, of_package.get(each.name.as_str())))
        .collect();
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    let runtimes: BTreeSet<String> = known
        .clone()
        .map(|each| each.runtime.name.clone())
        .collect();
    let newest = known.max_by_key(|each| ended(each));
    let mut counts = counts(&packages);
    counts.signed = facts.signed.map(|_| {
        let signed = packages.iter().filter_map(|each| each.signed.as_ref());
        signed.filter(|signed| signed.verified).count()
    });
    let answer = if counts.differs + counts.unstable + counts.failed > 0 {
        ReportAnswer::No
    } else if counts.reproduced == counts.packages && counts.packages > 0 {
        ReportAnswer::Yes
    } else {
        ReportAnswer::NotYet
    };
    let seen = newest.map_or_else(|| rfc3339(0), |each| rfc3339(ended(each)));
    Report {
        version: Version,
        newest: newest.map(|each| rfc3339(ended(each))),
        tree: newest.map(|each| each.tree.clone()),
        profile: facts.profile.to_owned(),
        answer,
        counts,
        runtimes: runtimes.into_iter().collect(),
        changes: changes(&packages, previous, &seen),
        packages,
    }
}

/// Returns when an attempt ended, in seconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no attempt takes that long"
)]
pub(crate) fn ended(attempt: &Attempt) -> i64 {
    let took = attempt.seconds.clamp(0.0, f64::from(u32::MAX)).ceil() as i64;
    seconds_of(&attempt.started)
        .unwrap_or_default()
        .saturating_add(took)
}

fn package(
    facts: &Facts,
    planned: &PlannedPackage,
    attempts: Option<&Vec<&Attempt>>,
) -> ReportPackage {
    let attempts = attempts.map(Vec::as_slice).unwrap_or_default();
    // On each machine the newest attempt of a runtime stands for those before it.
    let mut newest: BTreeMap<_, &Attempt> = BTreeMap::new();
    for attempt in attempts {
        newest.insert((&attempt.runtime.name, &attempt.machine), attempt);
    }
    let mut runtimes: BTreeMap<String, ReportRuntime> = BTreeMap::new();
    let mut vendors = BTreeSet::new();
    for attempt in newest.into_values() {
        let state = standing(facts, attempt);
        let vendor = &attempt.machine.cpu_vendor;
        if state == ReportState::Reproduced && !vendor.is_empty() {
            vendors.insert(vendor.clone());
        }
        let runtime = runtimes
            .entry(attempt.runtime.name.clone())
            .or_insert_with(|| {
                let started = attempt.started.clone();
                ReportRuntime { state, started }
            });
        runtime.state = runtime.state.min(state);
        if seconds_of(&attempt.started) > seconds_of(&runtime.started) {
            runtime.started.clone_from(&attempt.started);
        }
    }
    let recorded = facts.recorded.get(&planned.name).cloned();
    let nothing = match recorded {
        Some(_) => ReportState::Missing,
        None => ReportState::NotRecorded,
    };
    let worst = runtimes.values().map(|each| each.state).min();
    ReportPackage {
        name: planned.name.clone(),
        package_version: planned.version.clone(),
        recorded,
        state: worst.unwrap_or(nothing),
        runtimes,
        vendors: vendors.into_iter().collect(),
        signed: facts
            .signed
            .and_then(|signed| signed.get(&planned.name).cloned()),
    }
}

fn counts(packages: &[ReportPackage]) -> ReportCounts {
    let count =
        |is: &dyn Fn(&ReportPackage) -> bool| packages.iter().filter(|each| is(each)).count();
    let of = |state: ReportState| count(&|each| each.state == state);
    let reproduced = |each: &ReportPackage| each.state == ReportState::Reproduced;
    let by = |each: &ReportPackage| {
        let runtimes = each.runtimes.values();
        runtimes
            .filter(|runtime| runtime.state == ReportState::Reproduced)
            .count()
    };
    ReportCounts {
        packages: packages.len(),
        recorded: count(&|each| each.recorded.is_some()),
        reproduced: count(&reproduced),
        two_runtimes: count(&|each| reproduced(each) && by(each) > 1),
        two_vendors: count(&|each| reproduced(each) && each.vendors.len() > 1),
        differs: of(ReportState::Differs),
        unstable: of(ReportState::Unstable),
        failed: of(ReportState::Failed),
        missing: count(&|each| each.state > ReportState::Reproduced),
        signed: None,
    }
}

/// Returns what has changed, the newest first. A first report has no changes.
fn changes(packages: &[ReportPackage], previous: Option<&Report>, seen: &str) -> Vec<ReportChange> {
    let Some(previous) = previous else {
        return Vec::new();
    };
    let before: BTreeMap<&str, &ReportPackage> = previous
        .packages
        .iter()
        .map(|each| (each.name.as_str(), each))
        .collect();
    let after: BTreeMap<&str, &ReportPackage> = packages
        .iter()
        .map(|each| (each.name.as_str(), each))
        .collect();
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let change = |name: &str| {
        let (before, after) = (before.get(name), after.get(name));
        let said =
            |each: Option<&&ReportPackage>| each.map(|each| (each.state, each.recorded.clone()));
        (said(before) != said(after)).then(|| ReportChange {
            seen: seen.to_owned(),
            package: name.to_owned(),
            before: before.map(|each| each.state),
            after: after.map(|each| each.state),
            recorded: after.and_then(|each| each.recorded.clone()),
        })
    };
    let new = names.into_iter().filter_map(change);
    new.chain(previous.changes.iter().cloned())
        .take(CHANGES)
        .collect()
}
