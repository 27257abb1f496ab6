//! How long the packages of a plan took the last time, and its critical path by that. What workers would do with it is
//! [`crate::simulate`]'s matter.

use std::time::Duration;

use documents::{GraphCriticalPath, TimedPackage, Version};
use package_tree::Plan;
use state::{Directories, Record};

use crate::make::dependencies;
use crate::schedule::Schedule;

/// How long each package of a plan took the last time.
#[derive(Debug)]
pub struct Timing {
    pub(crate) names: Vec<String>,
    pub(crate) dependencies: Vec<Vec<usize>>,
    pub(crate) measured: Vec<Option<Duration>>,
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

    #[test]
    fn the_longest_way_is_that_of_the_durations() {
        let timing = timing([10, 20, 30, 40, 60].map(Some));
        let path = timing.critical_path();
        let names: Vec<_> = path
            .packages
            .iter()
            .map(|each| each.name.as_str())
            .collect();
        let found = (names, path.seconds, path.work);
        assert_eq!(found, (vec!["a", "c", "d"], 80.0, 160.0));
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
