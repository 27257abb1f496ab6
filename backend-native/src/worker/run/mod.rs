//! RUN: a process in a step's file system, what is mounted for it there, and what holds it back.
//!
//! It does not know stages, nor what becomes of what a process makes.

pub(crate) mod caches;
pub(crate) mod limits;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod run_mounts;
pub(crate) mod seccomp_notify;
pub(crate) mod set_ids;
pub(crate) mod stubs;
