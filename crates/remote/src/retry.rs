//! Doing a call again that did not succeed, where that may help: a few times, with growing pauses.

use std::time::Duration;

use tonic::{Code, Status};

use crate::error::{is_away, is_busy, may_pass};

/// How often a call is made at most, by a server that is there.
const TIMES: u32 = 6;
/// How often a call is made at most to which there is no answer in time.
const SILENT_TIMES: u32 = 2;
/// How long a server may be away: it may be started anew, on a machine that is started anew.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// How long a call may take whose answer is one message.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the first one may take.
const AT_FIRST: Duration = Duration::from_secs(30);

/// Makes a call whose answer is one message, and does it again where that may help.
pub(crate) async fn again<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    again_while_it_moves(|| in_time(DEADLINE, call())).await
}

/// Makes a call until it succeeds, or fails in a way that does not pass by itself, or has failed too often. A server that
/// is away, or has too much to do, is waited for.
pub(crate) async fn again_while_it_moves<T, F>(call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    repeat(call, PATIENCE).await
}

/// Does the same as [`again`], but a server that is away is not waited for: nothing is lost yet.
pub(crate) async fn again_at_first<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    repeat(|| in_time(AT_FIRST, call()), Duration::ZERO).await
}

/// Makes a call that may take so long and no longer.
async fn in_time<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded("it did not answer in time");
    tokio::time::timeout(deadline, call).await.map_err(late)?
}

async fn repeat<T, F>(mut call: impl FnMut() -> F, patience: Duration) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut pauses = Pauses::new();
    let mut made = 0;
    loop {
        let status = match call().await {
            Err(status) if may_pass(&status) => status,
            done => return done,
        };
        made += 1;
        let most = if status.code() == Code::DeadlineExceeded {
            SILENT_TIMES
        } else {
            TIMES
        };
        let is_waited_for = (is_away(&status) || is_busy(&status)) && pauses.waited < patience;
        if made >= most && !is_waited_for {
            return Err(status);
        }
        pauses.next().await;
    }
}

/// Pauses, each twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    pub(crate) waited: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self {
            next: PAUSE,
            waited: Duration::ZERO,
        }
    }

    pub(crate) async fn next(&mut self) {
        tokio::time::sleep(self.next).await;
        self.waited += self.next;
        self.next = (self.next * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn calls(code: Code, fails: u32) -> (u32, bool) {
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
        let (mut made, start) = (0, tokio::time::Instant::now());
        let result = again(|| {
            made += 1;
            std::future::pending::<Result<(), Status>>()
        });
        let code = result.await.unwrap_err().code();
        assert_eq!((code, made), (Code::DeadlineExceeded, SILENT_TIMES));
        assert!(start.elapsed() < DEADLINE * 3, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_done_again_and_not_for_ever() {
        assert_eq!(calls(Code::Aborted, 2).await, (3, true));
        assert_eq!(calls(Code::Aborted, 100).await, (TIMES, false));
        assert_eq!(calls(Code::InvalidArgument, 1).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_waited_for_and_not_for_ever() {
        let start = tokio::time::Instant::now();
        // As many as in two minutes.
        assert_eq!(calls(Code::Unavailable, 30).await, (31, true));
        assert!(start.elapsed() > Duration::from_secs(100));
        for code in [Code::Unavailable, Code::ResourceExhausted] {
            let start = tokio::time::Instant::now();
            assert!(!calls(code, u32::MAX).await.1);
            assert!((PATIENCE..PATIENCE * 2).contains(&start.elapsed()));
        }
        let mut made = 0;
        let result = again_at_first(|| {
            made += 1;
            async { Err::<(), _>(Status::unavailable("no")) }
        });
        assert!(result.await.is_err());
        assert_eq!(made, TIMES);
    }
}
