//! One process of a build, shut off from the system around it; and the namespaces in which a
//! builder, who starts it, may mount and give files away.
//!
//! It knows the kernel. It does not know images, layers or Containerfiles.
//!
//! Between the making of a process and its program there is only what a signal handler may do:
//! the process is one thread of a builder that has several. That is [`child`]; everything it
//! needs is prepared before.

mod architecture;
mod bpf;
mod capabilities;
mod child;
mod error;
mod group;
mod held;
mod mount;
mod mount_attributes;
mod namespaces;
mod network;
mod network_namespace;
mod process;
mod program;
mod rights;
mod seccomp;
mod seccomp_notify;
mod sockets;
mod uplink;
mod view;

pub use error::{Error, Result};
pub use group::{Bounds, Exceeded, Met};
pub use held::Watch;
pub use mount::{Access, SharedMemory, bind, deny_writing, devices, temporary};
pub use namespaces::{Inside, enter, inside};
pub use network::{Network, UserNetwork};
pub use process::{Ended, Process, Running};
pub use rights::Rights;
pub use seccomp_notify::{Held, StandIns, Verdict};
