//! How long a plan takes by what its packages took the last time: its critical path, and what so many workers would
//! do at which time.
//!
//! Nothing is estimated: the scheduler of `make` hands out the packages, and only the clock is another. Where a
//! package was never built, it takes what the scheduler expects. Memory that packages say they need is not counted,
//! since how much there is differs from one moment to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use documents::{GraphBuild, GraphCriticalPath, GraphSimulation, TimedPackage, Version};
use package_tree::Plan;
use state::{Directories, Record};

use crate::make::dependencies;
use crate::schedule::Schedule;

/// How long each package of a plan took the last time.
#[derive(Debug)]
pub struct Timing {
    names: Vec<String>,
    dependencies: Vec<Vec<usize>>,
    measured: Vec<Option<Duration>>,
}

impl Timing {
    /// Reads the records of a plan's packages.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    pub fn of_records(directories: &Directories, plan: &Plan) -> Result<Self, state::Error> {
        let duration = |name: &String| {
            let record = Record::read(directories, name)?.record();
            Ok::<_, state::Error>(record.map(|record| Duration::from_millis(record.milliseconds)))
        };
        let names: Vec<String> = plan.packages.iter().map(|each| each.name.clone()).collect();
        Ok(Self {
            dependencies: dependencies(plan),
            measured: names.iter().map(duration).collect::<Result<_, _>>()?,
            names,
        })
    }

    /// Returns the packages of the longest way, each needed by the next: no number of workers is faster.
    pub fn critical_path(&self) -> GraphCriticalPath {
        let schedule = Schedule::new(&self.dependencies, &self.measured);
        let way = schedule.longest_way();
        let package = |&place: &usize| TimedPackage {
            name: self.names[place].clone(),
            seconds: schedule.durations()[place].as_secs_f64(),
            measured: self.measured[place].is_some(),
        };
        let total: Duration = way.iter().map(|&place| schedule.durations()[place]).sum();
        GraphCriticalPath {
            version: Version,
            seconds: total.as_secs_f64(),
            work: schedule.durations().iter().sum::<Duration>().as_secs_f64(),
            measured: self.measured.iter().flatten().count(),
            all: self.names.len(),
            packages: way.iter().map(package).collect(),
        }
    }

    /// Builds everything with so many workers, by a clock that goes on as soon as all of them are busy.
    pub fn simulate(&self, workers: usize) -> GraphSimulation {
        let mut schedule = Schedule::new(&self.dependencies, &self.measured);
        let mut free: BTreeSet<usize> = (0..workers).collect();
        // When a package ends, which one, and who builds it.
        let mut running: BTreeSet<(Duration, usize, usize)> = BTreeSet::new();
        let mut now = Duration::ZERO;
        let mut builds = Vec::with_capacity(self.names.len());
        loop {
            while let Some(&worker) = free.first() {
                let Some(place) = schedule.next(|_| true) else {
                    break;
                };
                free.remove(&worker);
                let end = now + schedule.durations()[place];
                running.insert((end, place, worker));
                builds.push(GraphBuild {
                    name: self.names[place].clone(),
                    worker: worker + 1,
                    start: now.as_secs_f64(),
                    end: end.as_secs_f64(),
                    measured: self.measured[place].is_some(),
                });
            }
            let Some((end, place, worker)) = running.pop_first() else {
                break;
            };
            now = end;
            free.insert(worker);
            schedule.done(place);
        }
        let work: Duration = schedule.durations().iter().sum();
        GraphSimulation {
            version: Version,
            workers,
            seconds: now.as_secs_f64(),
            work: work.as_secs_f64(),
            measured: self.measured.iter().flatten().count(),
            packages: builds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 <- 1, 0 <- 2, {1, 2} <- 3; and 4 by itself.
    fn timing(seconds: [Option<u64>; 5]) -> Timing {
        let dependencies = vec![vec![], vec![0], vec![0], vec![1, 2], vec![]];
        Timing {
            names: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            dependencies,
            measured: seconds
                .map(|seconds| seconds.map(Duration::from_secs))
                .to_vec(),
        }
    }

    fn builds(simulation: &GraphSimulation) -> Vec<(&str, usize, f64, f64)> {
        let build = |build: &'_ GraphBuild| (build.worker, build.start, build.end);
        let packages = simulation.packages.iter();
        let build = packages.map(|each| {
            let (worker, start, end) = build(each);
            (each.name.as_str(), worker, start, end)
        });
        build.collect()
    }

    #[test]
    fn the_longest_way_is_the_time_with_enough_workers_and_all_work_the_time_with_one() {
        let timing = timing([10, 20, 30, 40, 60].map(Some));
        let path = timing.critical_path();
        let names: Vec<_> = path
            .packages
            .iter()
            .map(|each| each.name.as_str())
            .collect();
        assert_eq!((names, path.seconds), (vec!["a", "c", "d"], 80.0));
        let (one, many) = (timing.simulate(1), timing.simulate(9));
        assert_eq!((one.seconds, many.seconds), (160.0, 80.0));
    }

    #[test]
    fn the_packages_are_handed_out_as_make_does() {
        let timing = timing([10, 20, 30, 40, 60].map(Some));
        // The longest way first; e waits until a worker is free, and then goes before b.
        let expected = [
            ("a", 1, 0.0, 10.0),
            ("e", 2, 0.0, 60.0),
            ("c", 1, 10.0, 40.0),
            ("b", 1, 40.0, 60.0),
            ("d", 1, 60.0, 100.0),
        ];
        assert_eq!(builds(&timing.simulate(2)), expected);
    }

    #[test]
    fn what_was_never_built_takes_the_median_and_says_so() {
        let path = timing([Some(10), None, Some(30), Some(40), None]).critical_path();
        assert_eq!((path.measured, path.all), (3, 5));
        let b = timing([Some(10), None, Some(3), Some(40), None]).critical_path();
        let found = b
            .packages
            .iter()
            .map(|each| (each.name.as_str(), each.seconds, each.measured));
        let found: Vec<_> = found.collect();
        assert_eq!(
            found,
            [("a", 10.0, true), ("b", 10.0, false), ("d", 40.0, true)]
        );
    }
}
