//! A path for an open file.

use std::os::fd::{AsFd, AsRawFd as _};

/// Returns a path by which an open file, of which no more than its place may be known, can be named.
pub(super) fn by_number(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
