//! Asking whether a file is there, without its contents.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};

use crate::address::Address;
use crate::client::{Answer, Client, Question, text};
use crate::error::Error;
use crate::range::Part;
use crate::terms::Terms;

/// What is said of a file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// How many bytes it has, if the server says so.
    pub length: Option<u64>,
    /// Where it has moved for good (301, 308).
    pub moved: Option<Address>,
    /// How long the answer took, with all redirects.
    pub took: Duration,
}

impl Client {
    /// Asks for the head of a file, or for its first byte where a server does not answer that well. Each is asked
    /// once.
    pub async fn probe(&self, address: &Address) -> Result<Probed, Error> {
        let terms = Terms::default();
        let answer = match self.follow(address, Question::Head, &terms).await {
            Err(error @ (Error::Connect(_) | Error::Certificate(_) | Error::Redirect { .. })) => {
                return Err(error);
            }
            Err(_) => self.follow(address, Question::FirstByte, &terms).await?,
            Ok(answer) => answer,
        };
        Ok(Probed {
            length: length(&answer),
            moved: answer.moved,
            took: answer.took,
        })
    }
}

/// Returns how many bytes the whole file has.
fn length(answer: &Answer) -> Option<u64> {
    let headers = answer.response.headers();
    if answer.response.status() == reqwest::StatusCode::PARTIAL_CONTENT {
        return text(headers, &CONTENT_RANGE).and_then(Part::parse)?.length;
    }
    text(headers, &CONTENT_LENGTH)?.parse().ok()
}
