//! A range of commits, as it is written.

use std::str::FromStr;

use crate::error::Error;

/// What is reachable from one commit, and not from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// What names the commit that is not in it any more, if not all of history is in it.
    pub from: Option<String>,
    /// What names the last one.
    pub to: String,
}

/// `A..B`, or `B` for everything that leads to it. A side that is left out is `HEAD`.
impl FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Range(text.to_owned());
        let (from, to) = match text.split_once("..") {
            None => (None, text),
            Some((from, to)) => (Some(from), to),
        };
        let is_bad = |side: &str| {
            side.starts_with(['-', '.', '^'])
                || side.contains("..")
                || side.contains(char::is_control)
        };
        let or_head = |side: &str| if side.is_empty() { "HEAD" } else { side }.to_owned();
        if text.is_empty() || text == ".." || is_bad(to) || from.is_some_and(is_bad) {
            return Err(wrong());
        }
        Ok(Self {
            from: from.map(or_head),
            to: or_head(to),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("HEAD", None, "HEAD")]
    #[case("2026.02.0..main", Some("2026.02.0"), "main")]
    #[case("2026.02.0..", Some("2026.02.0"), "HEAD")]
    #[case("..main", Some("HEAD"), "main")]
    fn a_range_has_one_end_or_two(
        #[case] text: &str,
        #[case] from: Option<&str>,
        #[case] to: &str,
    ) {
        let range: Range = text.parse().unwrap();
        assert_eq!((range.from.as_deref(), range.to.as_str()), (from, to));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_end("..")]
    #[case::of_both("a...b")]
    #[case::of_three("a..b..c")]
    #[case::an_option("--all")]
    #[case::an_option_behind("a..--all")]
    #[case::without("^a")]
    fn other_texts_are_no_ranges(#[case] text: &str) {
        assert!(text.parse::<Range>().is_err(), "{text}");
    }
}
