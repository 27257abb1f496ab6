//! The log of one package's build: every line that the engine prints, in a file, and the last
//! of them at hand for whoever has to say that the build failed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend_api::{Events, StepId};
use camino::Utf8Path;

use crate::error::{Error, IoContext};
use crate::event::{Event, Listener};

/// How many lines are kept at hand.
const KEPT: usize = 20;

/// Writes what happens in a package's build to its log, and tells the listener.
pub(crate) struct Log {
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
    pub(crate) fn begin(
        package: &str,
        path: &Utf8Path,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        let file = BufWriter::new(File::create(path).at("write", path)?);
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
    pub(crate) fn line(&self, line: &str) {
        let mut state = self.state();
        // A log that cannot be written (a full disk) must not end a build that goes well.
        let _ = writeln!(state.file, "{line}");
        if state.last.len() == KEPT {
            state.last.pop_front();
        }
        state.last.push_back(line.to_owned());
    }

    /// Says which steps the build has, each with its instruction, in one line.
    pub(crate) fn follow(&self, steps: Vec<(StepId, String)>) {
        let mut state = self.state();
        (state.steps, state.current) = (steps, None);
    }

    /// Tells the listener of the step that the build has come to, once.
    fn reach(&self, step: StepId) {
        let mut state = self.state();
        if state.current.replace(step) == Some(step) {
            return;
        }
        let mut steps = state.steps.iter();
        let Some(place) = steps.position(|(id, _)| *id == step) else {
            return;
        };
        let event = Event::Step {
            package: self.package.clone(),
            number: place + 1,
            count: state.steps.len(),
            instruction: state.steps[place].1.clone(),
        };
        drop(state);
        self.listener.hear(event);
    }

    /// Says something that a person should know although the build goes on.
    pub(crate) fn notice(&self, message: &str) {
        self.line(&format!("notice: {message}"));
        let (package, message) = (self.package.clone(), message.to_owned());
        self.listener.hear(Event::Notice { package, message });
    }

    /// Ends the log and returns its last lines.
    pub(crate) fn end(&self) -> Vec<String> {
        let mut state = self.state();
        let _ = state.file.flush();
        state.last.iter().cloned().collect()
    }
}

impl Events for Log {
    fn emit(&self, event: backend_api::Event) {
        match event {
            backend_api::Event::Output { step, line } => {
                self.line(&line);
                if let Some(step) = step {
                    self.reach(step);
                }
                let package = self.package.clone();
                self.listener.hear(Event::Output { package, line });
            }
            backend_api::Event::Notice { message } => self.notice(&message),
            _ => {}
        }
    }
}
