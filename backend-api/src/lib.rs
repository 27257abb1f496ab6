//! The one trait between stagex and a container engine.
