//! From a plan to canonical images: what is up to date, what is built when, and that an output
//! is there whole or not at all.
//!
//! It does not know how an engine is driven, nor how things are printed.

mod build;
mod builder;
mod claim;
mod clean;
mod contents;
mod context;
mod copy;
mod digests;
mod error;
mod event;
mod explain;
mod folders;
mod hashes;
mod identity;
mod ignore;
mod image;
mod leftovers;
mod load;
mod log;
mod make;
mod memory;
mod outputs;
mod package;
mod place;
mod platform;
mod proof;
mod recipe;
mod record;
mod removal;
mod request;
mod resolve;
mod schedule;
mod secret;
mod site;
mod sources;
mod space;
mod survey;

pub use backend_api::OpenFiles;
pub use build::{BuildJob, Delivery, build};
pub use clean::{Clean, Cleaned, abandoned_runtimes, clean, clean_store};
pub use contents::{ContentFile, ContentLayer, Contents};
pub use digests::{Comparison, Digests};
pub use error::Error;
pub use event::{Event, Listener};
pub use explain::{Explanation, Reason, explain, explain_cleaned};
pub use folders::{Access, Folders, Lock};
pub use load::load;
pub use make::{Job, Options, Outcome, Report, make};
pub use oci_image::{ListedEntry, ListedKind};
pub use package::Failure;
pub use platform::check_platforms;
pub use recipe::{Context, OPEN_FILES, Recipe, Sources};
pub use secret::{Secret, SecretError};
pub use space::Space;
