//! What one request has beside its address: headers that the server needs, who is asking, how much may come back, and
//! where it may go without encryption.
//!
//! It does not know what a registry or a token is.

use std::collections::BTreeSet;
use std::fmt;

use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};

use crate::address::Address;

/// What one request has beside its address. The default is a plain request.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The media types that are understood, as the header `Accept` lists them.
    pub accept: Option<&'static str>,
    /// Who is asking. It is sent to the host of the address only: no redirect takes it to another one.
    pub authorization: Option<Authorization>,
    /// How many bytes the file may have, if that is less than what the client takes.
    pub largest: Option<u64>,
    /// Which hosts are asked without encryption.
    pub plain: Plain,
}

/// Which hosts are asked without encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Plain {
    /// Any: whether an address is encrypted is up to who names it. Redirects never leave https all the same.
    #[default]
    Any,
    /// This machine, if the first address is one of this machine, and these hosts, each with its port.
    Only(BTreeSet<String>),
}

impl Plain {
    /// Tells whether an address may be asked to which `first` has led, or which it is.
    pub fn permits(&self, first: &Address, next: &Address) -> bool {
        match self {
            Self::Any => true,
            Self::Only(hosts) => {
                next.is_encrypted()
                    || (first.is_loopback() && next.is_loopback())
                    || hosts.contains(&next.host())
            }
        }
    }
}

/// Who is asking. It is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(HeaderValue);

/// A text cannot be sent as credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has characters that no HTTP header can have")]
pub struct InvalidAuthorization;

impl Authorization {
    /// Takes the value of a header `Authorization`, such as `Basic ...` or `Bearer ...`.
    ///
    /// # Errors
    ///
    /// It is not printable ASCII: whatever else is in it could end the header.
    pub fn new(value: &str) -> Result<Self, InvalidAuthorization> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !value.bytes().all(is_plain) {
            return Err(InvalidAuthorization);
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| InvalidAuthorization)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(..)")
    }
}

impl Terms {
    /// Adds the headers of a request. `is_known` says that all who were asked on the way are the server of the first
    /// address.
    pub(crate) fn put(&self, mut request: RequestBuilder, is_known: bool) -> RequestBuilder {
        if let Some(accept) = self.accept {
            request = request.header(ACCEPT, accept);
        }
        match &self.authorization {
            Some(Authorization(value)) if is_known => request.header(AUTHORIZATION, value.clone()),
            _ => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Bearer abc.def-_=", true)]
    #[case("Bearer a\r\nX-Other: b", false)]
    #[case("Bearer a\tb", false)]
    #[case("Bearer \u{e4}", false)]
    #[case("Bearer \u{7f}", false)]
    fn only_printable_ascii_is_sent(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(Authorization::new(text).is_ok(), expected);
    }

    #[test]
    fn credentials_are_not_shown() {
        let terms = Terms {
            authorization: Some(Authorization::new("Bearer secret").unwrap()),
            ..Terms::default()
        };
        assert!(!format!("{terms:?}").contains("secret"));
    }

    #[rstest]
    #[case("https://a.org/", "https://b.org/", true)]
    #[case("http://127.0.0.1:1/", "http://localhost:2/", true)]
    #[case("http://127.0.0.1:1/", "http://[::1]:2/", true)]
    #[case("http://127.0.0.1:1/", "http://b.org/", false)]
    #[case("http://127.0.0.1:1/", "http://127.0.0.1.b.org/", false)]
    #[case("http://a.org:5000/", "http://127.0.0.1:2/", false)]
    #[case("http://a.org:5000/", "http://a.org:5000/x", true)]
    #[case("http://a.org:5000/", "http://a.org/x", false)]
    fn plain_http_goes_to_few(#[case] first: &str, #[case] next: &str, #[case] expected: bool) {
        let plain = Plain::Only(BTreeSet::from(["a.org:5000".to_owned()]));
        let [first, next] = [first, next].map(|text| Address::parse(text).unwrap());
        assert_eq!(plain.permits(&first, &next), expected);
        assert!(Plain::Any.permits(&first, &next));
    }
}
