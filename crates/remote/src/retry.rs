//! Doing a call again that did not succeed, where that may help: a few times, with growing pauses.

use std::time::Duration;

use tonic::Status;

use crate::error::may_pass;

/// How often a call is made at most.
const TIMES: u32 = 6;
/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// Makes a call until it succeeds, or fails in a way that does not pass by itself, or has failed too often.
pub(crate) async fn again<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut pause = PAUSE;
    for _ in 1..TIMES {
        match call().await {
            Err(status) if may_pass(&status) => {}
            done => return done,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
    call().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn calls(code: tonic::Code, fails: u32) -> (u32, bool) {
        let mut made = 0;
        let result = again(|| {
            made += 1;
            let fail = made <= fails;
            async move {
                if fail {
                    Err(Status::new(code, "no"))
                } else {
                    Ok(())
                }
            }
        });
        let done = result.await.is_ok();
        (made, done)
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_done_again_and_not_for_ever() {
        assert_eq!(calls(tonic::Code::Unavailable, 2).await, (3, true));
        assert_eq!(calls(tonic::Code::Unavailable, 100).await, (TIMES, false));
        assert_eq!(calls(tonic::Code::InvalidArgument, 1).await, (1, false));
    }
}
