//! From a plan to canonical images: states, parallelism, up-to-date checks.
