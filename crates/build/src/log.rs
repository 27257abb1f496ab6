//! The log of one package's build: every line that the engine prints, in a file, and the last
//! of them at hand for whoever has to say that the build failed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend_api::{Events, StepId};

use crate::error::Error;
use crate::event::{Event, Listener};
use state::Directories;

/// How many lines are kept at hand.
const KEPT: usize = 20;

/// Writes what happens in a package's build to its log, and tells the listener.
pub struct Log {
    package: String,
    listener: Arc<dyn Listener>,
    state: Mutex<State>,
}

struct State {
    file: BufWriter<File>,
    last: VecDeque<String>,
    /// The steps of the build, each with its instruction.
    steps: Vec<(StepId, String)>,
    /// The one that the last line is of.
    current: Option<StepId>,
}

impl Log {
    /// Begins the log of `package` anew.
    pub fn begin(
        package: &str,
        directories: &Directories,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        let file = BufWriter::new(directories.begin_log(package)?);
        let state = Mutex::new(State {
            file,
            last: VecDeque::with_capacity(KEPT),
            steps: Vec::new(),
            current: None,
        });
        Ok(Self {
            package: package.to_owned(),
            listener,
            state,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one line.
    pub fn line(&self, line: &str) {
        self.state().write(line);
    }

    /// Says which steps the build has, each with its instruction, in one line.
    pub fn follow(&self, steps: Vec<(StepId, String)>) {
        let mut state = self.state();
        (state.steps, state.current) = (steps, None);
    }

    /// Says something that a person should know although the build goes on.
    pub fn notice(&self, message: &str) {
        self.line(&format!("notice: {message}"));
        let (package, message) = (self.package.clone(), message.to_owned());
        self.listener.hear(Event::Notice { package, message });
    }

    /// Says that the build from one of several seeds begins, with its number from 1.
    pub fn seed(&self, seed: &str, number: usize, count: usize) {
        self.line(&format!("from the seed `{seed}` ({number} of {count}):"));
        self.listener.hear(Event::Seed {
            package: self.package.clone(),
            seed: seed.to_owned(),
            number,
            count,
        });
    }

    /// Says which worker of a server builds it, or has built it.
    pub fn worker(&self, worker: &str) {
        let (package, worker) = (self.package.clone(), worker.to_owned());
        self.listener.hear(Event::Worker { package, worker });
    }

    /// Ends the log and returns its last lines.
    pub fn end(&self) -> Vec<String> {
        let mut state = self.state();
        let _ = state.file.flush();
        state.last.iter().cloned().collect()
    }
}

impl State {
    fn write(&mut self, line: &str) {
        // A log that cannot be written (a full disk) must not end a build that goes well.
        let line = printable::line(line);
        let _ = writeln!(self.file, "{line}");
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line.into_owned());
    }

    /// Notes that the build has come to a step. Returns what to tell of it, once.
    fn reach(&mut self, step: StepId, package: &str) -> Option<Event> {
        if self.current.replace(step) == Some(step) {
            return None;
        }
        let place = self.steps.iter().position(|(id, _)| *id == step)?;
        Some(Event::Step {
            package: package.to_owned(),
            number: place + 1,
            count: self.steps.len(),
            instruction: self.steps[place].1.clone(),
        })
    }
}

impl Events for Log {
    fn emit(&self, event: backend_api::Event) {
        match event {
            backend_api::Event::Output { step, line } => {
                let mut state = self.state();
                state.write(&line);
                let reached = step.and_then(|step| state.reach(step, &self.package));
                drop(state);
                if let Some(event) = reached {
                    self.listener.hear(event);
                }
                let package = self.package.clone();
                self.listener.hear(Event::Output { package, line });
            }
            backend_api::Event::Notice { message } => self.notice(&message),
        }
    }
}
