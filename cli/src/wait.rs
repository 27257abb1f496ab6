//! Waiting: for work that is asynchronous, and for Ctrl-C. The first asks for an end, the second is one.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use build::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::ErrorKind;
use crate::failure::{Failure, print_problem, usage};
use crate::render;

/// How many futures are waited for now.
static WAITED_FOR: AtomicUsize = AtomicUsize::new(0);

/// How many interruptions were heard by who watches.
static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Becomes true when the user interrupts the program. A second interruption ends it at once.
pub(crate) fn watch() -> watch::Receiver<bool> {
    static GUARD: Once = Once::new();
    GUARD.call_once(guard);
    let (sender, receiver) = watch::channel(false);
    // Now, and not when the task begins: whoever sees a question may interrupt it at once.
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            // Without handlers the signals do what they do by themselves.
            std::future::pending::<()>().await;
            return;
        };
        let mut received = 0;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            received += 1;
            HEARD.fetch_add(1, Ordering::SeqCst);
            if received == 1 {
                render::note(
                    "interrupted: ending what is running; interrupt again to exit at once",
                );
                let _ = sender.send(true);
            } else {
                leave();
            }
        }
    });
    receiver
}

/// Ends the program when it is interrupted while nothing is waited for. Once somebody has watched, a signal does nothing by
/// itself any more, also while this program reads and hashes files between one future and the next.
fn guard() {
    let guarding = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let signals = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            );
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
                return;
            };
            for received in 1.. {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                // It may be one that was heard while something was waited for, which has ended by now.
                let is_heard = HEARD.load(Ordering::SeqCst) >= received;
                if !is_heard && WAITED_FOR.load(Ordering::SeqCst) == 0 {
                    print_problem("error", &Error::Interrupted.to_string(), None);
                    leave();
                }
            }
        });
    };
    // Without it, what blocks is not interrupted, as before.
    let _ = thread::Builder::new()
        .name("interrupted".to_owned())
        .spawn(guarding);
}

/// Waits for `future`, unless the user interrupts the program first.
pub(crate) async fn unless<T>(
    interrupted: &mut watch::Receiver<bool>,
    future: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        result = future => Ok(result),
        Ok(_) = interrupted.wait_for(|stop| *stop) => {
            Err(Failure::new(ErrorKind::Interrupted, &Error::Interrupted, None))
        }
    }
}

#[expect(
    clippy::exit,
    reason = "the user has asked twice, and will not wait for cleaning up"
)]
fn leave() -> ! {
    std::process::exit(130)
}

/// How many bytes of an answer are read.
const ANSWER: u64 = 64;

/// Tells whether there is somebody at a terminal, who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a person a question that is answered by yes or no; anything but yes is no.
pub(crate) async fn ask(
    interrupted: &mut watch::Receiver<bool>,
    question: &str,
) -> Result<bool, Failure> {
    if !can_ask() {
        let message = format!("there is nobody to ask: {question}");
        let hint = "say it on the command line with --yes, after a look at --dry-run";
        return Err(usage(message, Some(hint)));
    }
    render::prompt(&format!("{question} [y/N] "));
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        let mut input = io::stdin().lock().take(ANSWER);
        input.read_line(&mut answer).map(|_| answer)
    });
    let answer = unless(interrupted, answer).await?;
    let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// How long ended builds may take to clean up.
const CLEANING_UP: Duration = Duration::from_secs(15);

/// How long a thread that has nothing to do is kept.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// Runs a future to its end, with all cores for blocking work. What it gave up on the way has then
/// been cleaned up.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(FOR_EVER)
        .build()
        .map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
    // Work that blocks waits for a thread that has begun, where the system starts no further one: so there is one.
    drop(runtime.spawn_blocking(|| ()));
    WAITED_FOR.fetch_add(1, Ordering::SeqCst);
    let result = runtime.block_on(future);
    WAITED_FOR.fetch_sub(1, Ordering::SeqCst);
    runtime.shutdown_background();
    process::wait_for_ended_groups(CLEANING_UP);
    result
}
