//! Moments as a config writes them: RFC 3339 with up to nine decimals.
//!
//! It knows no clock.

/// A moment that was read, and how Go writes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since 1970, and nanoseconds: what moments are compared by.
    pub(super) instant: (i64, u32),
    /// The text without needless zeros.
    pub(super) text: String,
}

impl Moment {
    /// Reads a moment; nothing where it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<i64>().ok())?
        };
        let mark = |at: usize, mark: &str| (text.get(at..=at)? == mark).then_some(());
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        for (at, text) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
            mark(at, text)?;
        }
        let in_range = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !in_range {
            return None;
        }
        let rest = text.get(19..)?;
        let zone_at = rest.find(['Z', '+', '-'])?;
        let (fraction, zone) = rest.split_at(zone_at);
        let digits = match fraction.strip_prefix('.') {
            Some(digits) if (1..=9).contains(&digits.len()) => digits,
            None if fraction.is_empty() => "",
            _ => return None,
        };
        let nanoseconds = format!("{digits:0<9}").parse::<u32>().ok()?;
        let offset = offset(zone)?;
        let seconds =
            days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        let digits = digits.trim_end_matches('0');
        let fraction = if digits.is_empty() {
            String::new()
        } else {
            format!(".{digits}")
        };
        let zone = if offset == 0 { "Z" } else { zone };
        Some(Self {
            instant: (seconds, nanoseconds),
            text: format!("{}{fraction}{zone}", &text[..19]),
        })
    }
}

/// Returns the seconds that a zone is ahead: `Z`, `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let seconds = hours.parse::<u8>().ok().map(i64::from)? * 3_600
        + minutes.parse::<u8>().ok().map(i64::from)? * 60;
    Some(if zone.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// Returns the days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March ends with its leap day.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1970-01-01T00:00:01Z", (1, 0), "1970-01-01T00:00:01Z")]
    #[case("1969-12-31T23:59:59Z", (-1, 0), "1969-12-31T23:59:59Z")]
    #[case("2000-02-29T00:00:00.120Z", (951_782_400, 120_000_000), "2000-02-29T00:00:00.12Z")]
    #[case("2000-02-29T00:00:00.000000000Z", (951_782_400, 0), "2000-02-29T00:00:00Z")]
    #[case("2026-03-01T01:01:01+00:00", (1_772_326_861, 0), "2026-03-01T01:01:01Z")]
    #[case("2026-03-01T03:01:01+02:00", (1_772_326_861, 0), "2026-03-01T03:01:01+02:00")]
    fn moments_are_read(#[case] text: &str, #[case] instant: (i64, u32), #[case] again: &str) {
        let moment = Moment::read(text).unwrap();
        assert_eq!((moment.instant, moment.text.as_str()), (instant, again));
    }

    #[rstest]
    #[case("")]
    #[case("1970-01-01")]
    #[case("1970-01-01T00:00:01")]
    #[case("1970-13-01T00:00:01Z")]
    #[case("1970-01-01 00:00:01Z")]
    #[case("1970-01-01T00:00:01.Z")]
    #[case("1970-01-01T00:00:01+1:00")]
    fn other_texts_are_no_moments(#[case] text: &str) {
        assert_eq!(Moment::read(text), None);
    }
}
