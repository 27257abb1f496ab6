//! A request that may send something: what is done, and with what.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Url};

/// How many bytes of a body must leave in a second. What is sent is not watched on its way.
const SLOWEST: u64 = 64 << 10;

/// What is done with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Asks whether it is there.
    Head,
    /// Asks for it.
    Get,
    /// Begins something there.
    Post,
    /// Adds something to it.
    Patch,
    /// Puts something there.
    Put,
    /// Removes it.
    Delete,
}

/// A request, beside its address and its terms.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What is done.
    pub verb: Verb,
    /// Further headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Bytes,
}

impl Verb {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Head => Method::HEAD,
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Patch => Method::PATCH,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }

    /// Tells whether it only asks, so that a redirect may be followed.
    pub(crate) fn is_question(self) -> bool {
        matches!(self, Self::Head | Self::Get)
    }
}

impl Exchange {
    /// Returns a request without a body.
    pub fn of(verb: Verb) -> Self {
        Self {
            verb,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Returns a request that sends values as a form of HTML does.
    pub fn form(values: &[(&str, &str)]) -> Self {
        let mut url = Url::parse("http://localhost/").expect("it is a URL");
        url.query_pairs_mut().extend_pairs(values);
        let media_type = "application/x-www-form-urlencoded".to_owned();
        Self {
            verb: Verb::Post,
            headers: vec![("content-type", media_type)],
            body: url.query().unwrap_or_default().to_owned().into(),
        }
    }

    /// Returns for how long the whole of it may take to be sent, beside the time that any answer may take.
    pub(crate) fn sending(&self) -> Duration {
        Duration::from_secs(self.body.len() as u64 / SLOWEST)
    }
}
