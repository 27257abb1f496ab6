//! Says what happens: one message to a line on standard output.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use backend_api::StepId;

use crate::job::Message;

/// Says what happens.
#[derive(Debug)]
pub(super) struct Report {
    output: Mutex<std::io::Stdout>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            output: Mutex::new(std::io::stdout()),
        }
    }

    pub(super) fn say(&self, message: &Message) {
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever does not listen any more is about to end this process.
        let _ = output.write_all(&line).and_then(|()| output.flush());
    }

    pub(super) fn line(&self, step: Option<StepId>, line: impl Into<String>) {
        let line = line.into();
        self.say(&Message::Output { step, line });
    }
}
