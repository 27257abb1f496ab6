//! The moment at which signatures are looked at.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the moment at which signatures are looked at, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a key is good depends on the time, and no image does"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}
