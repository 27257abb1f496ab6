//! Containerfiles: grammar, spans, stages, steps, lowering.
//!
//! It reads and writes nothing but the text that it is given, and knows no engine.

mod budget;
mod build;
mod containerfile;
mod duration;
mod error;
mod expand;
mod flags;
mod heredoc;
mod instruction;
mod invocation;
mod lines;
mod lower;
mod name;
mod pattern;
mod port;
mod reference;
mod resolve;
mod scope;
mod signal;
mod span;
mod state;
mod statement;
mod truth;
mod words;

pub use build::{Build, NetworkUse, Origin, ResolvedStage, Step, StepId};
pub use containerfile::{Containerfile, Replaced, Stage, parse};
pub use error::{Error, ErrorKind};
pub use expand::ExpansionError;
pub use instruction::{
    Add, Argument, Check, Command, Copy, Healthcheck, Heredoc, Instruction, Mount, NetworkMode,
    Onbuild, Pair, Run, Security, Sources, is_remote,
};
pub use invocation::{Invocation, Script};
pub use lines::Directive;
pub use lower::{
    CopiedSource, Dialect, LowerOptions, Lowered, LoweredStep, Notice, SideDirectory, SideFile,
    lower,
};
pub use name::familiar;
pub use reference::{Base, FromWord, Reference, ReferenceKind, StageId};
pub use scope::{ImageFacts, Platform, PlatformError, Scope};
pub use span::{Position, Span, Spanned};
pub use statement::Statement;
pub use truth::truth;
