//! Shell patterns inside `${name#pattern}` and its relatives: `*`, `?` and backslash escapes.
//!
//! It knows neither variables nor where a pattern ends. The rules are those of `BuildKit`, which turns a pattern into a
//! regular expression: `*` and `?` never match a newline, and of several matches the leftmost is taken.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `*`: any number of characters.
    Many,
    /// `?`: one character.
    One,
    Literal(char),
}

/// How much a `*` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Shortest,
    Longest,
}

/// A pattern that was read without error.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    reach: Reach,
}

impl Pattern {
    /// Reads a pattern; the error is the character that may not be escaped.
    pub(crate) fn new(pattern: &str, reach: Reach) -> Result<Self, char> {
        let mut tokens = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => match characters.next() {
                    Some(escaped @ ('}' | '/' | '*' | '?' | '\\')) => Token::Literal(escaped),
                    Some(other) => return Err(other),
                    None => return Err('\\'),
                },
                literal => Token::Literal(literal),
            });
        }
        Ok(Self { tokens, reach })
    }

    /// Returns `value` without the prefix that matches.
    pub(crate) fn trim_start(&self, value: &str) -> String {
        let text: Vec<char> = value.chars().collect();
        let end = self.end_of_match(&text, 0).unwrap_or(0);
        text[end..].iter().collect()
    }

    /// Returns `value` without the suffix that matches.
    pub(crate) fn trim_end(&self, value: &str) -> String {
        let reversed = Self {
            tokens: self.tokens.iter().rev().copied().collect(),
            reach: self.reach,
        };
        let text: String = value.chars().rev().collect();
        reversed.trim_start(&text).chars().rev().collect()
    }

    /// Returns `value` with the first match replaced.
    pub(crate) fn replace_first(&self, value: &str, replacement: &str) -> String {
        let text: Vec<char> = value.chars().collect();
        for start in 0..=text.len() {
            if let Some(end) = self.end_of_match(&text, start) {
                let head: String = text[..start].iter().collect();
                let tail: String = text[end..].iter().collect();
                return format!("{head}{replacement}{tail}");
            }
        }
        value.to_owned()
    }

    /// Returns `value` with every match replaced; matches do not overlap.
    pub(crate) fn replace_all(&self, value: &str, replacement: &str) -> String {
        let text: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let mut start = 0;
        let mut previous_end = None;
        while start <= text.len() {
            match self.end_of_match(&text, start) {
                // An empty match directly after another match does not count.
                Some(end) if end > start || previous_end != Some(start) => {
                    out.push_str(replacement);
                    previous_end = Some(end);
                    if end > start {
                        start = end;
                        continue;
                    }
                }
                _ => {}
            }
            out.extend(text.get(start));
            start += 1;
        }
        out
    }

    /// Returns where the match that begins at `start` ends.
    fn end_of_match(&self, text: &[char], start: usize) -> Option<usize> {
        // A place that failed once fails always: without this, `*a*a*a*` takes exponential time.
        let mut failed = vec![false; (self.tokens.len() + 1) * (text.len() + 1)];
        self.walk(text, start, 0, &mut failed)
    }

    fn walk(&self, text: &[char], at: usize, token: usize, failed: &mut [bool]) -> Option<usize> {
        let place = token * (text.len() + 1) + at;
        if failed[place] {
            return None;
        }
        let end = match self.tokens.get(token) {
            None => Some(at),
            Some(Token::Literal(literal)) => (text.get(at) == Some(literal))
                .then(|| self.walk(text, at + 1, token + 1, failed))
                .flatten(),
            Some(Token::One) => text
                .get(at)
                .filter(|character| **character != '\n')
                .and_then(|_| self.walk(text, at + 1, token + 1, failed)),
            Some(Token::Many) => {
                let longest = text[at..]
                    .iter()
                    .position(|character| *character == '\n')
                    .map_or(text.len(), |length| at + length);
                match self.reach {
                    Reach::Longest => (at..=longest)
                        .rev()
                        .find_map(|next| self.walk(text, next, token + 1, failed)),
                    Reach::Shortest => {
                        (at..=longest).find_map(|next| self.walk(text, next, token + 1, failed))
                    }
                }
            }
        };
        if end.is_none() {
            failed[place] = true;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn pattern(text: &str, reach: Reach) -> Pattern {
        Pattern::new(text, reach).unwrap()
    }

    #[rstest]
    #[case("*/", Reach::Shortest, "a/b/c", "b/c")]
    #[case("*/", Reach::Longest, "a/b/c", "c")]
    #[case("?", Reach::Shortest, "abc", "bc")]
    #[case("x", Reach::Longest, "abc", "abc")]
    #[case("", Reach::Longest, "abc", "abc")]
    #[case(r"\*", Reach::Longest, "*a", "a")]
    #[case("*", Reach::Longest, "a\nb", "\nb")]
    fn a_prefix_is_trimmed(
        #[case] text: &str,
        #[case] reach: Reach,
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(pattern(text, reach).trim_start(value), expected);
    }

    #[rstest]
    #[case(".*", Reach::Shortest, "3.14.2", "3.14")]
    #[case(".*", Reach::Longest, "3.14.2", "3")]
    #[case(r"\*b", Reach::Longest, "a*b", "a")]
    fn a_suffix_is_trimmed(
        #[case] text: &str,
        #[case] reach: Reach,
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(pattern(text, reach).trim_end(value), expected);
    }

    #[rstest]
    #[case("o", "foo", "f0o", "f00")]
    #[case("o*", "foobar", "f0", "f0")]
    #[case("x", "foo", "foo", "foo")]
    #[case("", "ab", "0ab", "0a0b0")]
    fn matches_are_replaced(
        #[case] text: &str,
        #[case] value: &str,
        #[case] first: &str,
        #[case] all: &str,
    ) {
        let pattern = pattern(text, Reach::Longest);
        assert_eq!(pattern.replace_first(value, "0"), first);
        assert_eq!(pattern.replace_all(value, "0"), all);
    }

    #[test]
    fn many_stars_end_in_reasonable_time() {
        let value = "a".repeat(2_000);
        let stars = format!("{}b", "*a".repeat(20));
        assert_eq!(pattern(&stars, Reach::Longest).trim_start(&value), value);
    }

    #[test]
    fn an_escape_of_an_ordinary_character_is_refused() {
        assert_eq!(
            Pattern::new(r"\a", Reach::Longest).map(|_| ()).unwrap_err(),
            'a'
        );
    }
}
