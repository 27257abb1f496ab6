//! One exchange with a server that is sent something: a request with a body, and an answer that is read whole.
//!
//! It knows the protocol, and no format. Only questions follow redirects: what is sent goes where it was addressed to.

use reqwest::header::{HeaderMap, LOCATION};

use crate::address::Address;
use crate::client::{Client, Question, text};
use crate::error::{BadRedirect, Error};
use crate::request::Exchange;
use crate::sink::Memory;
use crate::terms::Terms;

/// An answer that says that it was done (2xx).
#[derive(Debug, Clone)]
pub struct Answered {
    /// Where it came from, after all redirects.
    pub from: Address,
    /// Its status.
    pub code: u16,
    /// What it comes with.
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Answered {
    /// Returns a header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the address that the server names for what follows, which may be relative.
    ///
    /// # Errors
    ///
    /// There is none, or it leaves https.
    pub fn location(&self) -> Result<Option<Address>, Error> {
        let Some(to) = text(&self.headers, &LOCATION) else {
            return Ok(None);
        };
        self.leads(to).map(Some)
    }

    /// Returns an address to which the answer leads; it may be relative.
    ///
    /// # Errors
    ///
    /// It is none, or it leaves https.
    pub fn leads(&self, to: &str) -> Result<Address, Error> {
        let bad = |why| Error::Redirect {
            to: to.to_owned(),
            why,
        };
        let next = self.from.join(to).map_err(|error| bad(error.into()))?;
        if self.from.is_encrypted() && !next.is_encrypted() {
            return Err(bad(BadRedirect::Unencrypted));
        }
        Ok(next)
    }
}

/// Makes a request again and again until it is answered, with growing pauses, where that may help. It must be one that may
/// be made twice.
///
/// # Errors
///
/// Why the last try failed.
pub async fn exchange(
    client: &Client,
    address: &Address,
    terms: &Terms,
    request: &Exchange,
) -> Result<Answered, Error> {
    let mut tries = 0;
    loop {
        let error = match exchange_once(client, address, terms, request).await {
            Ok(answered) => return Ok(answered),
            Err(error) => error,
        };
        tries += 1;
        let Some(pause) = client.pause_after(tries, &error) else {
            return Err(error);
        };
        tokio::time::sleep(pause).await;
    }
}

/// Makes a request once.
///
/// # Errors
///
/// Why it failed.
pub async fn exchange_once(
    client: &Client,
    address: &Address,
    terms: &Terms,
    request: &Exchange,
) -> Result<Answered, Error> {
    let question = Question::Exchange(request);
    let mut answer = client.follow(address, question, terms).await?;
    let largest = terms.largest.unwrap_or(u64::MAX);
    let largest = largest.min(client.config.largest);
    let mut body = Memory::default();
    let receiving = client.receive(&mut answer, &mut body, 0, largest, &|_| {});
    receiving.await?;
    Ok(Answered {
        code: answer.response.status().as_u16(),
        headers: answer.response.headers().clone(),
        from: answer.from,
        body: body.bytes,
    })
}
