//! What happens, on a terminal: a line for each package that is being built, with its time, its
//! step and the last line of its output; a bar for the whole, with an estimate of what is left; and above
//! them what is finished.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use build::{Event, Listener};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use super::plain::Plain;

/// How often running times are drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// How much of an instruction is shown, in characters.
const INSTRUCTION: usize = 24;

/// Shows what happens on a terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    /// How what lasts is said.
    plain: Plain,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: ProgressBar,
    running: BTreeMap<String, Running>,
}

/// A package that is being built.
#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    /// Its step: `3/7 RUN make`.
    step: String,
}

impl Running {
    /// Shows `line` behind the step; as much of both as the terminal is wide.
    fn show(&self, line: &str) {
        let step = printable::line(&self.step);
        let line = printable::line(line.trim());
        self.bar
            .set_message(match (step.is_empty(), line.is_empty()) {
                (true, _) => line.into_owned(),
                (_, true) => step.into_owned(),
                _ => format!("{step} \u{b7} {line}"),
            });
    }
}

impl Terminal {
    pub(super) fn new(plain: Plain) -> Self {
        let screen = MultiProgress::new();
        let total = screen
            .add(ProgressBar::new(0))
            .with_style(style("{pos}/{len} {bar:30} {elapsed} {msg}"));
        Self {
            plain,
            screen,
            state: Mutex::new(State {
                total,
                running: BTreeMap::new(),
            }),
        }
    }
}

/// Returns a style. The templates are constants of this file.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}

impl Listener for Terminal {
    fn hear(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &event {
            Event::Began { packages, runtime } => {
                state.total.set_length(*packages as u64);
                state
                    .total
                    .set_message(format!("with {}", printable::line(runtime)));
                state.total.enable_steady_tick(TICK);
            }
            Event::Started { package, .. } => {
                let bar = ProgressBar::new_spinner()
                    .with_style(style("{spinner} {elapsed:>4} {prefix} {wide_msg:.dim}"))
                    .with_prefix(printable::line(package).into_owned());
                let bar = self.screen.insert_before(&state.total, bar);
                bar.enable_steady_tick(TICK);
                let step = String::new();
                state.running.insert(package.clone(), Running { bar, step });
            }
            Event::Step {
                package,
                number,
                count,
                instruction,
            } => {
                if let Some(running) = state.running.get_mut(package) {
                    running.step = format!("{number}/{count} {}", shortened(instruction));
                    running.show("");
                }
            }
            Event::Seed { package, seed, .. } => {
                if let Some(running) = state.running.get_mut(package) {
                    running.step = format!("from the seed {}", printable::line(seed));
                    running.show("");
                }
            }
            Event::Output { package, line } => {
                if let Some(running) = state.running.get(package) {
                    running.show(line);
                }
            }
            Event::Remaining { duration } => {
                let left = HumanDuration(*duration);
                state.total.set_message(format!("about {left} left"));
            }
            Event::Built { package, .. }
            | Event::Failed { package, .. }
            | Event::Fresh { package, .. }
            | Event::Skipped { package } => {
                if let Some(running) = state.running.remove(package) {
                    running.bar.finish_and_clear();
                }
                state.total.inc(1);
                if state.total.position() == state.total.length().unwrap_or_default() {
                    state.total.finish_and_clear();
                }
            }
            _ => {}
        }
        if let Some(line) = lasting(self.plain, &event) {
            // The screen may be gone, as when the terminal was closed: then nobody can be told.
            let _ = self.screen.println(printable::lines(&line));
        }
    }
}

/// Returns the beginning of an instruction, so that there is room for its output.
fn shortened(instruction: &str) -> String {
    match instruction.char_indices().nth(INSTRUCTION) {
        Some((end, _)) => format!("{}\u{2026}", instruction[..end].trim_end()),
        None => instruction.to_owned(),
    }
}

/// Returns what is still to be seen of an event when it is over. Digests are not: they are
/// printed at the end, and with them a line would be too long for most terminals.
fn lasting(plain: Plain, event: &Event) -> Option<String> {
    match event {
        Event::Started { reasons, .. } if plain.says_why(reasons) => plain.line(event),
        Event::Started { .. }
        | Event::Seed { .. }
        | Event::Worker { .. }
        | Event::Step { .. }
        | Event::Output { .. }
        | Event::Fresh { .. } => None,
        Event::Built {
            package, duration, ..
        } => Some(format!(
            "{package}: built in {:.1} s",
            duration.as_secs_f64()
        )),
        _ => plain.line(event),
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.screen.clear();
    }
}
