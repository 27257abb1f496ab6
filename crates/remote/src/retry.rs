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

/// How long a call may take whose answer is one message.
const DEADLINE: Duration = Duration::from_secs(120);

/// Makes a call whose answer is one message, and does it again where that may help.
pub(crate) async fn again<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    again_while_it_moves(|| {
        let made = tokio::time::timeout(DEADLINE, call());
        async {
            let late = |_| Status::deadline_exceeded("it did not answer in time");
            made.await.map_err(late)?
        }
    })
    .await
}

/// Makes a call until it succeeds, or fails in a way that does not pass by itself, or has failed too often.
pub(crate) async fn again_while_it_moves<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
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
    async fn what_never_answers_has_a_deadline() {
        let mut made = 0;
        let result = again(|| {
            made += 1;
            std::future::pending::<Result<(), Status>>()
        });
        let code = result.await.unwrap_err().code();
        assert_eq!((code, made), (tonic::Code::DeadlineExceeded, TIMES));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_done_again_and_not_for_ever() {
        assert_eq!(calls(tonic::Code::Unavailable, 2).await, (3, true));
        assert_eq!(calls(tonic::Code::Unavailable, 100).await, (TIMES, false));
        assert_eq!(calls(tonic::Code::InvalidArgument, 1).await, (1, false));
    }
}
