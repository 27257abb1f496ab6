//! Waiting: for work that is asynchronous, and for Ctrl-C. The first asks for an end, the second is one.

use std::time::Duration;

use build::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::render;

/// Becomes true when the user interrupts the program. A second interruption ends it at once.
pub(crate) fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
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
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    process::wait_for_ended_groups(CLEANING_UP);
    result
}
