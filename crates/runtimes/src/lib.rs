//! The registry of backends.
