//! What can go wrong with a download, and whether trying again may help.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use crate::address::InvalidAddress;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A proxy is not named as one is. What is said there may have a password in it.
    #[error("{0} is not the URL of a proxy")]
    Proxy(&'static str),
    /// Nothing can be encrypted.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// Why an address did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's answer is not a file.
    #[error("the server answered {}", status(*.code))]
    Status {
        /// The status of the answer.
        code: u16,
        /// How long the server wants not to be asked.
        retry_after: Option<Duration>,
    },
    /// The server wants to know who is asking (401), and says how it wants to be told: its headers
    /// `WWW-Authenticate`, which are somebody else's texts.
    #[error("the server answered {}", status(401))]
    Challenged(Vec<String>),
    /// It would be asked without encryption, and may not.
    #[error("{0} would be asked without encryption")]
    Plain(String),
    /// The server wants not to be asked for longer than anybody waits.
    #[error("the server answered {}, and wants to be asked again after {} s only", status(*.code), .wait.as_secs())]
    Busy {
        /// The status of the answer.
        code: u16,
        /// How long the server wants not to be asked.
        wait: Duration,
    },
    /// No connection could be made.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server did not prove who it is.
    #[error("the server's certificate is not valid here: {0}")]
    Certificate(String),
    /// Nothing arrived for too long.
    #[error("it stalled: nothing arrived for {:.1} s", .0.as_secs_f64())]
    Stalled(Duration),
    /// Hardly anything arrived for too long.
    #[error("it is too slow: less than {0} bytes a second")]
    Slow(u64),
    /// The connection broke, or what arrived is not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A redirect that is not followed.
    #[error("it redirects to {to}: {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// Why it is not followed.
        why: BadRedirect,
    },
    /// What should continue a file does not.
    #[error("the server did not send the part that was asked for")]
    Range,
    /// The file is too large.
    #[error("it sends more than {0} bytes, the limit for one file")]
    TooLarge(u64),
    /// What arrived could not be kept.
    #[error("cannot store the downloaded bytes")]
    Sink(#[source] io::Error),
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    /// It leads to something that is no address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// From https to http.
    #[error("it would leave https")]
    Unencrypted,
    /// To where it came from.
    #[error("it leads back to an address that was asked already")]
    Circle,
    /// There were too many.
    #[error("it is one redirect too many")]
    TooMany,
}

/// What is done after a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the answer will stay the same.
    GiveUp,
    /// Another try, after a pause that grows.
    Again,
    /// Another try, after the pause that the server asks for.
    AgainAfter(Duration),
    /// Another try at once, for the whole file.
    Whole,
}

impl Error {
    /// Returns what is done after a try that failed with it.
    pub(crate) fn next(&self) -> Next {
        match self {
            Self::Status {
                retry_after: Some(wait),
                ..
            } if self.may_pass() => Next::AgainAfter(*wait),
            Self::Range => Next::Whole,
            // Not while anybody waits.
            Self::Busy { .. } => Next::GiveUp,
            _ if self.may_pass() => Next::Again,
            _ => Next::GiveUp,
        }
    }

    /// Tells whether the same address may give the file another time.
    pub fn may_pass(&self) -> bool {
        match self {
            // Request Timeout, Too Early, Too Many Requests; and of what is the server's fault, not that it can
            // never do it.
            Self::Status { code, .. } => {
                matches!(code, 408 | 425 | 429) || (*code >= 500 && !matches!(code, 501 | 505))
            }
            Self::Busy { .. }
            | Self::Connect(_)
            | Self::Stalled(_)
            | Self::Slow(_)
            | Self::Broken(_)
            | Self::Range => true,
            Self::Challenged(_)
            | Self::Plain(_)
            | Self::Certificate(_)
            | Self::Redirect { .. }
            | Self::TooLarge(_)
            | Self::Sink(_) => false,
        }
    }

    /// Returns what somebody can do about it, where it is not the server's fault alone.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Certificate(_) => Some(
                "if certificates are missing on this machine, install ca-certificates, or name a file with \
                 them in SSL_CERT_FILE",
            ),
            Self::Connect(_) => {
                Some("check the network, and the variables http_proxy, https_proxy and no_proxy")
            }
            _ => None,
        }
    }

    /// Takes what the library below says.
    pub(crate) fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        let mut is_certificate = false;
        while let Some(cause) = source {
            is_certificate |= is_of_certificate(cause);
            causes.push(cause.to_string());
            source = cause.source();
        }
        // The last one says what happened, those before it where.
        let last = causes.pop().unwrap_or_default();
        if is_certificate {
            Self::Certificate(last)
        } else if error.is_connect() {
            Self::Connect(last)
        } else {
            Self::Broken(last)
        }
    }
}

/// Tells whether an error is that of a certificate. Those of the operating system hide what they are made of from
/// whoever asks for their source.
fn is_of_certificate(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    let inner = cause
        .downcast_ref::<io::Error>()
        .and_then(|error| error.get_ref());
    inner.is_some_and(|inner| is_of_certificate(inner))
}

/// Returns a status with its name.
fn status(code: u16) -> String {
    match reqwest::StatusCode::from_u16(code) {
        Ok(status) => status.to_string(),
        Err(_) => code.to_string(),
    }
}
