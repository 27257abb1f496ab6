//! Tries inputs, several at once, until there were enough, and makes small what differs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use generate::Input;
use tokio::runtime::Runtime;

use super::bases::{self, Base, NotPrepared};
use super::found::{Case, Finding, Found, Reason, Tally};
use super::known::Known;
use super::laid::Laid;
use super::outcome::{self, Difference, Outcome, general};
use super::side::Side;
use crate::bench::Site;
use crate::column::Column;
use crate::oracle::Oracle;
use crate::results::ColumnFacts;
use crate::suite::{Suite, copy_directory};

/// How many differences of one kind are made small.
const EXAMPLES: usize = 3;

/// Columns and oracles that inputs are tried on.
#[derive(Debug)]
pub struct Harness {
    columns: Vec<ColumnFacts>,
    /// The column that all others are compared with, and the others.
    first: Side,
    others: Vec<Side>,
    bases: Vec<Base>,
    known: Known,
    site: Site,
    runtime: Runtime,
}

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of the first input; each further one has the next number.
    pub seed: u64,
    /// How many inputs; none is no limit.
    pub number: Option<u64>,
    /// After how long no further input is begun.
    pub time: Option<Duration>,
    /// How many are tried at the same time.
    pub jobs: NonZeroUsize,
    /// How many smaller inputs are tried for each that differs.
    pub budget: usize,
    /// Where what differs is written.
    pub directory: Utf8PathBuf,
}

/// What happens while inputs are tried.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// This many have been tried.
    Tried(u64),
    /// One differs, and is about to be made small.
    Reducing(u64, &'a str),
    /// One was made small.
    Found(&'a Finding),
}

/// What has been found so far.
#[derive(Debug)]
struct State {
    /// The number of the next input.
    next: u64,
    tried: u64,
    tallies: Vec<Tally>,
    reasons: BTreeMap<(&'static str, String, String), Reason>,
    findings: Vec<Finding>,
    /// How many of a kind were taken to be made small, by the number of the pair.
    taken: BTreeMap<(usize, String), usize>,
}

impl Harness {
    /// Prepares the columns that are ready, the oracles, and the images that inputs begin with.
    pub fn new(
        suite: &Suite,
        mut columns: Vec<Column>,
        oracles: Vec<Oracle>,
        site: Site,
        known: Known,
    ) -> Result<Self, NotPrepared> {
        bases::order(&mut columns);
        let facts = columns.iter().map(ColumnFacts::of).collect();
        let bases = bases::prepare(suite, &columns, &site)?;
        let mut sides = columns.iter().filter_map(Side::of_column);
        let first = sides.next().ok_or(NotPrepared::NoColumn)?;
        let others = oracles.into_iter().map(Side::Oracle).chain(sides);
        let runtime = Runtime::new().map_err(|source| NotPrepared::Io {
            path: site.directory.clone(),
            source,
        })?;
        Ok(Self {
            columns: facts,
            first,
            others: others.collect(),
            bases,
            known,
            site,
            runtime,
        })
    }

    /// Returns the names of what the first column is compared with.
    pub fn others(&self) -> Vec<String> {
        self.others.iter().map(Side::name).collect()
    }

    /// Tries inputs until there were enough of them, or the time is over, or the site is interrupted.
    pub fn run(&self, plan: &Plan, hear: &(dyn Fn(Event<'_>) + Sync)) -> Found {
        let began = Instant::now();
        let state = Mutex::new(self.state());
        let next = || {
            let mut state = lock(&state);
            let is_late = plan.time.is_some_and(|time| began.elapsed() >= time);
            let is_enough = plan.number.is_some_and(|number| state.next >= number);
            if is_late || is_enough || self.is_interrupted() {
                return None;
            }
            state.next += 1;
            Some(plan.seed.wrapping_add(state.next - 1))
        };
        let work = || {
            while let Some(seed) = next() {
                self.one(&generate::generate(seed), plan, &state, hear);
            }
        };
        thread::scope(|scope| {
            for _ in 0..plan.jobs.get() {
                scope.spawn(work);
            }
        });
        self.found(state, plan.seed, began)
    }

    /// Tries one input that lies in a directory.
    pub fn again(&self, directory: &Utf8Path) -> io::Result<Found> {
        let began = Instant::now();
        let place = self.place("again");
        let copied = copy_directory(directory, &place).and_then(|()| Laid::read(&place));
        let outcomes = copied.map(|laid| self.outcomes(&laid, &self.all()));
        let removed = remove(&place);
        let outcomes = outcomes?;
        removed?;
        let state = Mutex::new(self.state());
        for (pair, outcome) in outcomes.into_iter().enumerate() {
            let mut state = lock(&state);
            state.count(pair, &self.sides(pair), 0, &outcome);
            if let Outcome::Differs(difference) = outcome {
                state.tallies[pair].differs += 1;
                let context = directory.join(generate::CONTEXT).join("Containerfile");
                let finding = Finding {
                    containerfile: beneath::read_text(&context, beneath::TEXT).unwrap_or_default(),
                    directory: Some(directory.to_owned()),
                    ..self.finding(pair, 0, &difference)
                };
                state.findings.push(finding);
            }
        }
        lock(&state).tried = 1;
        Ok(self.found(state, 0, began))
    }

    fn state(&self) -> State {
        let tallies = self.others.iter();
        State {
            next: 0,
            tried: 0,
            tallies: tallies.map(|side| Tally::of(&self.first, side)).collect(),
            reasons: BTreeMap::new(),
            findings: Vec::new(),
            taken: BTreeMap::new(),
        }
    }

    fn found(&self, state: Mutex<State>, seed: u64, began: Instant) -> Found {
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut findings = state.findings;
        findings.sort_by(|a, b| (&a.kind, a.seed).cmp(&(&b.kind, b.seed)));
        let mut reasons: Vec<_> = state.reasons.into_values().collect();
        reasons.sort_by_key(|reason| (reason.state, std::cmp::Reverse(reason.count)));
        Found {
            seed,
            columns: self.columns.clone(),
            tried: state.tried,
            tallies: state.tallies,
            reasons,
            findings,
            seconds: began.elapsed().as_secs_f64(),
            interrupted: self.is_interrupted(),
        }
    }

    fn is_interrupted(&self) -> bool {
        *self.site.interrupted.borrow()
    }

    fn sides(&self, pair: usize) -> [&Side; 2] {
        [&self.first, &self.others[pair]]
    }

    /// Returns the numbers of all pairs.
    fn all(&self) -> Vec<usize> {
        (0..self.others.len()).collect()
    }

    fn place(&self, name: &str) -> Utf8PathBuf {
        self.site.directory.join("inputs").join(name)
    }

    /// Has an input built by the first side and those of these pairs, and compares.
    fn outcomes(&self, laid: &Laid, pairs: &[usize]) -> Vec<Outcome> {
        let build = |side: &Side| {
            let interrupted = self.site.interrupted.clone();
            self.runtime
                .block_on(side.build(laid, &self.bases, interrupted))
        };
        let built = build(&self.first);
        let mut outcomes = Vec::new();
        for pair in pairs {
            let other = &self.others[*pair];
            outcomes.push(outcome::compare(&self.first, &built, other, &build(other)));
        }
        outcomes
    }

    /// Writes an input down, has it built, and compares.
    fn try_out(&self, input: &Input, name: &str, pairs: &[usize]) -> Vec<Outcome> {
        let place = self.place(name);
        let written = input.write(&place).and_then(|()| Laid::read(&place));
        let outcomes = written.map(|laid| self.outcomes(&laid, pairs));
        let removed = remove(&place);
        let outcomes = outcomes.and_then(|outcomes| removed.map(|()| outcomes));
        outcomes.unwrap_or_else(|error| {
            let broken = || Outcome::Broken(format!("{place}: {error}"));
            pairs.iter().map(|_| broken()).collect()
        })
    }

    /// Tries one input, and makes it small where it differs.
    fn one(
        &self,
        input: &Input,
        plan: &Plan,
        state: &Mutex<State>,
        hear: &(dyn Fn(Event<'_>) + Sync),
    ) {
        let name = input.seed.to_string();
        let outcomes = self.try_out(input, &name, &self.all());
        if outcomes.contains(&Outcome::Interrupted) {
            return;
        }
        let tried = {
            let mut state = lock(state);
            state.tried += 1;
            state.tried
        };
        for (pair, outcome) in outcomes.into_iter().enumerate() {
            let sides = self.sides(pair);
            if let Some(why) = self.known.excuse(sides, &input.tags, &outcome) {
                let mut state = lock(state);
                state.tallies[pair].known += 1;
                let who = sides[1].name();
                state.reason("differs as known", &who, why, why, input.seed);
                continue;
            }
            lock(state).count(pair, &sides, input.seed, &outcome);
            if let Outcome::Differs(difference) = outcome {
                self.differs(input, (pair, &difference), plan, state, hear);
            }
        }
        hear(Event::Tried(tried));
    }

    /// Makes an input small that differs, unless there are enough of the kind.
    fn differs(
        &self,
        input: &Input,
        (pair, difference): (usize, &Difference),
        plan: &Plan,
        state: &Mutex<State>,
        hear: &(dyn Fn(Event<'_>) + Sync),
    ) {
        {
            let mut state = lock(state);
            let taken = state
                .taken
                .entry((pair, difference.kind.clone()))
                .or_default();
            *taken += 1;
            if *taken > EXAMPLES {
                state.one_more(pair, &self.others[pair].name(), difference, input.seed);
                return;
            }
        }
        hear(Event::Reducing(input.seed, &difference.kind));
        let name = format!("{}-{pair}", input.seed);
        let mut last = None;
        let mut shows = |smaller: &Input| {
            let mut outcomes = self.try_out(smaller, &name, &[pair]);
            match outcomes.pop() {
                Some(Outcome::Differs(found)) if found.kind == difference.kind => {
                    last = Some(found);
                    true
                }
                _ => false,
            }
        };
        // What does not differ a second time is another matter.
        if !shows(input) {
            if self.is_interrupted() {
                return;
            }
            let mut state = lock(state);
            state.tallies[pair].unsteady += 1;
            let who = self.others[pair].name();
            let kind = &difference.kind;
            state.reason("differed only once", &who, kind, kind, input.seed);
            return;
        }
        let small = generate::reduce(input, plan.budget, &mut shows);
        let difference = last.unwrap_or_else(|| difference.clone());
        let case = Case {
            input: &small,
            original: input,
            column: &self.first,
            against: &self.others[pair],
            difference: &difference,
            bases: &self.bases,
        };
        let written = case.write(&plan.directory);
        let finding = Finding {
            containerfile: small.containerfile(),
            unwritten: written.as_ref().err().map(ToString::to_string),
            directory: written.ok(),
            ..self.finding(pair, input.seed, &difference)
        };
        hear(Event::Found(&finding));
        let mut state = lock(state);
        state.tallies[pair].differs += 1;
        state.findings.push(finding);
    }

    fn finding(&self, pair: usize, seed: u64, difference: &Difference) -> Finding {
        Finding {
            kind: difference.kind.clone(),
            column: self.first.name(),
            against: self.others[pair].name(),
            seed,
            others: Vec::new(),
            contrast: difference.contrast.clone(),
            containerfile: String::new(),
            directory: None,
            unwritten: None,
        }
    }
}

impl State {
    /// Counts an outcome, unless it differs.
    fn count(&mut self, pair: usize, sides: &[&Side; 2], seed: u64, outcome: &Outcome) {
        let tally = &mut self.tallies[pair];
        let against = sides[1].name();
        match outcome {
            Outcome::Equal => tally.equal += 1,
            Outcome::RefusedByBoth { reason, message } => {
                tally.refused_by_both += 1;
                self.reason("refused by both", &against, reason, message, seed);
            }
            Outcome::RefusedWhilePlanning {
                who,
                reason,
                message,
            } => {
                tally.refused_while_planning += 1;
                let sides = format!("{who} (against {against})");
                let sides = if *who == against { who } else { &sides };
                self.reason("refused while planning", sides, reason, message, seed);
            }
            Outcome::Broken(message) => {
                tally.unsteady += 1;
                self.reason(
                    "could not be tried",
                    &against,
                    &general(message),
                    message,
                    seed,
                );
            }
            Outcome::Differs(_) | Outcome::Interrupted => {}
        }
    }

    fn reason(&mut self, state: &'static str, who: &str, kind: &str, why: &str, seed: u64) {
        let key = (state, who.to_owned(), kind.to_owned());
        let reason = self.reasons.entry(key).or_insert_with(|| Reason {
            state,
            who: who.to_owned(),
            why: why.to_owned(),
            count: 0,
            seed,
        });
        reason.count += 1;
    }

    /// Notes a difference of a kind of which there are enough.
    fn one_more(&mut self, pair: usize, against: &str, difference: &Difference, seed: u64) {
        self.tallies[pair].differs += 1;
        let mut findings = self.findings.iter_mut();
        let same = findings.find(|each| each.kind == difference.kind && each.against == against);
        if let Some(finding) = same {
            finding.others.push(seed);
        } else {
            // The first ones are still being made small.
            let kind = &difference.kind;
            self.reason("differs as others do", against, kind, kind, seed);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes an input with all that was built of it.
fn remove(place: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
