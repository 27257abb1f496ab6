//! A client of OCI registries: an image that a reference names becomes an OCI layout in a directory, whole or not at
//! all; and the images of a layout are published.
//!
//! Nothing that a registry sends is trusted. Every document and every blob is compared with its digest while it
//! arrives, and every size has a limit ([`Limits`]). It does not know what is in a layer, nor how HTTP is spoken:
//! that is `transfer`'s.

mod artifact;
mod ask;
mod blob;
mod challenge;
mod client;
mod config;
mod document;
mod error;
mod layout;
mod limits;
mod publication;
mod publish;
mod pull;
mod push;
mod reference;
mod referrers;
mod registry;
mod shared;
mod token;
mod upload;

pub use artifact::{Artifact, Kind};
pub use client::Client;
pub use config::Config;
pub use error::Error;
pub use limits::Limits;
pub use publication::Publication;
pub use publish::{Publisher, Sent, Standing};
pub use pull::Pulled;
pub use push::Pushed;
pub use reference::{InvalidReference, Reference, Repository, Version};
