//! Reads what a worker says.

use crate::error::Error;
use crate::job::{Failure, Message};

/// What was found out, as (name, value), and the program that leads to the network, if one does.
pub(crate) type Found = (Vec<(String, String)>, Option<String>);

/// What came of a job.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What was found out, and the program that leads to the network.
    found: Found,
    done: bool,
    failure: Option<Failure>,
    /// Lines of steps, the last of them: what an error shows.
    output: Vec<String>,
}

/// How many lines of output an error shows.
const LINES: usize = 200;

impl Answer {
    /// Takes a line of the worker's output. Returns what is to be told now.
    pub(crate) fn take(&mut self, line: &str) -> Option<Message> {
        match serde_json::from_str(line) {
            Ok(Message::Found { details, network }) => {
                self.found = (details, network);
                self.done = true;
            }
            Ok(Message::Done) => self.done = true,
            Ok(Message::Failed(failure)) => self.failure = Some(failure),
            Ok(told) => {
                if let Message::Output { line, .. } = &told {
                    if self.output.len() == LINES {
                        self.output.remove(0);
                    }
                    self.output.push(line.clone());
                }
                return Some(told);
            }
            // Only a worker that is broken says anything else.
            Err(_) => self.output.push(line.to_owned()),
        }
        None
    }

    /// Returns what came of the job. `stderr` is what else the worker said.
    pub(crate) fn finish(self, stderr: &str) -> Result<Found, Error> {
        let mut output = self.output.join("\n");
        if let Some(failure) = self.failure {
            return Err(Error::Failed { failure, output });
        }
        if !self.done {
            output.push_str(stderr);
            return Err(Error::Ended { output });
        }
        Ok(self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_says_nothing_has_failed() {
        let error = Answer::default().finish("out of memory").unwrap_err();
        assert!(matches!(error, Error::Ended { output } if output == "out of memory"));
    }

    #[test]
    fn what_is_said_before_an_error_is_shown_with_it() {
        let mut answer = Answer::default();
        let line = r#"{"output":{"step":null,"line":"cc: not found"}}"#;
        assert!(matches!(answer.take(line), Some(Message::Output { .. })));
        let failed = r#"{"failed":{"kind":"build","message":"it exited with 1","hint":null}}"#;
        assert_eq!(answer.take(failed), None);
        let error = answer.finish("").unwrap_err();
        assert!(matches!(error, Error::Failed { output, .. } if output == "cc: not found"));
    }
}
