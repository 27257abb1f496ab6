//! Drives Buildah for stagex.
