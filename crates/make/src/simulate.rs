//! What some workers would do at which time, and what is moved for it.
//!
//! Nothing is estimated: the scheduler of `make` hands out the packages, and only the clock is another. Where a
//! package was never built, it takes what the scheduler expects. Memory that packages say they need is not counted,
//! since how much there is differs from one moment to the next; nor is the time that anything takes to be moved.

use std::collections::BTreeSet;
use std::time::Duration;

use documents::{GraphBuild, GraphMoved, GraphRun, GraphSimulation, GraphSimulations, Version};
use oci_image::Digest;
use package_tree::Plan;
use state::Directories;

use crate::schedule::Schedule;
use crate::sizes::Parts;
use crate::timing::Timing;

/// A plan whose packages are built by a clock that goes on as soon as all workers are busy.
#[derive(Debug)]
pub struct Simulator {
    timing: Timing,
    /// What each package has.
    parts: Vec<Parts>,
}

/// A package that a worker builds.
#[derive(Debug)]
struct Build {
    place: usize,
    worker: usize,
    start: Duration,
    end: Duration,
}

impl Simulator {
    /// Reads the records of a plan's packages, and the sizes of what is there of their images and sources.
    ///
    /// # Errors
    ///
    /// What cannot be read of records.
    pub fn of_records(directories: &Directories, plan: &Plan) -> Result<Self, state::Error> {
        let packages = plan.packages.iter();
        Ok(Self {
            timing: Timing::of_records(directories, plan)?,
            parts: packages.map(|each| Parts::of(directories, each)).collect(),
        })
    }

    /// Builds everything with one worker for each of the `speeds`: a worker of the speed 2 takes half of the recorded
    /// durations. Without `chain`, no package waits for another, as where what they need is there already.
    pub fn simulate(&self, speeds: &[f64], chain: bool) -> GraphSimulation {
        let mut schedule = self.schedule(chain);
        let builds = run(&mut schedule, speeds);
        let durations = schedule.durations();
        let build = |build: &Build| GraphBuild {
            name: self.timing.names[build.place].clone(),
            worker: build.worker + 1,
            start: build.start.as_secs_f64(),
            end: build.end.as_secs_f64(),
            measured: self.timing.measured[build.place].is_some(),
        };
        let work = durations.iter().sum::<Duration>().as_secs_f64();
        let seconds = builds.iter().map(|build| build.end).max();
        let seconds = seconds.unwrap_or_default().as_secs_f64();
        let longest = schedule.longest_way();
        let longest: Duration = longest.iter().map(|&place| durations[place]).sum();
        let busy: f64 = builds
            .iter()
            .map(|build| build.end.saturating_sub(build.start).as_secs_f64())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "there are not so many workers")]
        let workers = speeds.len() as f64;
        GraphSimulation {
            version: Version,
            speeds: speeds.to_vec(),
            work,
            measured: self.timing.measured.iter().flatten().count(),
            run: GraphRun {
                workers: speeds.len(),
                chain,
                seconds,
                speed_up: share(work, seconds),
                utilisation: share(busy, seconds * workers),
                longest: longest.as_secs_f64() / speeds.iter().copied().fold(0.0, f64::max),
                shared: work / speeds.iter().sum::<f64>(),
                uploaded: self.uploaded(chain),
                downloaded: self.downloaded(),
                to_workers: self.to_workers(&builds, speeds.len()),
            },
            packages: builds.iter().map(build).collect(),
        }
    }

    /// Does the same with each of some numbers of workers of the speed 1, with the chain and without.
    pub fn simulate_each(&self, workers: &[usize]) -> GraphSimulations {
        let runs = workers.iter().flat_map(|&workers| {
            let speeds = vec![1.0; workers];
            [true, false].map(|chain| self.simulate(&speeds, chain).run)
        });
        let durations = self.schedule(false).durations().iter().sum::<Duration>();
        GraphSimulations {
            version: Version,
            work: durations.as_secs_f64(),
            measured: self.timing.measured.iter().flatten().count(),
            all: self.timing.names.len(),
            runs: runs.collect(),
        }
    }

    fn schedule(&self, chain: bool) -> Schedule {
        let Timing {
            dependencies,
            measured,
            ..
        } = &self.timing;
        if chain {
            Schedule::new(dependencies, measured)
        } else {
            Schedule::new(&vec![Vec::new(); dependencies.len()], measured)
        }
    }

    /// Returns what is sent to the server, which knows nothing at first and forgets nothing.
    fn uploaded(&self, chain: bool) -> GraphMoved {
        let mut store = Store::default();
        for (place, parts) in self.parts.iter().enumerate() {
            store.add_sources(parts);
            if !chain {
                let needed = self.timing.dependencies[place].iter();
                needed.for_each(|&need| store.add_image(need, &self.parts[need]));
            }
        }
        store.got
    }

    /// Returns what is received: each image whole.
    fn downloaded(&self) -> GraphMoved {
        let sizes = self.parts.iter().map(|parts| {
            let sizes = parts.image.as_ref()?.values();
            Some(sizes.fold(0, |sum: u64, size| sum.saturating_add(*size)))
        });
        let mut moved = GraphMoved::default();
        sizes.for_each(|size| count(&mut moved, size));
        moved
    }

    /// Returns what workers get, each of which keeps what it had and built.
    fn to_workers(&self, builds: &[Build], workers: usize) -> GraphMoved {
        let mut stores: Vec<Store> = (0..workers).map(|_| Store::default()).collect();
        for build in builds {
            let store = &mut stores[build.worker];
            store.add_sources(&self.parts[build.place]);
            for &need in &self.timing.dependencies[build.place] {
                store.add_image(need, &self.parts[need]);
            }
            store.has(build.place, &self.parts[build.place]);
        }
        let mut moved = GraphMoved::default();
        for got in stores.into_iter().map(|store| store.got) {
            moved.files += got.files;
            moved.unknown += got.unknown;
            moved.bytes = moved.bytes.saturating_add(got.bytes);
        }
        moved
    }
}

/// Returns which worker builds what when. The fastest of those that are free gets the next package; of equals the first.
fn run(schedule: &mut Schedule, speeds: &[f64]) -> Vec<Build> {
    let mut workers: Vec<usize> = (0..speeds.len()).collect();
    workers.sort_by(|&one, &other| speeds[other].total_cmp(&speeds[one]));
    let mut free: BTreeSet<usize> = (0..workers.len()).collect();
    // When a package ends, which one, and who builds it.
    let mut running: BTreeSet<(Duration, usize, usize)> = BTreeSet::new();
    let mut now = Duration::ZERO;
    let mut builds = Vec::new();
    loop {
        while let Some(&rank) = free.first() {
            let Some(place) = schedule.next(|_| true) else {
                break;
            };
            free.remove(&rank);
            let worker = workers[rank];
            let end = now + schedule.durations()[place].div_f64(speeds[worker]);
            running.insert((end, place, rank));
            builds.push(Build {
                place,
                worker,
                start: now,
                end,
            });
        }
        let Some((end, place, rank)) = running.pop_first() else {
            return builds;
        };
        now = end;
        free.insert(rank);
        schedule.done(place);
    }
}

/// Returns which part `part` is of `whole`; where there is nothing to do, all of it is done.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

fn count(moved: &mut GraphMoved, size: Option<u64>) {
    moved.files += 1;
    match size {
        Some(size) => moved.bytes = moved.bytes.saturating_add(size),
        None => moved.unknown += 1,
    }
}

/// What is somewhere, and what it took to bring it there.
#[derive(Debug, Default)]
struct Store<'a> {
    sources: BTreeSet<&'a str>,
    images: BTreeSet<usize>,
    blobs: BTreeSet<Digest>,
    got: GraphMoved,
}

impl<'a> Store<'a> {
    fn add_sources(&mut self, parts: &'a Parts) {
        for (hash, size) in &parts.sources {
            if self.sources.insert(hash) {
                count(&mut self.got, *size);
            }
        }
    }

    /// Adds an image, of which only those blobs are brought that are not there.
    fn add_image(&mut self, place: usize, parts: &Parts) {
        if !self.images.insert(place) {
            return;
        }
        let new = parts.image.as_ref().map(|image| {
            let blobs = image.iter();
            let new = blobs.filter(|(digest, _)| self.blobs.insert(**digest));
            new.fold(0_u64, |sum, (_, size)| sum.saturating_add(*size))
        });
        count(&mut self.got, new);
    }

    /// Adds an image that was built there.
    fn has(&mut self, place: usize, parts: &Parts) {
        self.images.insert(place);
        self.blobs
            .extend(parts.image.iter().flat_map(|image| image.keys()));
    }
}

#[cfg(test)]
mod tests;
