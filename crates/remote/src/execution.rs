//! One action on its way through a server: what is lost on the way is done again, a few times, and that is said.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bazel_remote_apis::build::bazel::remote::execution::v2::execution_stage::Value as Stage;
use tonic::{Code, Status};

use crate::action::Action;
use crate::begun::Begun;
use crate::client::{Client, Done};
use crate::error::{BUILD, Error, is_away, is_busy, may_pass, said};
use crate::retry::{PATIENCE, Pauses};
use crate::worker::is_end_of_work;

/// How often what was lost is done again.
const MOST: u32 = 5;
/// How long a server may have too much to do. It may be that it never has less: where executions that are waited for take
/// all connections, workers have none.
const QUEUE: Duration = Duration::from_secs(60 * 60);
/// How long an execution goes on that was not lost at once.
const WHILE: Duration = Duration::from_secs(30);
/// How long a server may take to hear that nobody wants a result any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// Hears what happens to an action.
pub(crate) trait Hears: Sync {
    /// It has come to a stage.
    fn stage(&self, stage: Stage);
    /// Something was lost, and is done again.
    fn again(&self, why: &str);
}

/// One action that a server executes.
pub(crate) struct Execution<'a> {
    client: &'a Client,
    action: &'a Action,
    hears: &'a dyn Hears,
    /// What the server calls the execution, while it goes on.
    name: &'a Name,
}

/// What a server calls an execution.
#[derive(Debug)]
pub(crate) struct Name {
    name: Mutex<Option<String>>,
    begun: Begun,
}

impl Name {
    /// Takes the name of the one that was begun before, if one was.
    pub(crate) fn of(begun: Begun) -> Self {
        Self {
            name: Mutex::new(begun.find()),
            begun,
        }
    }

    pub(crate) fn get(&self) -> Option<String> {
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone()
    }

    pub(crate) fn set(&self, name: Option<String>) {
        let mut now = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != name {
            self.begun.keep(name.as_deref());
            *now = name;
        }
    }
}

/// Returns how long something is waited for that is not the action's own.
fn patience(status: &Status) -> Duration {
    if is_busy(status) {
        QUEUE
    } else if is_away(status) {
        PATIENCE
    } else {
        Duration::ZERO
    }
}

impl<'a> Execution<'a> {
    pub(crate) fn new(
        client: &'a Client,
        action: &'a Action,
        hears: &'a dyn Hears,
        name: &'a Name,
    ) -> Self {
        Self {
            client,
            action,
            hears,
            name,
        }
    }

    /// Executes the action. With `skip_cache`, not even the server looks whether it has the result.
    pub(crate) async fn run(&self, mut skip_cache: bool) -> Result<Done, Error> {
        let mut pauses = Pauses::new();
        let (mut lost, mut told) = (0, String::new());
        loop {
            let start = Instant::now();
            let done = self.attempt(skip_cache).await;
            if start.elapsed() > WHILE {
                // It was there in between.
                (pauses, told) = (Pauses::new(), String::new());
            }
            let why = match done {
                Ok(done) if done.result.exit_code == 0 || lost == MOST => return Ok(done),
                // A failure may have been that of one worker: it is not believed out of a cache.
                Ok(done) if done.is_cached => {
                    skip_cache = true;
                    "it had failed before".to_owned()
                }
                Ok(done) if is_end_of_work(done.result.exit_code) => return Ok(done),
                Ok(done) => {
                    skip_cache = true;
                    format!("it was ended with exit code {}", done.result.exit_code)
                }
                Err(status) if pauses.waited < patience(&status) => {
                    let why = said(&status);
                    // Said once, however long it takes.
                    if told != why {
                        self.hears.again(&why);
                    }
                    told = why;
                    pauses.next().await;
                    continue;
                }
                Err(status) if lost == MOST => return Err(self.client.failed(BUILD, status)),
                Err(status) => self.lost(status).await?,
            };
            lost += 1;
            self.hears.again(&why);
            pauses.next().await;
        }
    }

    /// Makes good what was lost, if that can be done. Returns what it was.
    async fn lost(&self, status: Status) -> Result<String, Error> {
        if status.code() == Code::FailedPrecondition {
            let sent = self.client.upload(&self.action.blobs).await?;
            return Ok(format!(
                "inputs were lost, and {sent} bytes were sent again"
            ));
        }
        // What the server says of a worker is of another kind than what it says of a call.
        let of_worker = matches!(status.code(), Code::Internal | Code::Unknown);
        if !(may_pass(&status) || of_worker) || status.code() == Code::DeadlineExceeded {
            return Err(self.client.failed(BUILD, status));
        }
        Ok(said(&status))
    }

    /// Tells the server that nobody wants the result any more.
    pub(crate) async fn cancel(client: &Client, name: &Name) {
        if let Some(called) = name.get() {
            // Whoever interrupts does not wait for a server that does not answer.
            let _ = tokio::time::timeout(GOODBYE, client.cancel(&called)).await;
            name.set(None);
        }
    }

    /// Begins the execution, or waits for the one that has begun.
    async fn attempt(&self, skip_cache: bool) -> Result<Done, Status> {
        let hears = |stage| self.hears.stage(stage);
        if let Some(name) = self.name.get() {
            match self.client.wait(&name, &self.action.digest, &hears).await {
                Err(status) if is_unknown(&status) => {}
                done => return self.ended(done),
            }
        }
        let digest = &self.action.digest;
        let named = |name: &str| self.name.set(Some(name.to_owned()));
        let done = self.client.execute(digest, skip_cache, &named, &hears);
        self.ended(done.await)
    }

    /// Forgets the execution, unless its connection only was lost.
    fn ended(&self, done: Result<Done, Status>) -> Result<Done, Status> {
        let may_go_on = matches!(&done, Err(status) if std::error::Error::source(status).is_some());
        if !may_go_on {
            self.name.set(None);
        }
        done
    }
}

/// Tells whether a server knows nothing of an execution that it is to be waited for.
fn is_unknown(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::NotFound | Code::Unimplemented | Code::InvalidArgument | Code::PermissionDenied
    )
}

#[cfg(test)]
mod tests;
