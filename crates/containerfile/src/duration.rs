//! Durations as Go writes them: `1h30m`, `500ms`, `1.5s`.
//!
//! It does not know what a duration is for.

use std::time::Duration;

/// Reads a duration; nothing where it is none, or below zero.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let number = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (value, after) = rest.split_at(number);
        let unit = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        nanoseconds = nanoseconds.checked_add(part(value, scale(unit)?)?)?;
        rest = after;
    }
    Some(Duration::from_nanos(nanoseconds))
}

fn scale(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Returns `value` times `scale`, for a value with or without a fraction.
fn part(value: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut total = whole.checked_mul(scale)?;
    let mut step = scale;
    for digit in fraction.chars() {
        step /= 10;
        total = total.checked_add(u64::from(digit.to_digit(10)?).checked_mul(step)?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", Some(0))]
    #[case("5s", Some(5_000_000_000))]
    #[case("1.5s", Some(1_500_000_000))]
    #[case("1h2m3s", Some(3_723_000_000_000))]
    #[case("10ms", Some(10_000_000))]
    #[case(".5m", Some(30_000_000_000))]
    #[case("", None)]
    #[case("5", None)]
    #[case("s", None)]
    #[case("-5s", None)]
    #[case("1.2.3s", None)]
    #[case("99999999999h", None)]
    fn durations_are_read(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(parse(text), expected.map(Duration::from_nanos));
    }
}
