//! Drives the builder that several container engines are made of: one library behind several
//! command lines, with the same flags, the same output and the same store.
//!
//! This crate knows that builder: isolation, private stores and stores elsewhere, image contexts,
//! what it prints and how it fails, and the whole backend of an engine that has it. It does not know which
//! engines those are: each says as an [`Engine`] how it is called and what its versions can do.

mod arguments;
mod backend;
mod circumstances;
mod contexts;
mod driver;
mod engine;
mod engine_namespaces;
mod error;
mod failure;
mod image;
mod made;
mod probe;
mod progress;
mod remote;
mod remote_context;
mod sandbox;
mod tool;
mod trial;
mod unusable;
mod work;

pub use backend::EngineBackend;
pub use engine::{Engine, Features, Place, Version, Versions};
pub use tool::Tool;
