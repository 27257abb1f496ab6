//! Waiting: for work that blocks, and for the user to interrupt it.

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::error::Error;

/// Runs work that blocks where it does not hold up others.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work)
        .await
        .expect("work on an image does not panic")
}

/// Waits for `future`, unless the user interrupts the work first.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub async fn unless<T>(
    mut interrupted: watch::Receiver<bool>,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        result = future => result,
        // Where nobody is left who could interrupt it, it goes on.
        Ok(_) = interrupted.wait_for(|stop| *stop) => Err(Error::Interrupted),
    }
}

/// Ends when the user has interrupted the work.
pub(crate) async fn stopped(interrupted: &mut watch::Receiver<bool>) {
    if interrupted.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could interrupt it.
        std::future::pending::<()>().await;
    }
}
