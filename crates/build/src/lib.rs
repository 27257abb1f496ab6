//! From one recipe to one canonical image: its context, the lowered Containerfile, the engine that runs
//! it, and what is written of the engine's layers. An image is there whole or not at all.
//!
//! It does not know how an engine is driven, how things are printed, nor which images are up to date.

mod build;
mod builder;
mod cleanup;
mod context;
mod copy;
mod deliver;
mod engine;
mod error;
mod event;
mod failure;
mod ignore;
mod image;
mod linked;
mod listing;
mod load;
mod log;
mod lowering;
mod missing;
mod place;
mod platform;
mod recipe;
mod refusal;
mod removal;
mod request;
mod residue;
mod resolve;
mod seed;
mod session;
mod sources;
mod space;
mod wait;

pub use backend_api::OpenFiles;
pub use build::{BuildJob, build};
pub use builder::{Builder, Destination, Keep, Order};
pub use cleanup::{Abandoned, CleanupRecord, Work, abandoned};
pub use deliver::{Archive, deliver};
pub use engine::Engine;
pub use error::{Error, SeedImage, SeedProblem};
pub use event::{Event, Listener};
pub use failure::{Failure, chain};
pub use image::{LayerStep, layer_steps};
pub use listing::{
    ContextFile, ContextFileKind, Foreign, inputs_of_files, leave_declared, list_context,
    open_package,
};
pub use load::{load, load_layout};
pub use log::Log;
pub use lowering::{Chosen, refusals};
pub use missing::{FetchProblem, MissingSource, missing_sources};
pub use oci_image::{Choice, ImageSet, Profile};
pub use package_tree::{ImageName, InvalidName};
pub use platform::check_platforms;
pub use recipe::{Context, OPEN_FILES, Recipe, Sources, name_of_package};
pub use refusal::{Refusal, Refusals};
pub use removal::remove;
pub use resolve::{Resolved, resolve};
pub use session::Session;
pub use space::{Space, check_space};
pub use wait::{blocking, unless};
