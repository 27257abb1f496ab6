//! Continuing a file: validators, and what a server says which part of a file it sends.
//!
//! It knows headers, as texts.

/// The most bytes that a validator has.
const LONGEST: usize = 512;

/// Returns an entity tag if it is strong: of a weak one, the same does not mean the same bytes.
pub(crate) fn strong(tag: &str) -> Option<&str> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    (tag.len() <= LONGEST && inner.bytes().all(plain)).then_some(tag)
}

/// A part of a file: `Content-Range: bytes FIRST-LAST/LENGTH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// How many bytes the whole file has, if that is known.
    pub(crate) length: Option<u64>,
}

impl Part {
    /// Reads a part. One that contradicts itself is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let length = match length {
            "*" => None,
            length => Some(number(length)?),
        };
        let part = Self {
            first: number(first)?,
            last: number(last)?,
            length,
        };
        let within = part.length.is_none_or(|length| part.last < length);
        (part.first <= part.last && within).then_some(part)
    }

    /// Tells whether it is all that follows the first `held` bytes.
    pub(crate) fn continues(self, held: u64) -> bool {
        self.first == held && self.length.is_none_or(|length| self.last + 1 == length)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("\"abc\"", true)]
    #[case("\"\"", true)]
    #[case("W/\"abc\"", false)]
    #[case("abc", false)]
    #[case("\"a\"b\"", false)]
    #[case("\"a\nb\"", false)]
    #[case("\"a b\"", false)]
    #[case("\"", false)]
    fn only_a_strong_tag_is_a_validator(#[case] tag: &str, #[case] expected: bool) {
        assert_eq!(strong(tag).is_some(), expected);
    }

    #[rstest]
    #[case("bytes 5-9/10", Some((5, 9, Some(10))))]
    #[case("bytes 5-9/*", Some((5, 9, None)))]
    #[case("bytes 5-10/10", None)]
    #[case("bytes 9-5/10", None)]
    #[case("bytes */10", None)]
    #[case("bytes +5-9/10", None)]
    #[case("items 5-9/10", None)]
    #[case("bytes 5-99999999999999999999/*", None)]
    fn a_part_is_read(#[case] text: &str, #[case] expected: Option<(u64, u64, Option<u64>)>) {
        let found = Part::parse(text).map(|part| (part.first, part.last, part.length));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_part_continues_what_is_held_up_to_the_end() {
        let part = |text| Part::parse(text).unwrap();
        assert!(part("bytes 5-9/10").continues(5));
        assert!(!part("bytes 4-9/10").continues(5));
        assert!(!part("bytes 5-8/10").continues(5));
    }
}
