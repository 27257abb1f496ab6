//! Which package may be built next. A pure state machine over the plan's order: it knows
//! dependencies and outcomes, not what building is.

use std::collections::BTreeSet;

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

/// Hands out packages in an order that has every dependency done before what needs it.
#[derive(Debug)]
pub(crate) struct Schedule {
    states: Vec<State>,
    needed_by: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl Schedule {
    /// Prepares a schedule. `dependencies[i]` are the places of what package `i` needs, each
    /// of them smaller than `i`.
    pub(crate) fn new(dependencies: &[Vec<usize>]) -> Self {
        let mut needed_by = vec![Vec::new(); dependencies.len()];
        for (package, needs) in dependencies.iter().enumerate() {
            for &need in needs {
                debug_assert!(need < package, "the plan is in an order that can be built");
                needed_by[need].push(package);
            }
        }
        let states: Vec<_> = dependencies
            .iter()
            .map(|needs| {
                if needs.is_empty() {
                    State::Ready
                } else {
                    State::Waiting(needs.len())
                }
            })
            .collect();
        let ready = (0..states.len())
            .filter(|&package| states[package] == State::Ready)
            .collect();
        Self {
            states,
            needed_by,
            ready,
        }
    }

    /// Hands out the next package that can be built now, if there is one.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let package = self.ready.pop_first()?;
        self.states[package] = State::Running;
        Some(package)
    }

    /// Records that a package is there. What needed only this becomes ready.
    pub(crate) fn done(&mut self, package: usize) {
        self.states[package] = State::Done;
        for &dependent in &self.needed_by[package] {
            if let State::Waiting(count) = &mut self.states[dependent] {
                *count -= 1;
                if *count == 0 {
                    self.states[dependent] = State::Ready;
                    self.ready.insert(dependent);
                }
            }
        }
    }

    /// Records that a package failed, and returns what cannot be built because of it.
    pub(crate) fn failed(&mut self, package: usize) -> Vec<usize> {
        let mut lost = BTreeSet::new();
        let mut pending = vec![package];
        while let Some(next) = pending.pop() {
            self.states[next] = State::Lost;
            for &dependent in &self.needed_by[next] {
                if self.states[dependent] != State::Lost && lost.insert(dependent) {
                    pending.push(dependent);
                }
            }
        }
        lost.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A diamond: 0 <- 1, 0 <- 2, {1, 2} <- 3; and 4 by itself.
    fn diamond() -> Schedule {
        Schedule::new(&[vec![], vec![0], vec![0], vec![1, 2], vec![]])
    }

    #[test]
    fn a_package_waits_for_all_it_needs() {
        let mut schedule = diamond();
        assert_eq!(
            (schedule.next(), schedule.next(), schedule.next()),
            (Some(0), Some(4), None)
        );
        schedule.done(0);
        assert_eq!(
            (schedule.next(), schedule.next(), schedule.next()),
            (Some(1), Some(2), None)
        );
        schedule.done(2);
        assert_eq!(schedule.next(), None);
        schedule.done(1);
        assert_eq!(schedule.next(), Some(3));
    }

    #[test]
    fn a_failure_stops_only_what_needs_it() {
        let mut schedule = diamond();
        schedule.next();
        schedule.next();
        schedule.done(0);
        schedule.next();
        assert_eq!(schedule.failed(1), [3]);
        assert_eq!(schedule.next(), Some(2));
        schedule.done(2);
        assert_eq!(schedule.next(), None);
    }
}
