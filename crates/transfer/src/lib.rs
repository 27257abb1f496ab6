//! The HTTP client: one download from one address, or one exchange with it, with retries, ranges, redirects, proxies,
//! root certificates, and limits in total and for each host.
//!
//! It knows the protocol. It does not know what the bytes are for, whether they are the right ones, nor
//! whether another address has them too.

mod address;
mod client;
mod config;
mod download;
mod error;
mod exchange;
mod limits;
mod names;
mod pause;
mod probe;
mod range;
mod request;
mod roots;
mod sink;
mod terms;

pub use address::{Address, InvalidAddress};
pub use client::Client;
pub use config::{Config, Proxies, Roots};
pub use download::{Downloaded, Event};
pub use error::{Error, Unusable};
pub use exchange::{Answered, exchange, exchange_once};
pub use probe::Probed;
pub use request::{Exchange, Verb};
pub use sink::{Begin, Held, Memory, Sink};
pub use terms::{Authorization, InvalidAuthorization, Plain, Terms};
