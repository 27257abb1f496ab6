//! Blobs on their way to a server and back. None of them is in memory as a whole, unless it is small.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    self, BatchReadBlobsRequest, BatchUpdateBlobsRequest, FindMissingBlobsRequest,
    batch_update_blobs_request::Request,
    content_addressable_storage_client::ContentAddressableStorageClient,
};
use bazel_remote_apis::google::bytestream::{
    ReadRequest, ReadResponse, WriteRequest, byte_stream_client::ByteStreamClient,
};
use build::blocking;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::blob::{Blob, Blobs, Bytes};
use crate::client::{Calls, Client, SHA256};
use crate::error::Error;
use crate::retry::{again, again_while_it_moves};

/// How many digests are asked for at once.
const ASKED_AT_ONCE: usize = 1000;
/// The largest blob that is read together with others, and how many of them.
const SMALL: i64 = 64 << 10;
const READ_AT_ONCE: usize = 32;
/// How much of a file is sent at once.
const CHUNK: usize = 512 << 10;
/// How long nothing may arrive.
const STALL: Duration = Duration::from_secs(60);
/// How many chunks are read ahead.
const AHEAD: usize = 2;

impl Client {
    fn storage(&self) -> ContentAddressableStorageClient<Calls> {
        ContentAddressableStorageClient::new(self.channel.clone())
    }

    /// Sends those of some blobs that the server does not have. Returns how many bytes those are.
    pub(crate) async fn upload(&self, blobs: &Blobs) -> Result<u64, Error> {
        let digests: Vec<v2::Digest> = blobs.iter().map(|blob| blob.digest.clone()).collect();
        let missing = self.missing(&digests).await?;
        let mut sent = 0;
        let (mut batch, mut size) = (Vec::new(), 0);
        for digest in missing {
            let blob = blobs
                .get(&digest)
                .ok_or_else(|| self.wrong("it misses a blob that it was not asked about"))?;
            let length = usize::try_from(blob.digest.size_bytes).unwrap_or(usize::MAX);
            if length > self.batch {
                sent += self.stream_once(blob).await?;
                continue;
            }
            sent += length as u64;
            if size + length > self.batch || batch.len() == ASKED_AT_ONCE {
                self.send(std::mem::take(&mut batch)).await?;
                size = 0;
            }
            size += length;
            batch.push(blob.clone());
        }
        if !batch.is_empty() {
            self.send(batch).await?;
        }
        Ok(sent)
    }

    /// Returns which of some blobs the server does not have.
    async fn missing(&self, digests: &[v2::Digest]) -> Result<Vec<v2::Digest>, Error> {
        let mut missing = Vec::new();
        for asked in digests.chunks(ASKED_AT_ONCE) {
            let found = again(|| async {
                let request = FindMissingBlobsRequest {
                    instance_name: self.address.instance.clone(),
                    blob_digests: asked.to_vec(),
                    digest_function: SHA256,
                };
                self.storage().find_missing_blobs(request).await
            });
            let found = found.await;
            let found = found.map_err(|status| self.failed("say which blobs it has", status))?;
            missing.extend(found.into_inner().missing_blob_digests);
        }
        Ok(missing)
    }

    /// Sends small blobs in one call.
    async fn send(&self, batch: Vec<Blob>) -> Result<(), Error> {
        let requests = blocking(move || {
            let request = |blob: Blob| {
                Ok(Request {
                    data: read(&blob)?,
                    digest: Some(blob.digest),
                    compressor: 0,
                })
            };
            batch
                .into_iter()
                .map(request)
                .collect::<io::Result<Vec<_>>>()
        });
        let requests = requests.await.map_err(unreadable)?;
        let sent = again(|| async {
            let request = BatchUpdateBlobsRequest {
                instance_name: self.address.instance.clone(),
                requests: requests.clone(),
                digest_function: SHA256,
            };
            let answers = self
                .storage()
                .batch_update_blobs(request)
                .await?
                .into_inner();
            let mut statuses = answers
                .responses
                .into_iter()
                .filter_map(|answer| answer.status);
            match statuses.find(|status| status.code != 0) {
                Some(status) => Err(Status::new(Code::from_i32(status.code), status.message)),
                None => Ok(()),
            }
        });
        sent.await
            .map_err(|status| self.failed("store blobs", status))
    }

    /// Sends a large blob, unless it was sent for another action since it was missing. Returns how many bytes those are.
    async fn stream_once(&self, blob: &Blob) -> Result<u64, Error> {
        let turn = self.turns.of(&blob.digest.hash);
        let _turn = turn.lock().await;
        if self
            .missing(std::slice::from_ref(&blob.digest))
            .await?
            .is_empty()
        {
            return Ok(0);
        }
        self.stream(blob).await?;
        Ok(size(blob))
    }

    /// Sends a large blob.
    async fn stream(&self, blob: &Blob) -> Result<(), Error> {
        let v2::Digest { hash, size_bytes } = &blob.digest;
        let sent = again_while_it_moves(|| async {
            let name = format!("uploads/{}/blobs/{hash}/{size_bytes}", unique());
            let (sender, receiver) = mpsc::channel(AHEAD);
            let (blob, name) = (blob.clone(), self.resource(&name));
            let reading = blocking(move || feed(&blob, &name, &sender));
            let mut client = ByteStreamClient::new(self.channel.clone());
            let writing = client.write(ReceiverStream::new(receiver));
            let (fed, written) = tokio::join!(reading, writing);
            let written = written?.into_inner();
            if let Err(error) = fed {
                return Err(Status::invalid_argument(error.to_string()));
            }
            // A server that has it already may say so before it has read anything.
            if written.committed_size != *size_bytes && written.committed_size != -1 {
                return Err(Status::data_loss("it stored only a part of a blob"));
            }
            Ok(())
        });
        sent.await
            .map_err(|status| self.failed("store a blob", status))
    }

    /// Returns the name of a resource in the server's instance.
    fn resource(&self, name: &str) -> String {
        match self.address.instance.as_str() {
            "" => name.to_owned(),
            instance => format!("{instance}/{name}"),
        }
    }

    /// Reads a small blob, of at most `limit` bytes, and compares it with its digest.
    pub(crate) async fn read(&self, digest: &v2::Digest, limit: u64) -> Result<Vec<u8>, Error> {
        if !u64::try_from(digest.size_bytes).is_ok_and(|size| size <= limit) {
            return Err(self.wrong(format!(
                "a blob of {} bytes is too large",
                digest.size_bytes
            )));
        }
        let mut bytes = Vec::new();
        self.receive(digest, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// Writes a blob to a new file, and compares it with its digest.
    pub(crate) async fn download(&self, digest: &v2::Digest, path: &Utf8Path) -> Result<(), Error> {
        let failed = |source| Error::Io {
            action: "write",
            path: path.to_owned(),
            source,
        };
        let mut file = File::create_new(path).map_err(failed)?;
        // It is the server that says how large it is.
        let size = u64::try_from(digest.size_bytes).unwrap_or(0);
        state::check_room(size, &file).map_err(failed)?;
        self.receive(digest, &mut |chunk| file.write_all(chunk).map_err(failed))
            .await
    }

    /// Writes blobs to new files, and compares each with its digest: the small ones come together.
    pub(crate) async fn download_all(
        &self,
        files: Vec<(v2::Digest, Utf8PathBuf)>,
    ) -> Result<(), Error> {
        let (small, large): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(digest, _)| (0..=SMALL).contains(&digest.size_bytes));
        for some in small.chunks(READ_AT_ONCE) {
            let digests: Vec<v2::Digest> = some.iter().map(|(digest, _)| digest.clone()).collect();
            let Some(found) = self.read_together(&digests).await? else {
                for (digest, path) in some {
                    self.download(digest, path).await?;
                }
                continue;
            };
            for ((digest, path), bytes) in some.iter().zip(found) {
                let failed = |source| Error::Io {
                    action: "write",
                    path: path.clone(),
                    source,
                };
                self.compare(digest, &printable::hex(&Sha256::digest(&bytes)))?;
                let mut file = File::create_new(path).map_err(failed)?;
                state::check_room(bytes.len() as u64, &file).map_err(failed)?;
                file.write_all(&bytes).map_err(failed)?;
            }
        }
        for (digest, path) in &large {
            self.download(digest, path).await?;
        }
        Ok(())
    }

    /// Reads small blobs in one call, in their order. Nothing of them was compared with a digest. `None` if the server cannot
    /// do that.
    async fn read_together(&self, digests: &[v2::Digest]) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let found = again(|| async {
            let request = BatchReadBlobsRequest {
                instance_name: self.address.instance.clone(),
                digests: digests.to_vec(),
                digest_function: SHA256,
                ..BatchReadBlobsRequest::default()
            };
            self.storage().batch_read_blobs(request).await
        });
        let failed = |status| self.failed("give blobs", status);
        let answers = match found.await {
            Ok(answers) => answers.into_inner().responses,
            Err(status) if status.code() == Code::Unimplemented => return Ok(None),
            Err(status) => return Err(failed(status)),
        };
        let mut found = BTreeMap::new();
        for answer in answers {
            let status = answer.status.unwrap_or_default();
            if status.code != 0 {
                let status = Status::new(Code::from_i32(status.code), status.message);
                return Err(failed(status));
            }
            found.insert(answer.digest.unwrap_or_default().hash, answer.data);
        }
        let blob = |digest: &v2::Digest| {
            let bytes = found.get(&digest.hash).cloned();
            bytes.ok_or_else(|| self.wrong(format!("it left out the blob {}", digest.hash)))
        };
        digests.iter().map(blob).collect::<Result<_, _>>().map(Some)
    }

    /// Compares what a server gave with what was asked for.
    fn compare(&self, digest: &v2::Digest, found: &str) -> Result<(), Error> {
        let hash = &digest.hash;
        if found == hash {
            return Ok(());
        }
        Err(self.wrong(format!(
            "what it gave for the blob {hash} has sha256 {found}"
        )))
    }

    /// Receives a blob, piece by piece. After a connection that broke, it goes on where that broke. What does not have
    /// the digest is an error, after all of it was handed on.
    async fn receive(
        &self,
        digest: &v2::Digest,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let v2::Digest { hash, size_bytes } = digest;
        let name = self.resource(&format!("blobs/{hash}/{size_bytes}"));
        let state = tokio::sync::Mutex::new((Sha256::new(), 0_i64, take, None));
        let received = again_while_it_moves(|| async {
            let mut state = state.lock().await;
            let (hasher, offset, take, problem) = &mut *state;
            let mut client = ByteStreamClient::new(self.channel.clone());
            let request = ReadRequest {
                resource_name: name.clone(),
                read_offset: *offset,
                read_limit: 0,
            };
            let mut answers = client.read(request).await?.into_inner();
            while let Some(answer) = next(&mut answers).await? {
                *offset += i64::try_from(answer.data.len()).unwrap_or(i64::MAX);
                if *offset > *size_bytes {
                    return Err(Status::data_loss("it sent more of a blob than there is"));
                }
                hasher.update(&answer.data);
                if let Err(error) = take(&answer.data) {
                    *problem = Some(error);
                    return Err(Status::failed_precondition("it cannot be kept here"));
                }
            }
            if *offset < *size_bytes {
                return Err(Status::unavailable("it sent only a part of a blob"));
            }
            Ok(())
        });
        let received = received.await;
        let (hasher, _, _, problem) = state.into_inner();
        if let Some(problem) = problem {
            return Err(problem);
        }
        received.map_err(|status| self.failed("give a blob", status))?;
        self.compare(digest, &printable::hex(&hasher.finalize()))
    }
}

/// Waits for the next piece of a blob, but not for ever.
async fn next(answers: &mut Streaming<ReadResponse>) -> Result<Option<ReadResponse>, Status> {
    let late = |_| Status::unavailable("nothing arrived of a blob for a minute");
    let next = tokio::time::timeout(STALL, answers.message()).await;
    next.map_err(late)?
}

fn unreadable(source: io::Error) -> Error {
    Error::Io {
        action: "read",
        path: "a file that is sent".into(),
        source,
    }
}

/// Returns the bytes of a small blob.
fn read(blob: &Blob) -> io::Result<Vec<u8>> {
    match &blob.bytes {
        Bytes::Here(bytes) => Ok(bytes.clone()),
        Bytes::File(open) => {
            let mut bytes = Vec::new();
            open()?.take(size(blob) + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

fn size(blob: &Blob) -> u64 {
    u64::try_from(blob.digest.size_bytes).unwrap_or(0)
}

/// Feeds the bytes of a blob to a call.
fn feed(blob: &Blob, name: &str, sender: &mpsc::Sender<WriteRequest>) -> io::Result<()> {
    let mut source: Box<dyn io::Read> = match &blob.bytes {
        Bytes::Here(bytes) => Box::new(bytes.as_slice()),
        Bytes::File(open) => Box::new(open()?),
    };
    let (size, mut offset) = (size(blob), 0_u64);
    loop {
        let mut data = Vec::with_capacity(CHUNK);
        let mut chunk = (&mut source).take((CHUNK as u64).min(size - offset));
        chunk.read_to_end(&mut data)?;
        let start = offset;
        offset += data.len() as u64;
        if data.is_empty() && offset < size {
            return Err(io::Error::other("a file was changed while it was sent"));
        }
        let request = WriteRequest {
            resource_name: if start == 0 {
                name.to_owned()
            } else {
                String::new()
            },
            write_offset: i64::try_from(start).unwrap_or(i64::MAX),
            finish_write: offset == size,
            data,
        };
        // Nobody listens any more: the server has it, or the call has failed.
        if sender.blocking_send(request).is_err() || offset == size {
            return Ok(());
        }
    }
}

/// Returns a UUID that nobody else has.
fn unique() -> String {
    let random = state::random();
    let hex = |range: std::ops::Range<usize>| {
        let digits = random[range].iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    let (version, variant) = (&hex(6..8)[1..], &hex(8..10)[1..]);
    let (start, next, end) = (hex(0..4), hex(4..6), hex(10..16));
    format!("{start}-{next}-4{version}-a{variant}-{end}")
}

#[cfg(test)]
mod tests;
