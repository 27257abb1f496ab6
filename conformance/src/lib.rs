//! One suite: every runtime gives the identical digest.
