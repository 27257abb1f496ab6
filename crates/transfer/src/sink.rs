//! Where the bytes of a download go.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;

/// Where the bytes of a download go, and what is there from an earlier one.
///
/// # Behavior
///
/// - A download asks what is held before each try, begins once an answer has come, and then hands over the
///   bytes in order.
/// - Nothing is to be given up before [`begin`](Self::begin): a try that gets no answer leaves all as it is.
#[async_trait]
pub trait Sink: Send {
    /// Returns what is there of the same file, if it can be continued.
    async fn held(&mut self) -> io::Result<Option<Held>>;

    /// Begins: bytes follow that stand behind the first `begin.from` ones. All behind those is to be dropped.
    async fn begin(&mut self, begin: Begin) -> io::Result<()>;

    /// Takes the bytes that follow.
    async fn take(&mut self, bytes: Bytes) -> io::Result<()>;
}

/// What is there of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How many bytes.
    pub bytes: u64,
    /// The strong validator of the file that they are from.
    pub validator: String,
}

/// How an answer begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// How many bytes of the file are not sent, since they are held.
    pub from: u64,
    /// How many bytes the whole file has, if the server says so.
    pub length: Option<u64>,
    /// The strong validator of the file, if it has one.
    pub validator: Option<String>,
}

/// A document in memory. Whoever asks for it says how large it may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// What has arrived.
    pub bytes: Vec<u8>,
}

#[async_trait]
impl Sink for Memory {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        Ok(None)
    }

    async fn begin(&mut self, _begin: Begin) -> io::Result<()> {
        self.bytes.clear();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}
