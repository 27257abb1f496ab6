//! Moments as text. It knows the calendar, and no clock.

/// Returns seconds since 1970 as RFC 3339 has them in UTC, such as `1970-01-01T00:00:01Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days are counted from the first of March of year 0, so that a leap day ends a year; then
    // 400 years always have the same number of days.
    let from_march = days + 719_468;
    let (era, day_of_era) = (
        from_march.div_euclid(146_097),
        from_march.rem_euclid(146_097),
    );
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::rfc3339;

    #[rstest]
    #[case(1, "1970-01-01T00:00:01Z")]
    #[case(-1, "1969-12-31T23:59:59Z")]
    #[case(951_782_400, "2000-02-29T00:00:00Z")]
    #[case(951_868_799, "2000-02-29T23:59:59Z")]
    #[case(1_772_326_861, "2026-03-01T01:01:01Z")]
    #[case(4_107_542_400, "2100-03-01T00:00:00Z")]
    fn moments_are_dates(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(rfc3339(seconds), text);
    }
}
