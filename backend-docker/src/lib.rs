//! Drives Docker for stagex.
