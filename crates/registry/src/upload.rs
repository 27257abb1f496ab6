//! Blobs on their way into a repository: those that are there are left alone, those of another repository are mounted,
//! and the rest is sent, in pieces that are continued where a connection broke.
//!
//! Every byte is hashed while it is read. What turns out to be something else is never given its digest.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use bytes::Bytes;
use oci_image::Digest;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use transfer::{Address, Answered, Exchange, Verb};

use crate::ask::Trouble;
use crate::error::Error;
use crate::reference::Repository;
use crate::registry::Registry;

/// How often a blob is begun from its start because the registry knows no more of what it was sent.
const LOST: u32 = 4;

/// A blob that is to be in a repository.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) source: Source,
}

/// Where the bytes of a blob are.
#[derive(Debug)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(File, String),
}

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was there.
    There,
    /// It was mounted from another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// A blob that is being sent.
struct Sending<'a> {
    registry: &'a Registry,
    repository: &'a Repository,
    blob: &'a mut Blob,
    what: String,
    /// How many bytes the registry has, and what they hash to.
    taken: (u64, Sha256),
    /// What is sent at present.
    piece: Bytes,
    chunk: usize,
    /// Where the next piece goes.
    session: Option<Address>,
}

/// Sees to it that a repository has a blob.
pub(crate) async fn bring(
    registry: &Registry,
    repository: &Repository,
    blob: &mut Blob,
) -> Result<Came, Error> {
    let digest = blob.digest;
    let came = if is_there(registry, repository, blob).await? {
        Came::There
    } else {
        let (came, session) = mount(registry, repository, digest).await?;
        if came != Came::Mounted {
            send(registry, repository, blob, session).await?;
        }
        came
    };
    registry.has(digest, repository);
    Ok(came)
}

async fn is_there(
    registry: &Registry,
    repository: &Repository,
    blob: &Blob,
) -> Result<bool, Error> {
    let digest = blob.digest;
    let address = registry
        .shared
        .address(repository, &format!("blobs/{digest}"))?;
    let head = Exchange::of(Verb::Head);
    let answered = match registry.repeated(repository, &address, &head).await {
        Ok(answered) => answered,
        Err(trouble) if trouble.code() == Some(404) => return Ok(false),
        Err(trouble) => return Err(trouble.of_reading(repository, &format!("the blob {digest}"))),
    };
    match answered.header("content-length").map(str::parse::<u64>) {
        Some(Ok(length)) if length != blob.size => Err(Error::Changed {
            expected: digest,
            place: repository.to_string(),
            found: format!("it has {length} bytes there, and {} here", blob.size),
        }),
        _ => Ok(true),
    }
}

/// Mounts a blob from another repository of the registry, if one is known to have it. A registry that does not may begin
/// to take it instead: then that is returned. Whatever else it says, the blob can still be sent.
async fn mount(
    registry: &Registry,
    repository: &Repository,
    digest: Digest,
) -> Result<(Came, Option<Address>), Error> {
    let from = registry.place_of(digest);
    let Some(from) = from.filter(|from| from != repository) else {
        return Ok((Came::Sent, None));
    };
    Ok(match registry.mount(repository, digest, from).await {
        Ok(answered) if answered.code == 201 => (Came::Mounted, None),
        Ok(answered) => (Came::Sent, answered.location().ok().flatten()),
        Err(_) => (Came::Sent, None),
    })
}

async fn send(
    registry: &Registry,
    repository: &Repository,
    blob: &mut Blob,
    session: Option<Address>,
) -> Result<(), Error> {
    let mut sending = Sending {
        what: format!("the blob {}", blob.digest),
        taken: (0, Sha256::new()),
        piece: Bytes::new(),
        chunk: registry.shared.config.limits.chunk,
        registry,
        repository,
        blob,
        session,
    };
    sending.read().await?;
    let (mut tries, mut lost, mut farthest) = (0, 0, 0);
    loop {
        let trouble = match sending.step().await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                // What was sent before, and lost, is nothing new.
                if sending.taken.0 > farthest {
                    (tries, farthest) = (0, sending.taken.0);
                }
                continue;
            }
            Err(trouble) => trouble,
        };
        let is_lost = sending.session.is_some() && matches!(trouble.code(), Some(400 | 404 | 416));
        if is_lost && lost < LOST {
            lost += 1;
        } else {
            tries += 1;
            let pause = match &trouble {
                Trouble::Request(error, _) => registry.shared.transfer.pause_after(tries, error),
                Trouble::Other(_) => None,
            };
            let Some(pause) = pause else {
                return Err(trouble.of_writing(repository, &sending.what));
            };
            tokio::time::sleep(pause).await;
        }
        if sending.find_out(is_lost).await? {
            return Ok(());
        }
    }
}

impl Sending<'_> {
    /// Takes one step. Tells whether it was the last.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let Some(session) = self.session.clone() else {
            let shared = &self.registry.shared;
            let uploads = shared.address(self.repository, "blobs/uploads/")?;
            let post = Exchange::of(Verb::Post);
            let answered = self.registry.once(self.repository, &uploads, &post).await?;
            let least = answered.header("oci-chunk-min-length");
            if let Some(Ok(least)) = least.map(str::parse::<usize>) {
                self.grow(least).await?;
            }
            return self.goes_on(&answered).map(|()| false);
        };
        let (offset, length) = (self.taken.0, self.piece.len() as u64);
        let is_last = offset + length == self.blob.size;
        if is_last && (offset == 0 || length == 0) {
            // A registry does not take what has another digest; but it is never told to, either.
            let mut hasher = self.taken.1.clone();
            hasher.update(&self.piece);
            if printable::hex(&hasher.finalize()) != self.blob.digest.hex() {
                return Err(self.abandon(&session).await.into());
            }
            let digest = self.blob.digest.to_string();
            let put = self.sent(Verb::Put, "application/octet-stream");
            let session = session.with_query(&[("digest", digest.as_str())]);
            self.registry.once(self.repository, &session, &put).await?;
            return Ok(true);
        }
        let mut patch = self.sent(Verb::Patch, "application/octet-stream");
        let range = format!("{offset}-{}", offset + length - 1);
        patch.headers.push(("content-range", range));
        let answered = self
            .registry
            .once(self.repository, &session, &patch)
            .await?;
        self.goes_on(&answered)?;
        let taken = answered.header("range").and_then(taken);
        let taken = taken.unwrap_or(offset + length);
        if taken == offset {
            // It would be sent again and again.
            return Err(self.bad_answer(taken).into());
        }
        self.take(taken).await?;
        Ok(false)
    }

    fn sent(&self, verb: Verb, media_type: &str) -> Exchange {
        Exchange {
            verb,
            headers: vec![("content-type", media_type.to_owned())],
            body: self.piece.clone(),
        }
    }

    /// Goes on where a registry says.
    fn goes_on(&mut self, answered: &Answered) -> Result<(), Trouble> {
        let next = answered.location();
        let next = next.map_err(|error| Trouble::Request(Box::new(error), None))?;
        if next.is_none() && self.session.is_none() {
            return Err(Trouble::from(Error::Damaged {
                what: format!("the answer for {}", self.what),
                place: self.repository.to_string(),
                why: "it does not say where the bytes go".to_owned(),
            }));
        }
        self.session = next.or(self.session.take());
        Ok(())
    }

    /// Finds out how much the registry has after something went wrong. Tells whether it has all.
    async fn find_out(&mut self, is_lost: bool) -> Result<bool, Error> {
        let Some(session) = self.session.clone() else {
            return Ok(false);
        };
        // The answer may have been lost, and not the blob.
        if is_there(self.registry, self.repository, self.blob).await? {
            return Ok(true);
        }
        let get = Exchange::of(Verb::Get);
        if !is_lost
            && let Ok(answered) = self.registry.once(self.repository, &session, &get).await
            && let Some(taken) = answered.header("range").and_then(taken)
            && self.goes_on(&answered).is_ok()
            && self.take(taken).await.is_ok()
        {
            return Ok(false);
        }
        self.session = None;
        self.restart().await?;
        Ok(false)
    }

    /// Notes how many bytes the registry has, and reads what follows them.
    async fn take(&mut self, taken: u64) -> Result<(), Error> {
        let (offset, hasher) = &mut self.taken;
        let within = taken.checked_sub(*offset);
        let within = within.and_then(|within| usize::try_from(within).ok());
        let Some(piece) = within.and_then(|within| self.piece.get(..within)) else {
            return Err(self.bad_answer(taken));
        };
        hasher.update(piece);
        *offset = taken;
        self.read().await
    }

    fn bad_answer(&self, taken: u64) -> Error {
        Error::Damaged {
            what: format!("the answer for {}", self.what),
            place: self.repository.to_string(),
            why: format!("it says that {taken} bytes were taken"),
        }
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.taken = (0, Sha256::new());
        self.read().await
    }

    /// Sends no less at once than a registry takes.
    async fn grow(&mut self, least: usize) -> Result<(), Error> {
        let largest = self.registry.shared.config.limits.largest_chunk;
        if least > largest {
            return Err(Error::TooLarge {
                what: "the smallest piece that may be sent".to_owned(),
                place: self.repository.to_string(),
                limit: format!("{largest} bytes"),
            });
        }
        if least > self.chunk {
            self.chunk = least;
            self.read().await?;
        }
        Ok(())
    }

    /// Reads the piece that follows what was taken.
    async fn read(&mut self) -> Result<(), Error> {
        let (offset, chunk) = (self.taken.0, self.chunk);
        let rest = self.blob.size.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(chunk).min(chunk);
        self.piece = match &self.blob.source {
            Source::Bytes(bytes) => {
                let bytes = bytes.iter().skip(usize::try_from(offset).unwrap_or(0));
                bytes.take(length).copied().collect()
            }
            Source::File(file, path) => {
                let failed = |source| Error::Io {
                    action: "read",
                    path: path.into(),
                    source,
                };
                let file = file.try_clone().map_err(failed)?;
                let read = spawn_blocking(move || read_at(file, offset, length)).await;
                read.map_err(io::Error::other)
                    .flatten()
                    .map_err(failed)?
                    .into()
            }
        };
        if self.piece.len() < length {
            return Err(self.is_other("it is shorter than it should be"));
        }
        Ok(())
    }

    fn is_other(&self, why: &str) -> Error {
        Error::Local {
            what: self.what.clone(),
            place: match &self.blob.source {
                Source::Bytes(_) => "memory".to_owned(),
                Source::File(_, path) => path.clone(),
            },
            why: why.to_owned(),
        }
    }

    /// Gives up what is not what it should be.
    async fn abandon(&mut self, session: &Address) -> Error {
        let delete = Exchange::of(Verb::Delete);
        // Registries remove what nobody finishes.
        let _ = self.registry.once(self.repository, session, &delete).await;
        self.is_other("it is not what its digest says")
    }
}

fn read_at(mut file: File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    let mut reader = file.take(length as u64);
    io::copy(&mut reader, &mut bytes)?;
    Ok(bytes)
}

/// Returns how many bytes a registry says that it has: `0-<last>`. Nothing looks like one byte there.
fn taken(range: &str) -> Option<u64> {
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0-0", Some(0))]
    #[case("0-9", Some(10))]
    #[case("bytes=0-9", Some(10))]
    #[case("1-9", None)]
    #[case("0--1", None)]
    #[case("", None)]
    fn a_registry_says_what_it_has(#[case] range: &str, #[case] expected: Option<u64>) {
        assert_eq!(taken(range), expected);
    }
}
