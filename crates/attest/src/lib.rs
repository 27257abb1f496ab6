//! What others are told of packages in formats that others have defined: in-toto statements of the attempts to
//! reproduce them, and bills of materials out of the plan.
//!
//! All of it is pure: the same facts give the same bytes. It knows documents, and does not know where the facts come
//! from, where the result goes, or how anything is signed.

mod envelope;
mod sbom;
mod select;
mod statement;
mod uri;

pub use envelope::{InvalidEnvelope, Opened, enclose, open, to_sign};
pub use sbom::{Bill, Scope, cyclonedx, spdx};
pub use select::latest;
pub use statement::{BUILD_TYPE, REPRODUCTION, line, statements};
