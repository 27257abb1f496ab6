//! What releases a policy takes, and the numbers of releases.
//!
//! It does not know what a release is of.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use serde::Deserialize;

/// What releases a policy takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Releases {
    /// None before this one.
    pub lowest: Option<ReleaseNumber>,
    /// None that was signed more than so many days ago.
    pub longest_age: Option<NonZero<u32>>,
}

/// The number of a release, such as `2026.03.0`: numbers with dots between them.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct ReleaseNumber {
    text: String,
    numbers: Vec<u64>,
}

/// A text is no number of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the number of a release: expected numbers with dots between them, such as 2026.03.0"
)]
pub struct InvalidReleaseNumber(String);

impl FromStr for ReleaseNumber {
    type Err = InvalidReleaseNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let is_number =
                (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { part.parse().ok() } else { None }
        };
        let numbers: Option<Vec<u64>> = text.split('.').map(number).collect();
        let numbers = numbers.filter(|numbers| numbers.len() <= 8);
        let numbers =
            numbers.ok_or_else(|| InvalidReleaseNumber(printable::line(text).into_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            numbers,
        })
    }
}

impl ReleaseNumber {
    /// Returns the number of the release `last` of a month.
    pub fn of_month(year: u32, month: u32, last: u64) -> Self {
        Self {
            text: format!("{year:04}.{month:02}.{last}"),
            numbers: vec![year.into(), month.into(), last],
        }
    }

    /// Returns the year, the month and the number in it, if that is how it is written: `YYYY.MM.N`, as StageX does.
    pub fn dated(&self) -> Option<(u32, u32, u64)> {
        let [year, month, last] = self.numbers[..] else {
            return None;
        };
        let (year, month) = (year.try_into().ok()?, month.try_into().ok()?);
        let is_dated =
            (1..=12).contains(&month) && self.text == Self::of_month(year, month, last).text;
        is_dated.then_some((year, month, last))
    }
}

impl TryFrom<String> for ReleaseNumber {
    type Error = InvalidReleaseNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for ReleaseNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let padded = |one: &Self| {
            let zeros = std::iter::repeat(0);
            one.numbers
                .iter()
                .copied()
                .chain(zeros)
                .take(length)
                .collect::<Vec<u64>>()
        };
        padded(self).cmp(&padded(other))
    }
}

impl PartialOrd for ReleaseNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ReleaseNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ReleaseNumber {}

impl Releases {
    /// Returns what somebody agrees to who agrees to it.
    pub(crate) fn statement(&self) -> String {
        let lowest = self.lowest.as_ref().map_or("any", |lowest| &lowest.text);
        let longest = self.longest_age.map_or(0, NonZero::get);
        format!("lowest={lowest} longest-age={longest}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn number(text: &str) -> ReleaseNumber {
        text.parse().unwrap()
    }

    #[test]
    fn releases_are_ordered_by_their_numbers() {
        assert!(number("2025.12.0") < number("2026.03.0"));
        assert!(number("2026.9") < number("2026.10"));
        assert_eq!(number("2026.03.0"), number("2026.3"));
        assert!(number("2026.03.0") < number("2026.03.0.1"));
    }

    #[test]
    fn a_release_of_a_month_is_written_in_one_way() {
        assert_eq!(number("2026.03.0").dated(), Some((2026, 3, 0)));
        assert_eq!(
            ReleaseNumber::of_month(2026, 3, 10).to_string(),
            "2026.03.10"
        );
        for other in [
            "2026.3.0",
            "2026.13.0",
            "2026.00.0",
            "2026.03",
            "2026.03.01",
            "26.03.0",
            "2026.03.0.1",
        ] {
            assert_eq!(number(other).dated(), None, "{other}");
        }
    }

    #[rstest]
    #[case("")]
    #[case("2026.")]
    #[case("v2026.03.0")]
    #[case("2026.03.0-rc1")]
    #[case("2026.03.-1")]
    #[case("2026.0000000003")]
    #[case("1.1.1.1.1.1.1.1.1")]
    fn nothing_else_is_a_number(#[case] text: &str) {
        let error = text.parse::<ReleaseNumber>().unwrap_err().to_string();
        assert!(error.contains("is not the number of a release"), "{error}");
    }
}
