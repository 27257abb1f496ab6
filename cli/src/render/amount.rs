//! How far work is that takes long: on a terminal a bar, now and then a line elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fetch::Meter;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// How often the time is drawn anew.
const TICK: Duration = Duration::from_millis(200);
/// How long there is no line, where there is no bar.
const SILENCE: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Mirrors.
    Mirrors,
}

/// A bar. Bytes have a speed, and an end that can be foreseen.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(what: &'static str, unit: Unit) -> Self {
        let template = match unit {
            Unit::Bytes => "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            Unit::Mirrors => "{msg} {bar:30} {pos}/{len} {elapsed}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::new(0).with_style(style).with_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }
}

impl Meter for Bar {
    fn all(&self, amount: u64) {
        self.0.set_length(amount);
    }

    fn done(&self, amount: u64) {
        self.0.inc(amount);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Lines, none of them before work has taken a while.
#[derive(Debug)]
pub(super) struct Lines {
    what: &'static str,
    unit: Unit,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    all: u64,
    done: u64,
    said: Instant,
}

impl Lines {
    pub(super) fn new(what: &'static str, unit: Unit) -> Self {
        let state = Mutex::new(State {
            all: 0,
            done: 0,
            said: Instant::now(),
        });
        Self { what, unit, state }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if state.said.elapsed() < SILENCE {
            return;
        }
        state.said = Instant::now();
        let (what, State { all, done, .. }) = (self.what, &*state);
        super::note(&match self.unit {
            Unit::Bytes => format!("{what}: {} of {}", HumanBytes(*done), HumanBytes(*all)),
            Unit::Mirrors => format!("{what}: {done} of {all}"),
        });
    }
}

impl Meter for Lines {
    fn all(&self, amount: u64) {
        self.change(|state| state.all = amount);
    }

    fn done(&self, amount: u64) {
        self.change(|state| state.done += amount);
    }
}
