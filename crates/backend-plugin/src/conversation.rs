//! One run of a plugin: a request goes in, events come out, and then one answer. Holds a plugin
//! to the protocol and to its limits; does not know what the operations are.

use std::ops::ControlFlow;
use std::process::ExitStatus;

use backend_api::{Event, Events, Step};
use camino::Utf8Path;
use process::{Channel, Invocation};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::error::{Cause, Error};
use crate::limits::Limits;
use crate::parse::{self, Message, Refusal};

/// The longest line that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// How much of the end of standard error is kept for an error's output, in bytes.
const STDERR_KEPT: usize = 64 << 10;
/// How much of a wrong line is shown, in characters.
const SHOWN: usize = 200;

/// Has a plugin do one thing, and returns its result's fields. `steps` are those that its output
/// may belong to.
pub(crate) async fn ask(
    program: &Utf8Path,
    invocation: Invocation,
    limits: &Limits,
    steps: &[Step],
    events: &dyn Events,
) -> Result<Map<String, Value>, Error> {
    let answered = Notify::new();
    let mut conversation = Conversation {
        events,
        steps,
        limit: limits.output,
        count: 0,
        out: Vec::new(),
        err: Vec::new(),
        stderr: String::new(),
        answer: None,
        fault: None,
        answered: &answered,
    };
    let mut take = |channel, bytes: &[u8]| conversation.take(channel, bytes);
    let ended = tokio::select! {
        ended = invocation.run_bytes(&mut take) => ended,
        // What has answered has nothing more to do, and is ended if it goes on all the same.
        () = async {
            answered.notified().await;
            tokio::time::sleep(limits.farewell).await;
        } => Ok(None),
    };
    let stderr = std::mem::take(&mut conversation.stderr);
    conversation
        .outcome(ended)
        .map_err(|cause| Error::new(program, cause).with_stderr(stderr))
}

/// Reads the fields of a result as those of one operation.
pub(crate) fn fields<T: DeserializeOwned>(
    program: &Utf8Path,
    fields: Map<String, Value>,
) -> Result<T, Error> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let what = format!("sent a result that is not one of this operation: {error}");
        Error::new(program, Cause::Misbehaved(what))
    })
}

struct Conversation<'a> {
    events: &'a dyn Events,
    steps: &'a [Step],
    limit: usize,
    /// How many bytes were written, on both streams.
    count: usize,
    out: Vec<u8>,
    err: Vec<u8>,
    /// The end of standard error.
    stderr: String,
    answer: Option<Message>,
    fault: Option<String>,
    answered: &'a Notify,
}

impl Conversation<'_> {
    fn take(&mut self, channel: Channel, bytes: &[u8]) -> ControlFlow<()> {
        self.count += bytes.len();
        let taken = if self.count > self.limit {
            Err(format!("wrote more than {} bytes", self.limit))
        } else {
            match channel {
                Channel::Stdout => self.listen(bytes),
                Channel::Stderr => {
                    self.log(bytes);
                    Ok(())
                }
            }
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                self.fault = Some(fault);
                ControlFlow::Break(())
            }
        }
    }

    /// Takes bytes of standard output; none at its end.
    fn listen(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.out.extend_from_slice(bytes);
        let is_end = bytes.is_empty() && !self.out.is_empty();
        if is_end {
            self.out.push(b'\n');
        }
        while let Some(end) = self.out.iter().position(|byte| *byte == b'\n') {
            let rest = self.out.split_off(end + 1);
            let line = std::mem::replace(&mut self.out, rest);
            self.hear(&line[..end])?;
        }
        if self.out.len() > LONGEST {
            return Err(format!("wrote a line of more than {LONGEST} bytes"));
        }
        Ok(())
    }

    fn hear(&mut self, line: &[u8]) -> Result<(), String> {
        let shown = || {
            let text = String::from_utf8_lossy(line);
            text.chars().take(SHOWN).collect::<String>()
        };
        if self.answer.is_some() {
            return Err(format!("wrote more after its answer: `{}`", shown()));
        }
        let message =
            parse::message(line).map_err(|why| format!("sent a line that {why}: `{}`", shown()))?;
        if let Message::Output { step, .. } | Message::Error(Refusal { step, .. }) = &message
            && let Some(step) = step
            && !self.steps.iter().any(|known| known.id == *step)
        {
            return Err(format!("named the step {step}, which does not exist"));
        }
        match message {
            Message::Output { line, step } => {
                self.events.emit(Event::Output { step, line });
            }
            Message::Notice { message } => self.events.emit(Event::Notice { message }),
            answer => {
                self.answer = Some(answer);
                self.answered.notify_one();
            }
        }
        Ok(())
    }

    /// Takes bytes of standard error, which is no part of the protocol; none at its end.
    fn log(&mut self, bytes: &[u8]) {
        self.err.extend_from_slice(bytes);
        loop {
            let end = self.err.iter().position(|byte| *byte == b'\n');
            let is_last = bytes.is_empty() || self.err.len() > LONGEST;
            let line: Vec<u8> = match end {
                Some(end) => self.err.drain(..=end).collect(),
                None if is_last && !self.err.is_empty() => std::mem::take(&mut self.err),
                None => return,
            };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.stderr.push_str(&line);
            self.stderr.push('\n');
            while self.stderr.len() > STDERR_KEPT {
                let end = self
                    .stderr
                    .find('\n')
                    .map_or(self.stderr.len(), |end| end + 1);
                self.stderr.drain(..end);
            }
            self.events.emit(Event::Output { step: None, line });
        }
    }

    /// Returns what came of it, once the plugin has `ended`, with a status unless it was ended.
    fn outcome(
        self,
        ended: Result<Option<ExitStatus>, process::Error>,
    ) -> Result<Map<String, Value>, Cause> {
        if let Some(fault) = self.fault {
            return Err(Cause::Misbehaved(fault));
        }
        let status = ended.map_err(Cause::Process)?;
        match (self.answer, status) {
            (Some(Message::Error(refusal)), _) => Err(Cause::Refused(refusal)),
            (Some(Message::Unavailable(absence)), _) => Err(Cause::Absent(absence)),
            (Some(Message::Result(_)), Some(status)) if !status.success() => Err(
                Cause::Misbehaved(format!("sent a result, and then failed ({status})")),
            ),
            (Some(Message::Result(fields)), _) => Ok(fields),
            (_, Some(status)) => Err(Cause::Died(status)),
            (_, None) => Err(Cause::Misbehaved(
                "was terminated by a signal without an answer".to_owned(),
            )),
        }
    }
}
