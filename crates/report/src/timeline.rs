//! The time line of the last run: when each package was built, and what took longest one after another.

use std::collections::BTreeMap;

use documents::{Attempt, DependencyOrigin, seconds_of};

use crate::facts::Facts;

/// How wide the picture is, and how high a lane, in units of the picture.
const WIDTH: f64 = 1000.0;
const LANE: usize = 14;

/// A run, drawn.
pub(crate) struct Run<'a> {
    pub(crate) id: &'a str,
    pub(crate) started: String,
    pub(crate) seconds: f64,
    pub(crate) height: usize,
    pub(crate) bars: Vec<Bar<'a>>,
    /// What took longest one after another, in the order of building.
    pub(crate) path: Vec<Step<'a>>,
    pub(crate) path_seconds: f64,
}

/// A build of it.
pub(crate) struct Bar<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) offset: i64,
    pub(crate) x: f64,
    pub(crate) y: usize,
    pub(crate) width: f64,
    pub(crate) is_critical: bool,
}

/// A build on the critical path.
pub(crate) struct Step<'a> {
    pub(crate) package: &'a str,
    pub(crate) runtime: &'a str,
    pub(crate) seconds: f64,
}

/// Returns the last run from this machine, if there is one: on it, or by a server. Each worker has lanes of its own.
#[expect(clippy::cast_precision_loss, reason = "a picture needs no more digits")]
pub(crate) fn last_run<'a>(facts: &Facts<'a>) -> Option<Run<'a>> {
    let own = |each: &&Attempt| each.machine.whose.is_none() || each.machine.is_of_server();
    let is_planned = |each: &&Attempt| {
        facts
            .plan
            .packages
            .iter()
            .any(|one| one.name == each.package)
    };
    let newest = facts
        .attempts
        .iter()
        .filter(own)
        .max_by_key(|each| seconds_of(&each.started))?;
    let of_run = facts
        .attempts
        .iter()
        .filter(own)
        .filter(|each| each.reproduction == newest.reproduction);
    let mut attempts: Vec<(i64, &Attempt)> = of_run
        .filter(is_planned)
        .filter_map(|each| Some((seconds_of(&each.started)?, each)))
        .collect();
    attempts.sort_by_key(|(start, each)| (*start, &each.package, &each.runtime.name));
    let start = attempts.first()?.0;
    let ends = attempts
        .iter()
        .map(|(at, each)| (at - start) as f64 + length(each));
    let seconds = ends.fold(1.0, f64::max);
    let path = critical_path(facts, &attempts);
    let mut lanes: Vec<(Place, f64)> = Vec::new();
    let mut bars = Vec::with_capacity(attempts.len());
    for (at, attempt) in attempts {
        let offset = at - start;
        let begin = offset as f64;
        let place = place(attempt);
        let is_free = |(of, end): &(Place, f64)| *of == place && *end <= begin;
        let lane = lanes.iter().position(is_free).unwrap_or_else(|| {
            lanes.push((place, 0.0));
            lanes.len() - 1
        });
        lanes[lane].1 = begin + length(attempt);
        bars.push(Bar {
            offset,
            x: begin / seconds * WIDTH,
            y: lane * LANE,
            width: (length(attempt) / seconds * WIDTH).max(1.5),
            is_critical: path.iter().any(|each| std::ptr::eq(*each, attempt)),
            attempt,
        });
    }
    Some(Run {
        id: &newest.reproduction,
        started: documents::rfc3339(start),
        seconds,
        height: lanes.len() * LANE,
        bars,
        path_seconds: path.iter().map(|each| length(each)).sum(),
        path: path
            .into_iter()
            .map(|each| Step {
                package: &each.package,
                runtime: &each.runtime.name,
                seconds: length(each),
            })
            .collect(),
    })
}

/// Where something was built: a server, and what it calls the worker.
type Place<'a> = (Option<&'a str>, Option<&'a str>);

fn place(attempt: &Attempt) -> Place<'_> {
    let machine = &attempt.machine;
    (machine.whose.as_deref(), machine.worker.as_deref())
}

/// Returns how long an attempt took; what is no duration is none.
pub(crate) fn length(attempt: &Attempt) -> f64 {
    attempt.seconds.clamp(0.0, 1e9)
}

/// Returns the builds that take longest one after another. Only who was given what the same run had built
/// waited for it.
fn critical_path<'a>(facts: &Facts<'a>, attempts: &[(i64, &'a Attempt)]) -> Vec<&'a Attempt> {
    let mut of_package: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for (_, attempt) in attempts {
        of_package
            .entry(&attempt.package)
            .or_default()
            .push(attempt);
    }
    // (package, runtime) -> until when, and what was waited for.
    let mut known: BTreeMap<(&str, &str), (f64, Option<&Attempt>)> = BTreeMap::new();
    let mut last: Option<(f64, &Attempt)> = None;
    for package in &facts.plan.packages {
        for attempt in of_package
            .get(package.name.as_str())
            .into_iter()
            .flatten()
            .copied()
        {
            let runtime = attempt.runtime.name.as_str();
            let mut waited: Option<(f64, &Attempt)> = None;
            for need in &package.dependencies {
                let built = of_package.get(need.as_str()).into_iter().flatten();
                let mut built = built.filter(|each| each.runtime.name == runtime);
                let end = known.get(&(need.as_str(), runtime)).map(|(end, _)| *end);
                if attempt.dependencies == DependencyOrigin::Built
                    && let (Some(end), Some(one)) = (end, built.next())
                    && waited.is_none_or(|(longest, _)| end > longest)
                {
                    waited = Some((end, one));
                }
            }
            let end = waited.map_or(0.0, |(end, _)| end) + length(attempt);
            known.insert((&package.name, runtime), (end, waited.map(|(_, on)| on)));
            if last.is_none_or(|(longest, _)| end > longest) {
                last = Some((end, attempt));
            }
        }
    }
    let mut path = Vec::new();
    let mut next = last.map(|(_, attempt)| attempt);
    while let Some(attempt) = next {
        path.push(attempt);
        let key = (attempt.package.as_str(), attempt.runtime.name.as_str());
        next = known.get(&key).and_then(|(_, on)| *on);
    }
    path.reverse();
    path
}
