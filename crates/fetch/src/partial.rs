//! A file of the store while it arrives: locked, hashed as it is written, and continued after a kill.
//!
//! It is written and hashed by threads of its own, so that the network waits for neither. Whatever a process
//! that was killed has left is a beginning of what arrived, since bytes are only appended.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use state::{BLOCK, check_room};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transfer::{Begin, Held, Sink};

use crate::store::{Store, note, partial};

/// The mode of a partial file: whoever could open it could lock it.
const MODE: u32 = 0o600;
/// The most bytes of a note.
const LONGEST_NOTE: u64 = 1 << 14;
/// How many pieces wait for being written.
const WAITING: usize = 8;
/// How many bytes are hashed by the thread that writes them: for fewer, another thread is not worth its start.
const INLINE: u64 = 4 << 20;

/// A file of the store while it arrives. Nobody else has it meanwhile.
pub(crate) struct Partial {
    store: Arc<Store>,
    hash: String,
    /// The mirror that bytes are received from.
    pub(crate) mirror: String,
    note: Option<Note>,
    state: State,
}

/// What is known of a partial file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// The mirror that it is from.
    mirror: String,
    /// The strong validator of the file there.
    validator: String,
    /// How many bytes the whole file has, if that is known.
    pub(crate) length: Option<u64>,
}

enum State {
    Resting(Writing),
    Running {
        pieces: mpsc::Sender<Bytes>,
        thread: JoinHandle<(Writing, io::Result<()>)>,
    },
    /// Somebody gave up waiting for it.
    Lost,
}

/// The file, and the hash of its first bytes.
struct Writing {
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl Partial {
    /// Opens and locks the partial file of a hash. `waiting` is called before this waits for another process.
    pub(crate) fn open(store: &Arc<Store>, hash: &str, waiting: &dyn Fn()) -> io::Result<Self> {
        let mut file = loop {
            let file = open(store, hash)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waiting();
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it may have finished it meanwhile, and then it has another name.
            if is_still(store, hash, &file)? {
                break file;
            }
        };
        let mut hasher = Sha256::new();
        let bytes = hash_into(&mut hasher, &mut file)?;
        let writing = Writing {
            file,
            hasher,
            bytes,
        };
        Ok(Self {
            note: read_note(store, hash),
            store: Arc::clone(store),
            hash: hash.to_owned(),
            mirror: String::new(),
            state: State::Resting(writing),
        })
    }

    /// Returns how many bytes there are, and their hash.
    pub(crate) async fn found(&mut self) -> io::Result<(u64, String)> {
        let writing = self.rest().await?;
        let found = writing.hasher.clone().finalize();
        Ok((writing.bytes, printable::hex(&found)))
    }

    /// Gives the file its final name, which it is to have only if [`found`](Self::found) is its hash.
    pub(crate) async fn finish(mut self) -> io::Result<File> {
        let store = Arc::clone(&self.store);
        let hash = self.hash.clone();
        self.rest().await?;
        let State::Resting(writing) = std::mem::replace(&mut self.state, State::Lost) else {
            return Err(lost());
        };
        store.finish(&writing.file, &hash)?;
        Ok(writing.file)
    }

    /// Removes it: the whole file is there.
    pub(crate) fn discard(self) -> io::Result<()> {
        let directory = &self.store.directory;
        directory.remove(&note(&self.hash))?;
        directory.remove(&partial(&self.hash))
    }

    /// Keeps aside what arrived. Returns where.
    pub(crate) async fn wrong(mut self, found: &str) -> io::Result<Utf8PathBuf> {
        self.rest().await?;
        self.store.wrong(&self.hash, found)
    }

    /// Forgets from where its bytes are, so that they are not continued.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        self.note = None;
        self.store.directory.remove(&note(&self.hash))
    }

    /// Gives up what has arrived: it is no beginning of anything.
    pub(crate) async fn clear(&mut self) -> io::Result<()> {
        self.forget()?;
        self.rest().await?.clear()
    }

    /// Takes the contents of a file of this machine.
    pub(crate) async fn take_file(&mut self, from: File) -> io::Result<()> {
        let length = from.metadata()?.len();
        self.take_from(from.take(length), length).await
    }

    /// Takes what is read, which is said to have so many bytes, instead of what has arrived.
    pub(crate) async fn take_from(
        &mut self,
        from: impl io::Read + Send + 'static,
        length: u64,
    ) -> io::Result<()> {
        self.forget()?;
        self.rest().await?;
        let State::Resting(writing) = std::mem::replace(&mut self.state, State::Lost) else {
            return Err(lost());
        };
        let copying = move || {
            let mut writing = writing;
            let copied = writing.copy(from, length);
            (writing, copied)
        };
        let (writing, copied) = tokio::task::spawn_blocking(copying)
            .await
            .map_err(|_| lost())?;
        self.state = State::Resting(writing);
        copied
    }

    /// Waits until everything that was taken is written.
    async fn rest(&mut self) -> io::Result<&mut Writing> {
        if let State::Running { .. } = self.state
            && let State::Running { pieces, thread } =
                std::mem::replace(&mut self.state, State::Lost)
        {
            drop(pieces);
            let (writing, written) = thread.await.map_err(|_| lost())?;
            self.state = State::Resting(writing);
            written?;
        }
        match &mut self.state {
            State::Resting(writing) => Ok(writing),
            State::Running { .. } | State::Lost => Err(lost()),
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("the thread that writes it ended early")
}

#[async_trait]
impl Sink for Partial {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        let bytes = self.rest().await?.bytes;
        let note = self.note.as_ref();
        let note = note.filter(|note| note.mirror == self.mirror && bytes > 0);
        Ok(note.map(|note| Held {
            bytes,
            validator: note.validator.clone(),
        }))
    }

    async fn begin(&mut self, begin: Begin) -> io::Result<()> {
        let keeps = self.rest().await?.bytes == begin.from && begin.from > 0;
        if !keeps {
            // Without its note nothing is continued, whenever this ends.
            self.forget()?;
            self.rest().await?.clear()?;
        }
        let writing = self.rest().await?;
        if let Some(length) = begin.length {
            check_room(length.saturating_sub(writing.bytes), &writing.file)?;
        }
        if let (false, Some(validator)) = (keeps, begin.validator) {
            let note = Note {
                mirror: self.mirror.clone(),
                validator,
                length: begin.length,
            };
            write_note(&self.store, &self.hash, &note)?;
            self.note = Some(note);
        }
        let State::Resting(writing) = std::mem::replace(&mut self.state, State::Lost) else {
            return Err(lost());
        };
        let (pieces, receiver) = mpsc::channel(WAITING);
        let thread = tokio::task::spawn_blocking(move || writing.receive(receiver));
        self.state = State::Running { pieces, thread };
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        let State::Running { pieces, .. } = &self.state else {
            return Err(lost());
        };
        if pieces.send(bytes).await.is_ok() {
            return Ok(());
        }
        // The thread has ended because it could not write, and says why.
        self.rest().await?;
        Err(lost())
    }
}

impl Writing {
    /// Writes pieces as they come. Beyond the first bytes they are hashed by another thread meanwhile.
    fn receive(mut self, mut pieces: mpsc::Receiver<Bytes>) -> (Self, io::Result<()>) {
        let end = self.bytes + INLINE;
        while self.bytes < end {
            let Some(piece) = pieces.blocking_recv() else {
                return (self, Ok(()));
            };
            if let Err(error) = self.append(&piece) {
                return (self, Err(error));
            }
        }
        let Self {
            mut file,
            mut hasher,
            mut bytes,
        } = self;
        let (to_hash, written) = std::sync::mpsc::sync_channel::<Bytes>(WAITING);
        let hashing = std::thread::spawn(move || {
            for piece in written {
                hasher.update(&piece);
            }
            hasher
        });
        let mut outcome = Ok(());
        while outcome.is_ok()
            && let Some(mut piece) = pieces.blocking_recv()
        {
            outcome = write(&mut file, &piece).map_err(|(length, error)| {
                piece.truncate(length);
                error
            });
            bytes += piece.len() as u64;
            // It ends only with the last piece.
            let _ = to_hash.send(piece);
        }
        drop(to_hash);
        let hasher = hashing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let writing = Self {
            file,
            hasher,
            bytes,
        };
        (writing, outcome)
    }

    /// Writes a piece, or as much of it as can be written: that is hashed too, so that nothing of it is lost.
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        let (length, outcome) = match write(&mut self.file, piece) {
            Ok(()) => (piece.len(), Ok(())),
            Err((length, error)) => (length, Err(error)),
        };
        self.hasher.update(&piece[..length]);
        self.bytes += length as u64;
        outcome
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }

    fn copy(&mut self, from: impl io::Read, length: u64) -> io::Result<()> {
        self.clear()?;
        check_room(length, &self.file)?;
        each_block(from, |block| self.append(block))
    }
}

/// Writes a piece. An error says how many of its bytes were written before.
fn write(file: &mut File, piece: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut length = 0;
    while length < piece.len() {
        match file.write(&piece[length..]) {
            Ok(0) => return Err((length, io::ErrorKind::WriteZero.into())),
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((length, error)),
        }
    }
    Ok(())
}

/// Hands over what is left to read, block by block.
fn each_block(
    mut from: impl io::Read,
    mut hear: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => hear(&block[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes what is left to read. Returns how many bytes there were.
pub(crate) fn hash_into(hasher: &mut Sha256, from: impl io::Read) -> io::Result<u64> {
    let mut bytes = 0;
    each_block(from, |block| {
        hasher.update(block);
        bytes += block.len() as u64;
        Ok(())
    })?;
    Ok(bytes)
}

/// Opens a partial file. What is no file of our own, since it is a symbolic link, has other names or is not even a
/// file, is replaced.
fn open(store: &Store, hash: &str) -> io::Result<File> {
    let path = partial(hash);
    let is_ours = match store.directory.metadata(&path)? {
        Some(found) => found.is_file() && found.nlink() == 1,
        None => true,
    };
    if !is_ours {
        store.directory.remove(&path)?;
    }
    store.directory.file_to_keep(&path, MODE)
}

/// Tells whether the file that is locked is the one that others would lock.
fn is_still(store: &Store, hash: &str, file: &File) -> io::Result<bool> {
    let found = store.directory.metadata(&partial(hash))?;
    let ours = file.metadata()?;
    Ok(found.is_some_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino())))
}

/// Reads a note. What is not there, or cannot be understood, is none.
pub(crate) fn read_note(store: &Store, hash: &str) -> Option<Note> {
    let text = store.directory.read_text(&note(hash), LONGEST_NOTE).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_note(store: &Store, hash: &str, contents: &Note) -> io::Result<()> {
    let text = serde_json::to_string(contents)?;
    store.directory.write(&note(hash), text.as_bytes())
}
