//! Moments as text, as every document has them: RFC 3339 in UTC, in whole seconds. It knows the calendar, and no
//! clock.

/// The days from the first of March of year 0, from which days are counted here, to the first of January 1970. A leap
/// day ends a year then, and 400 years always have the same number of days.
const FROM_MARCH: i64 = 719_468;
/// The days of 400 years.
const ERA: i64 = 146_097;

/// Returns seconds since 1970 as RFC 3339 has them in UTC, such as `1970-01-01T00:00:01Z`.
pub fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let from_march = days + FROM_MARCH;
    let (era, day_of_era) = (from_march.div_euclid(ERA), from_march.rem_euclid(ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the seconds since 1970 of a moment as [`rfc3339`] writes it, and of nothing else.
pub fn seconds_of(moment: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = moment.get(range)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let year_from_march = year - i64::from(month <= 2);
    let (era, year_of_era) = (
        year_from_march.div_euclid(400),
        year_from_march.rem_euclid(400),
    );
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * ERA + day_of_era - FROM_MARCH;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    // A day that the calendar does not have, and any other way to write it, comes back as something else.
    (rfc3339(seconds) == moment).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, seconds_of};

    #[test]
    fn moments_are_dates_and_are_read_again() {
        for (seconds, text) in [
            (1, "1970-01-01T00:00:01Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_772_326_861, "2026-03-01T01:01:01Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(seconds_of(text), Some(seconds));
        }
    }

    #[test]
    fn other_texts_are_no_moments() {
        for text in [
            "",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00+00:00",
            "2026-01-01T00:00:00.5Z",
            "+026-01-01T00:00:00Z",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds_of(text), None, "{text}");
        }
    }
}
