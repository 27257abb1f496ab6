//! The worker: a process that enters name spaces of its own, does one job there, and ends.
//!
//! It is this same program, started again with one argument. That is seen before `main`, in every
//! program that has this crate in it, so that none has to know.

mod add;
mod builder;
mod failure;
mod folders;
mod image;
mod report;
mod run;
mod step;
mod stubs;
mod trial;

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;

use sandbox::Rights;

use crate::command::WORKER;
use crate::job::{Job, Message};
use failure::Result;
use report::Report;

/// Becomes a worker, if that is what this process was started as.
#[ctor::ctor(unsafe)]
fn begin() {
    if !is_worker() {
        return;
    }
    let code = main();
    let code = i32::from(code != ExitCode::SUCCESS);
    #[expect(clippy::exit, reason = "the program's own `main` must not run")]
    std::process::exit(code);
}

/// Tells whether this process is a worker. Not every system's library has the arguments ready
/// before `main`; the kernel has.
fn is_worker() -> bool {
    let arguments = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
    arguments.next() == Some(WORKER.as_bytes())
}

fn main() -> ExitCode {
    let report = Arc::new(Report::new());
    let mut text = Vec::new();
    let job = std::io::stdin()
        .read_to_end(&mut text)
        .ok()
        .and_then(|_| serde_json::from_slice(&text).ok());
    let Some(job) = job else {
        // Nobody but this crate starts a worker, and it is given what it needs.
        return ExitCode::FAILURE;
    };
    sandbox::enter(|rights| {
        let done = rights.map_err(Into::into).and_then(|rights| {
            let done = work(job, rights, &report);
            done.map(|message| report.say(&message))
        });
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                report.say(&Message::Failed(failure));
                ExitCode::FAILURE
            }
        }
    })
}

fn work(job: Job, rights: Rights, report: &Arc<Report>) -> Result<Message> {
    match job {
        Job::Probe { work } => {
            let details = trial::try_out(&work, rights)?;
            Ok(Message::Found { details })
        }
        Job::Build(job) => builder::build(*job, rights, report).map(|()| Message::Done),
        Job::Remove { work } => folders::clear(&work).map(|()| Message::Done),
    }
}
