//! Makes images of any engine canonical, says what was changed, and what wrote them.
//!
//! It knows which forms images have, and what can be known from an image alone. It does not know how layers
//! become canonical (`oci-image` does), where images come from, or how anything is printed.

mod blocks;
mod canon;
mod census;
mod changes;
mod error;
mod explain;
mod facts;
mod layers;
mod patch;
mod reasons;
mod request;
mod text;
mod unpack;
mod variants;
mod writer;

pub use canon::{Canonical, canon, open_base};
pub use error::Error;
pub use explain::{explain, explain_digest};
pub use oci_image::{Digest, Layout};
pub use request::{Base, Known, Request, Step};
