//! Signatures of a lookaside server: `signature-1`, `signature-2` and so on, until the server has no further one.
//!
//! A server is nobody's friend: it may lie, redirect in a circle, hang, or send without an end. What it sends is
//! bounded, and believed no more than a file. It does not know what a signature says.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;
use transfer::{Address, Begin, Client, Config, Error, Held, InvalidAddress, Sink, Unusable};

use crate::place::{FILE_LIMIT, MOST, Place, StoredSignatures, Stray, file_name};

/// A server that has signatures.
#[derive(Debug, Clone)]
pub struct Lookaside {
    client: Client,
    base: String,
}

/// Why no server can be asked.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLookaside {
    /// Its address is none.
    #[error("`{base}` is not the address of a server with signatures: {why}")]
    Address {
        /// What was said.
        base: String,
        /// Why not.
        why: InvalidAddress,
    },
    /// Its address has something behind its path.
    #[error(
        "`{0}` is not the address of a server with signatures: `?` and `#` have no place in it"
    )]
    Query(String),
    /// Nobody can be asked.
    #[error(transparent)]
    Client(#[from] Unusable),
}

impl Lookaside {
    /// Makes what asks the server at `base`.
    ///
    /// # Errors
    ///
    /// That is no address, or nobody can be asked.
    pub fn new(base: &str, config: Config) -> Result<Self, InvalidLookaside> {
        Address::parse(base).map_err(|why| InvalidLookaside::Address {
            base: base.to_owned(),
            why,
        })?;
        if base.contains(['?', '#']) {
            return Err(InvalidLookaside::Query(base.to_owned()));
        }
        let config = Config {
            largest: FILE_LIMIT,
            ..config
        };
        Ok(Self {
            client: Client::new(config)?,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Returns its address, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for the signatures of each place, and returns what there is in their order.
    pub async fn read_all(&self, places: Vec<Place>) -> Vec<StoredSignatures> {
        let mut asked = JoinSet::new();
        let count = places.len();
        let this = Arc::new(self.clone());
        for (number, place) in places.into_iter().enumerate() {
            let this = Arc::clone(&this);
            asked.spawn(async move { (number, this.read(&place).await) });
        }
        let mut found = vec![StoredSignatures::default(); count];
        while let Some(one) = asked.join_next().await {
            let (number, one) = one.expect("asking does not panic, and nobody ends it");
            found[number] = one;
        }
        found
    }

    /// Asks for the signatures of a place. What cannot be had is said in the place of what is behind it.
    pub async fn read(&self, place: &Place) -> StoredSignatures {
        let mut found = StoredSignatures::default();
        for number in 1..=MOST {
            match self.one(place, number).await {
                Ok(Some(bytes)) => found.signatures.push((number, bytes)),
                Ok(None) => return found,
                Err(error) => {
                    let why = error.to_string();
                    found.strays.push(Stray::Unreadable { number, why });
                    return found;
                }
            }
        }
        found.strays.push(Stray::TooMany { number: MOST + 1 });
        found
    }

    /// Asks for a signature; nothing if there is none.
    async fn one(&self, place: &Place, number: u32) -> Result<Option<Vec<u8>>, Error> {
        let address = format!("{}/{place}/{}", self.base, file_name(number));
        let address = Address::parse(&address)
            .expect("the base is an address, and a place has no odd letter");
        let mut buffer = Buffer(Vec::new());
        match self.client.download(&address, &mut buffer, &|_| ()).await {
            Ok(_) => Ok(Some(buffer.0)),
            Err(Error::Status {
                code: 404 | 410, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What has arrived of a signature.
struct Buffer(Vec<u8>);

#[async_trait]
impl Sink for Buffer {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        Ok(None)
    }

    async fn begin(&mut self, _: Begin) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}
