//! The worker: a process that enters namespaces of its own, does one job there, and ends.
//!
//! It is this same program, started again with one argument. That is seen before `main`, in every
//! program that has this crate in it, so that none has to know.

mod build;
mod circumstances;
mod copy;
mod directories;
mod equal;
mod failure;
mod files;
mod image;
mod kept;
mod key;
mod plan;
mod recipe;
mod report;
mod run;
mod share;
mod stage;
mod step;
mod threads;
mod trial;
mod unsupported;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};
use sandbox::Inside;

use crate::command::WORKER;
use crate::job::{Failure, FailureKind, Job, Message};
use failure::Result;
use report::Report;
use threads::thread;

/// The argument of the process within, which does the work.
const WITHIN: &str = "--stagex-native-worker-within";

/// Becomes a worker, if that is what this process was started as.
#[ctor::ctor(unsafe)]
fn begin() {
    let mut words = words().into_iter();
    let code = match words.next() {
        Some(word) if word == WORKER => enter(),
        Some(word) if word == WITHIN => work(sandbox::inside(words)),
        _ => return,
    };
    let code = i32::from(code != ExitCode::SUCCESS);
    #[expect(clippy::exit, reason = "the program's own `main` must not run")]
    std::process::exit(code);
}

/// Returns this process's arguments. Not every system's library has them ready before `main`; the
/// kernel has.
fn words() -> Vec<OsString> {
    let arguments = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(&arguments);
    let words = arguments.split(|byte| *byte == 0).skip(1);
    words
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}

/// Waits outside for the process that does the work.
fn enter() -> ExitCode {
    sandbox::enter(WITHIN).unwrap_or_else(|error| work(Err(error)))
}

/// Does the job that is on standard input, or says why it cannot be done.
fn work(inside: sandbox::Result<Inside>) -> ExitCode {
    let report = Arc::new(Report::new());
    let done = inside.map_err(Failure::from).and_then(|inside| {
        // Nobody but this crate starts a worker, and it is given what it needs.
        let job = serde_json::from_reader(std::io::stdin());
        let job = job.map_err(|error| {
            let message = format!("internal error: the worker got no job: {error}");
            Failure::new(FailureKind::Internal, message)
        });
        do_job(job?, inside, &report)
    });
    match done {
        Ok(message) => {
            report.say(message);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report.say(Message::Failed(failure));
            ExitCode::FAILURE
        }
    }
}

/// Raises the limit of open files to the most that this process may have: it holds those of a path
/// into a tree, and the locks of what it uses. That it cannot is seen when it needs them.
fn open_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn do_job(job: Job, inside: Inside, report: &Arc<Report>) -> Result<Message> {
    open_many_files();
    match job {
        Job::Probe { work, network } => {
            let (details, network) = trial::try_out(&work, &inside, network)?;
            Ok(Message::Found { details, network })
        }
        Job::Build(job) => std::thread::scope(|scope| {
            let build = || build::build(*job, inside, report);
            let built = thread().spawn_scoped(scope, build);
            let built = built.map_err(|error| Failure::thread(&error));
            built?.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
        .map(|()| Message::Done),
        Job::Remove { work } => directories::clear(&work).map(|()| Message::Done),
    }
}
