//! An address that can be downloaded from: `http` or `https`, a host, and no credentials.
//!
//! It knows texts, and asks nobody.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// The most bytes that an address has.
const LONGEST: usize = 8192;

/// An address that can be downloaded from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(Url);

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is not a URL.
    #[error("it is not a valid URL")]
    NotUrl,
    /// It has another scheme.
    #[error("only http and https addresses are downloaded from")]
    Scheme,
    /// It has a user name or a password, which would end up in logs, and with whomever it redirects to.
    #[error("it contains a user name or a password")]
    Credentials,
    /// It has too many bytes.
    #[error("it has more than {LONGEST} bytes")]
    TooLong,
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        if text.len() > LONGEST {
            return Err(InvalidAddress::TooLong);
        }
        Self::of(Url::parse(text).map_err(|_| InvalidAddress::NotUrl)?)
    }

    /// Reads an address to which this one redirects; it may be relative.
    pub(crate) fn join(&self, text: &str) -> Result<Self, InvalidAddress> {
        if text.len() > LONGEST {
            return Err(InvalidAddress::TooLong);
        }
        let mut url = self.0.join(text).map_err(|_| InvalidAddress::NotUrl)?;
        url.set_fragment(None);
        Self::of(url)
    }

    fn of(url: Url) -> Result<Self, InvalidAddress> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidAddress::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidAddress::Credentials);
        }
        Ok(Self(url))
    }

    /// Returns its host and port: whom a limit is for.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        let port = self.0.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// Returns its host as an address has it: with its port, if it is not that of the scheme.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Adds values to what is asked for behind the `?`, encoded as they have to be.
    #[must_use]
    pub fn with_query(mut self, values: &[(&str, &str)]) -> Self {
        self.0.query_pairs_mut().extend_pairs(values);
        self
    }

    /// Tells whether it is one of this machine, by its name alone: nobody is asked where a name leads.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Tells whether another address is one of the same server, reached in the same way.
    pub fn is_of_same_server(&self, other: &Self) -> bool {
        self.0.scheme() == other.0.scheme() && self.host() == other.host()
    }

    /// Tells whether what is sent from there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://a.org/b", "a.org:443")]
    #[case("http://a.org/b", "a.org:80")]
    #[case("HTTP://A.org:8080/b", "a.org:8080")]
    #[case("http://[::1]:1/", "[::1]:1")]
    fn a_host_has_its_port(#[case] text: &str, #[case] host: &str) {
        assert_eq!(Address::parse(text).unwrap().host(), host);
    }

    #[rstest]
    #[case("ftp://a.org/b", InvalidAddress::Scheme)]
    #[case("file:///etc/passwd", InvalidAddress::Scheme)]
    #[case("https://u:p@a.org/", InvalidAddress::Credentials)]
    #[case("https://u@a.org/", InvalidAddress::Credentials)]
    #[case("a.org/b", InvalidAddress::NotUrl)]
    #[case("https://", InvalidAddress::NotUrl)]
    fn others_are_refused(#[case] text: &str, #[case] expected: InvalidAddress) {
        assert_eq!(Address::parse(text), Err(expected));
        let from = Address::parse("https://b.org/x/y").unwrap();
        if expected != InvalidAddress::NotUrl {
            assert_eq!(from.join(text), Err(expected));
        }
    }

    #[rstest]
    #[case("http://localhost:5000/", true)]
    #[case("http://127.9.9.9/", true)]
    #[case("http://2130706433/", true)]
    #[case("http://[::1]/", true)]
    #[case("http://localhost.org/", false)]
    #[case("http://127.0.0.1.org/", false)]
    #[case("http://10.0.0.1/", false)]
    fn this_machine_is_known(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(Address::parse(text).unwrap().is_loopback(), expected);
    }

    #[test]
    fn values_are_encoded() {
        let address = Address::parse("https://a.org/b?c=d").unwrap();
        let address = address.with_query(&[("scope", "a:b&c"), ("x", "\n")]);
        assert_eq!(
            address.to_string(),
            "https://a.org/b?c=d&scope=a%3Ab%26c&x=%0A"
        );
    }

    #[test]
    fn an_address_too_long_is_refused() {
        let long = format!("https://a.org/{}", "x".repeat(LONGEST));
        assert_eq!(Address::parse(&long), Err(InvalidAddress::TooLong));
    }
}
