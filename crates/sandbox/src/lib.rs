//! One process of a build, shut off from the system around it; and the name spaces in which a
//! builder, who starts it, may mount and give files away.
//!
//! It knows the kernel. It does not know images, layers or Containerfiles.
//!
//! Between the making of a process and its program there is only what a signal handler may do:
//! the process is one thread of a builder that has several. That is [`child`]; everything it
//! needs is prepared before.

mod capabilities;
mod child;
mod error;
mod mount;
mod namespaces;
mod process;
mod seccomp;

pub use error::{Error, Result};
pub use mount::{bind, devices, remount_read_only, temporary};
pub use namespaces::{Rights, enter};
pub use process::{Ended, Network, Process, Running};
