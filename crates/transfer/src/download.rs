//! One file from one address: tries, pauses, and continuing where a try has ended.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use tokio::time::timeout;

use crate::address::Address;
use crate::client::{Answer, Client, text};
use crate::error::{Error, Next};
use crate::range::{Part, strong};
use crate::sink::{Begin, Held, Sink};
use crate::terms::Terms;

/// The most characters of a header that a message repeats.
const LONGEST_HEADER: usize = 80;

/// What is said of a file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it came from, after all redirects.
    pub from: Address,
    /// Whether its first part is from an earlier try.
    pub resumed: bool,
    /// What the server says that it is.
    pub media_type: Option<String>,
    /// How the server says that it is encoded. It is taken as it is.
    pub encoding: Option<String>,
}

/// Something that happens during a download.
#[derive(Debug)]
pub enum Event<'a> {
    /// An answer has come.
    Began {
        /// How many bytes are held already.
        from: u64,
        /// How many bytes the whole file has, if the server says so.
        length: Option<u64>,
    },
    /// So many more bytes are there.
    Arrived(u64),
    /// A try has failed, and there will be another.
    Again {
        /// Why it failed.
        error: &'a Error,
        /// How long is waited before.
        pause: Duration,
    },
}

/// Who is told what happens during a download.
pub(crate) type Hear<'a> = &'a (dyn Fn(Event<'_>) + Sync);

impl Client {
    /// Downloads a file. What is held of it is continued if it is certain that it is the same file.
    ///
    /// A download can be given up at any time by dropping the future: what was handed over stays handed over.
    ///
    /// # Errors
    ///
    /// Why the last try failed.
    pub async fn download(
        &self,
        address: &Address,
        sink: &mut dyn Sink,
        hear: Hear<'_>,
    ) -> Result<Downloaded, Error> {
        self.download_on(address, &Terms::default(), sink, hear)
            .await
    }

    /// Downloads a file on terms of its own, as [`download`](Self::download) does.
    ///
    /// # Errors
    ///
    /// Why the last try failed.
    pub async fn download_on(
        &self,
        address: &Address,
        terms: &Terms,
        sink: &mut dyn Sink,
        hear: Hear<'_>,
    ) -> Result<Downloaded, Error> {
        // Whoever could not be reached for another file is not waited for once more.
        let is_unreachable = self.limits.is_unreachable(&address.host());
        let most = if is_unreachable { 1 } else { self.config.tries };
        let mut whole = false;
        let mut tries = 0;
        loop {
            let error = match self.attempt(address, terms, sink, whole, hear).await {
                Ok(downloaded) => return Ok(downloaded),
                Err(error) => error,
            };
            tries += 1;
            let pause = self.pause_after(tries, &error);
            let Some(pause) = pause.filter(|_| tries < most) else {
                return Err(error);
            };
            whole |= error.next() == Next::Whole;
            hear(Event::Again {
                error: &error,
                pause,
            });
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        address: &Address,
        terms: &Terms,
        sink: &mut dyn Sink,
        whole: bool,
        hear: Hear<'_>,
    ) -> Result<Downloaded, Error> {
        let held = if whole {
            None
        } else {
            sink.held().await.map_err(Error::Sink)?
        };
        let held = held.filter(|held| held.bytes > 0 && strong(&held.validator).is_some());
        let mut answer = self.ask(address, held.as_ref(), terms).await?;
        let begin = begin(&answer, held.as_ref())?;
        let (from, length) = (begin.from, begin.length);
        let largest = terms.largest.unwrap_or(u64::MAX).min(self.config.largest);
        if length.is_some_and(|length| length > largest) {
            return Err(Error::TooLarge(largest));
        }
        sink.begin(begin).await.map_err(Error::Sink)?;
        hear(Event::Began { from, length });
        self.receive(&mut answer, sink, from, largest, hear).await?;
        let said = |name| {
            let text = text(answer.response.headers(), name)?;
            Some(text.chars().take(LONGEST_HEADER).collect())
        };
        Ok(Downloaded {
            resumed: from > 0,
            media_type: said(&CONTENT_TYPE),
            encoding: said(&CONTENT_ENCODING),
            from: answer.from,
        })
    }

    /// Hands over all bytes of an answer, as long as they come.
    pub(crate) async fn receive(
        &self,
        answer: &mut Answer,
        sink: &mut dyn Sink,
        from: u64,
        largest: u64,
        hear: Hear<'_>,
    ) -> Result<(), Error> {
        let config = &self.config;
        let stalled = || Error::Stalled(config.stall);
        let least = u128::from(config.slowest) * config.stall.as_millis() / 1000;
        let mut total = from;
        // What arrived within the present window, and how long was waited for it. The time that the sink takes
        // is not the server's.
        let (mut arrived, mut waited) = (0_u64, Duration::ZERO);
        loop {
            let since = Instant::now();
            let chunk = timeout(config.stall, answer.response.chunk()).await;
            waited += since.elapsed();
            let Some(bytes) = chunk.map_err(|_| stalled())?.map_err(Error::of)? else {
                return Ok(());
            };
            let length = bytes.len() as u64;
            total = total.saturating_add(length);
            if total > largest {
                return Err(Error::TooLarge(largest));
            }
            sink.take(bytes).await.map_err(Error::Sink)?;
            hear(Event::Arrived(length));
            arrived += length;
            if waited >= config.stall {
                if u128::from(arrived) < least {
                    return Err(Error::Slow(config.slowest));
                }
                (arrived, waited) = (0, Duration::ZERO);
            }
        }
    }
}

/// Returns how an answer begins, if it is what was asked for.
fn begin(answer: &Answer, held: Option<&Held>) -> Result<Begin, Error> {
    let headers = answer.response.headers();
    let validator = text(headers, &ETAG).and_then(strong).map(str::to_owned);
    if answer.response.status() != reqwest::StatusCode::PARTIAL_CONTENT {
        return Ok(Begin {
            from: 0,
            length: answer.response.content_length(),
            validator,
        });
    }
    let held = held.ok_or(Error::Range)?;
    let part = text(headers, &CONTENT_RANGE).and_then(Part::parse);
    let part = part.filter(|part| part.continues(held.bytes));
    let part = part.ok_or(Error::Range)?;
    // It was asked for only if the file is still the same; not every server looks.
    if text(headers, &ETAG).is_some_and(|tag| tag != held.validator) {
        return Err(Error::Range);
    }
    let sent = answer.response.content_length();
    if sent.is_some_and(|sent| sent != part.last - part.first + 1) {
        return Err(Error::Range);
    }
    Ok(Begin {
        from: held.bytes,
        length: Some(part.last + 1),
        validator: Some(held.validator.clone()),
    })
}
