//! Where a server is, as a user writes it: `grpc[s]://HOST:PORT[/INSTANCE]`.

use std::fmt;
use std::str::FromStr;

/// Where a server of the Remote Execution API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether the connection is encrypted.
    pub(crate) is_encrypted: bool,
    /// Host and port.
    pub(crate) authority: String,
    /// The name of the instance on the server; mostly none.
    pub(crate) instance: String,
}

/// Why a text is not the address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected grpc://HOST:PORT, or grpcs://HOST:PORT with encryption, and /INSTANCE if the server has several"
)]
pub struct InvalidAddress;

impl Address {
    /// Tells whether another address is one of the same server.
    pub fn is_of_same_server(&self, other: &Self) -> bool {
        self.authority == other.authority
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress)?;
        let is_encrypted = match scheme {
            "grpc" => false,
            "grpcs" => true,
            _ => return Err(InvalidAddress),
        };
        let (authority, instance) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':').ok_or(InvalidAddress)?;
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
        let is_valid = if is_bracketed {
            host.len() > 2 && host[1..host.len() - 1].chars().all(is_address)
        } else {
            !host.is_empty() && host.chars().all(is_host)
        };
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_name = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        let is_instance = instance.is_empty() || instance.split('/').all(is_name);
        if !(is_valid && is_port && is_instance) {
            return Err(InvalidAddress);
        }
        Ok(Self {
            is_encrypted,
            authority: authority.to_owned(),
            instance: instance.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "grpcs" } else { "grpc" };
        write!(f, "{scheme}://{}", self.authority)?;
        match self.instance.as_str() {
            "" => Ok(()),
            instance => write!(f, "/{instance}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address_is_printed_as_it_was_written() {
        for text in [
            "grpc://localhost:8980",
            "grpcs://build.example.org:443/main",
            "grpc://[::1]:50051/a/b",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "localhost:8980",
            "http://localhost:8980",
            "grpc://localhost",
            "grpc://:8980",
            "grpc://user@host:8980",
            "grpc://host:0",
            "grpc://host:99999",
            "grpc://host:1/",
            "grpc://host:1/a//b",
            "grpc://host:1/a b",
            "grpc://[::1:50051",
        ] {
            let parsed = text.parse::<Address>();
            // A slash at the end names the same as none.
            assert_eq!(parsed.is_ok(), text == "grpc://host:1/", "{text}");
        }
    }
}
