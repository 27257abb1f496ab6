//! How long to wait before the next try.
//!
//! It knows numbers and headers. It reads no clock: a date in an answer is compared with the date of the answer.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

/// Returns the pause after so many tries: it grows, and differs from one process to the next, so that those that
/// failed together do not come back together.
pub(crate) fn after(tries: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(16));
    doubled.min(longest).mul_f64(0.5 + fraction() / 2.0)
}

/// Returns a random number from 0 to 1; where there is no randomness, always the same.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    // The pool of the system is always ready in a system that has a network.
    if getrandom(&mut bytes, GetRandomFlags::NONBLOCK).is_err() {
        return 1.0;
    }
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

/// Reads `Retry-After`, a number of seconds or a date; `date` is the answer's own.
pub(crate) fn asked(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let bounds = |tries| {
            let pause = after(tries, first, longest);
            let full = first.saturating_mul(1 << (tries - 1)).min(longest);
            (full / 2..=full).contains(&pause)
        };
        assert!((1..=31).all(bounds));
    }

    #[rstest]
    #[case("7", None, Some(7))]
    #[case(
        "Sun, 06 Nov 1994 08:49:47 GMT",
        Some("Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(10)
    )]
    #[case(
        "Sun, 06 Nov 1994 08:49:37 GMT",
        Some("Sun, 06 Nov 1994 08:49:47 GMT"),
        Some(0)
    )]
    #[case("Sun, 06 Nov 1994 08:49:37 GMT", None, None)]
    #[case("-1", None, None)]
    #[case("soon", Some("Sun, 06 Nov 1994 08:49:37 GMT"), None)]
    fn a_server_asks_for_a_pause(
        #[case] text: &str,
        #[case] date: Option<&str>,
        #[case] seconds: Option<u64>,
    ) {
        assert_eq!(asked(text, date), seconds.map(Duration::from_secs));
    }
}
