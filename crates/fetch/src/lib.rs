//! Sources by their hashes: mirrors in their order, a store by content that trees share, and the files in a
//! tree's `fetch/<stage>/<name>/`.
//!
//! It knows what a source is and where it belongs. It does not know HTTP, how anything is shown, nor what is built
//! from a source. Everything that lies in a tree or comes from a mirror is taken for hostile: only what has its
//! hash gets its name.

mod aside;
mod check;
mod config;
mod error;
mod event;
mod fetcher;
mod job;
mod listing;
mod meter;
mod mirror;
mod newest;
mod partial;
mod place;
mod report;
mod seed;
mod shared;
mod store;
mod verify;
mod wanted;

pub use aside::Aside;
pub use check::{CheckedMirror, CheckedSource, Checking, MirrorState};
pub use config::{Config, DEFAULT_LIMIT};
pub use error::Error;
pub use event::{Event, Listener};
pub use fetcher::Fetcher;
pub use listing::{Listed, State};
pub use meter::Meter;
pub use mirror::{InvalidTemplate, Template};
pub use newest::Newest;
pub use report::{Attempt, How, Report, Unfetched, Why};
pub use seed::{ARTIFACT_TYPE, Exported, Form, Imported, Input, Invalid, Told};
pub use store::{Removed, Store};
pub use verify::{Damaged, Verified, Which};
pub use wanted::Wanted;
