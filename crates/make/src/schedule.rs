//! Which package may be built next, and how long the rest may take. A pure state machine over the
//! plan's order: it knows dependencies, expected durations and outcomes, not what building is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a package is expected to take where nothing was ever measured.
const UNKNOWN: Duration = Duration::from_secs(1);

/// The state of one package, by its place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for this many dependencies.
    Waiting(usize),
    Ready,
    Running,
    Done,
    /// It failed, or something that it needs did.
    Lost,
}

/// Hands out packages in an order that has every dependency done before what needs it: of those
/// that can be built now the one first that the longest way still hangs on.
#[derive(Debug)]
pub(crate) struct Schedule {
    states: Vec<State>,
    needed_by: Vec<Vec<usize>>,
    expected: Expected,
    /// The longest way first; of equals the plan's order.
    ready: BTreeSet<(Reverse<Duration>, usize)>,
}

/// How long things are expected to take.
#[derive(Debug)]
struct Expected {
    /// Each package by itself.
    durations: Vec<Duration>,
    /// Each package, and the longest way of what needs it.
    ways: Vec<Duration>,
    /// What is not done and not lost, together.
    rest: Duration,
    /// Whether any of it was ever measured.
    measured: bool,
}

impl Expected {
    /// Takes what was measured of each package. What was not is taken for the median of the rest.
    fn new(measured: &[Option<Duration>], needed_by: &[Vec<usize>]) -> Self {
        let mut known: Vec<Duration> = measured.iter().copied().flatten().collect();
        known.sort_unstable();
        let usual = known.get(known.len() / 2).copied().unwrap_or(UNKNOWN);
        let durations: Vec<_> = measured.iter().map(|each| each.unwrap_or(usual)).collect();
        let mut ways = durations.clone();
        for package in (0..ways.len()).rev() {
            let after = needed_by[package].iter().map(|&next| ways[next]).max();
            ways[package] += after.unwrap_or_default();
        }
        let rest = durations.iter().sum();
        Self {
            durations,
            ways,
            rest,
            measured: !known.is_empty(),
        }
    }
}

impl Schedule {
    /// Prepares a schedule. `dependencies[i]` are the places of what package `i` needs, each
    /// of them smaller than `i`; `measured[i]` is what it took the last time.
    pub(crate) fn new(dependencies: &[Vec<usize>], measured: &[Option<Duration>]) -> Self {
        let mut needed_by = vec![Vec::new(); dependencies.len()];
        for (package, needs) in dependencies.iter().enumerate() {
            for &need in needs {
                debug_assert!(need < package, "the plan is in an order that can be built");
                needed_by[need].push(package);
            }
        }
        let mut schedule = Self {
            expected: Expected::new(measured, &needed_by),
            states: dependencies
                .iter()
                .map(|needs| State::Waiting(needs.len()))
                .collect(),
            needed_by,
            ready: BTreeSet::new(),
        };
        for package in 0..schedule.states.len() {
            if schedule.states[package] == State::Waiting(0) {
                schedule.make_ready(package);
            }
        }
        schedule
    }

    /// Returns how long each package is expected to take by itself.
    pub(crate) fn durations(&self) -> &[Duration] {
        &self.expected.durations
    }

    /// Returns the longest way through all packages, the first of them first: each is needed by the next.
    pub(crate) fn longest_way(&self) -> Vec<usize> {
        let longest = |places: &mut dyn Iterator<Item = usize>| {
            places.min_by_key(|&place| (Reverse(self.expected.ways[place]), place))
        };
        let mut way = Vec::new();
        let mut next = longest(&mut (0..self.states.len()));
        while let Some(place) = next {
            way.push(place);
            next = longest(&mut self.needed_by[place].iter().copied());
        }
        way
    }

    fn make_ready(&mut self, package: usize) {
        self.states[package] = State::Ready;
        self.ready
            .insert((Reverse(self.expected.ways[package]), package));
    }

    /// Returns all packages in the order in which they are wanted: what the longest way hangs on first.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|&package| (Reverse(self.expected.ways[package]), package));
        order
    }

    /// Hands out the next package that can be built now and that `may` begin, if there is one.
    pub(crate) fn next(&mut self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let next = self.ready.iter().find(|(_, package)| may(*package));
        let next = *next?;
        self.ready.remove(&next);
        let (_, package) = next;
        self.states[package] = State::Running;
        Some(package)
    }

    /// Records that a package that can be built now was there already.
    pub(crate) fn there(&mut self, package: usize) {
        self.ready
            .remove(&(Reverse(self.expected.ways[package]), package));
        self.done(package);
    }

    /// Records that a package is there. What needed only this becomes ready.
    pub(crate) fn done(&mut self, package: usize) {
        self.end(package, State::Done);
        for dependent in self.needed_by[package].clone() {
            if let State::Waiting(count) = &mut self.states[dependent] {
                *count -= 1;
                if *count == 0 {
                    self.make_ready(dependent);
                }
            }
        }
    }

    /// Records that a package failed, be it before it was handed out, and returns what cannot be built
    /// because of it.
    pub(crate) fn failed(&mut self, package: usize) -> Vec<usize> {
        self.ready
            .remove(&(Reverse(self.expected.ways[package]), package));
        let mut lost = BTreeSet::new();
        let mut pending = vec![package];
        while let Some(next) = pending.pop() {
            self.end(next, State::Lost);
            for &dependent in &self.needed_by[next] {
                if self.states[dependent] != State::Lost && lost.insert(dependent) {
                    pending.push(dependent);
                }
            }
        }
        lost.into_iter().collect()
    }

    fn end(&mut self, package: usize, state: State) {
        self.states[package] = state;
        self.expected.rest = self
            .expected
            .rest
            .saturating_sub(self.expected.durations[package]);
    }

    /// Returns how long what is left may take with so many builds at once, where `running` are the
    /// packages that are being built and for how long already. `None` if nothing was ever measured.
    ///
    /// No time is shorter than the longest way that is left, nor than all the work shared out.
    /// After a failure it may be too long: ways are not measured anew.
    pub(crate) fn remaining(
        &self,
        jobs: usize,
        running: &BTreeMap<usize, Duration>,
    ) -> Option<Duration> {
        let Expected {
            durations,
            ways,
            rest,
            measured,
        } = &self.expected;
        let spent = |(&package, &time): (&usize, &Duration)| time.min(durations[package]);
        let of_running = running
            .iter()
            .map(|(&package, &time)| ways[package].saturating_sub(time.min(durations[package])));
        let of_ready = self.ready.first().map(|(Reverse(way), _)| *way);
        let longest = of_running.chain(of_ready).max().unwrap_or_default();
        let work = rest.saturating_sub(running.iter().map(spent).sum());
        let shared = work / u32::try_from(jobs.max(1)).unwrap_or(u32::MAX);
        measured.then_some(longest.max(shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A diamond: 0 <- 1, 0 <- 2, {1, 2} <- 3; and 4 by itself.
    const DIAMOND: [&[usize]; 5] = [&[], &[0], &[0], &[1, 2], &[]];

    /// A schedule of the diamond; what was measured is in seconds, 0 means nothing.
    fn diamond(measured: [u64; 5]) -> Schedule {
        let dependencies = DIAMOND.map(<[usize]>::to_vec);
        let measured = measured.map(|seconds| (seconds > 0).then(|| Duration::from_secs(seconds)));
        Schedule::new(&dependencies, &measured)
    }

    #[test]
    fn a_package_waits_for_all_it_needs() {
        let mut schedule = diamond([0; 5]);
        assert_eq!(
            (
                schedule.next(|_| true),
                schedule.next(|_| true),
                schedule.next(|_| true)
            ),
            (Some(0), Some(4), None)
        );
        schedule.done(0);
        assert_eq!(
            (
                schedule.next(|_| true),
                schedule.next(|_| true),
                schedule.next(|_| true)
            ),
            (Some(1), Some(2), None)
        );
        schedule.done(2);
        assert_eq!(schedule.next(|_| true), None);
        schedule.done(1);
        assert_eq!(schedule.next(|_| true), Some(3));
    }

    #[test]
    fn what_may_not_begin_is_passed_over() {
        let mut schedule = diamond([0; 5]);
        assert_eq!(schedule.next(|package| package != 0), Some(4));
        assert_eq!(schedule.next(|package| package != 0), None);
        assert_eq!(schedule.next(|_| true), Some(0));
    }

    #[test]
    fn what_was_there_already_is_not_handed_out() {
        let mut schedule = diamond([0; 5]);
        schedule.there(0);
        schedule.there(1);
        assert_eq!(
            (
                schedule.next(|_| true),
                schedule.next(|_| true),
                schedule.next(|_| true)
            ),
            (Some(2), Some(4), None)
        );
        schedule.done(2);
        assert_eq!(schedule.next(|_| true), Some(3));
    }

    #[test]
    fn the_longest_way_comes_first() {
        let mut schedule = diamond([1, 1, 5, 1, 100]);
        assert_eq!(
            (schedule.next(|_| true), schedule.next(|_| true)),
            (Some(4), Some(0))
        );
        schedule.done(0);
        assert_eq!(
            (schedule.next(|_| true), schedule.next(|_| true)),
            (Some(2), Some(1))
        );
    }

    #[test]
    fn a_failure_stops_only_what_needs_it() {
        let mut schedule = diamond([0; 5]);
        schedule.next(|_| true);
        schedule.next(|_| true);
        schedule.done(0);
        schedule.next(|_| true);
        assert_eq!(schedule.failed(1), [3]);
        assert_eq!(schedule.next(|_| true), Some(2));
        schedule.done(2);
        assert_eq!(schedule.next(|_| true), None);
    }

    #[test]
    fn what_failed_before_it_was_handed_out_never_is() {
        let mut schedule = diamond([0; 5]);
        assert!(schedule.failed(4).is_empty());
        assert_eq!(schedule.failed(2), [3], "though it waits for 0");
        assert_eq!(schedule.next(|_| true), Some(0));
        schedule.done(0);
        assert_eq!(
            (schedule.next(|_| true), schedule.next(|_| true)),
            (Some(1), None)
        );
    }

    #[test]
    fn what_the_longest_way_hangs_on_is_wanted_first() {
        assert_eq!(diamond([1, 1, 5, 1, 100]).order(), [4, 0, 2, 1, 3]);
    }

    #[test]
    fn what_remains_is_the_longest_way_or_the_work_shared_out() {
        let mut schedule = diamond([10, 20, 30, 40, 60]);
        let seconds = |schedule: &Schedule, jobs, running: &[(usize, u64)]| {
            let running = running
                .iter()
                .map(|&(package, time)| (package, Duration::from_secs(time)))
                .collect();
            schedule
                .remaining(jobs, &running)
                .map(|time| time.as_secs())
        };
        assert_eq!(seconds(&schedule, 1, &[]), Some(160));
        assert_eq!(seconds(&schedule, 2, &[]), Some(80), "0, 2 and 3 take 80");
        schedule.next(|_| true);
        schedule.next(|_| true);
        assert_eq!(seconds(&schedule, 2, &[(0, 5), (4, 50)]), Some(75));
        assert_eq!(seconds(&schedule, 1, &[(0, 5), (4, 500)]), Some(95));
        schedule.done(0);
        schedule.done(4);
        assert_eq!(seconds(&schedule, 2, &[]), Some(70));
        assert_eq!(seconds(&diamond([0; 5]), 2, &[]), None);
    }
}
