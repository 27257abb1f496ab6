//! Drives Podman for stagex.
