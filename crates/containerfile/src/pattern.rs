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
        let end = self.ends(&text)[0].unwrap_or(0);
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
        let mut ends = self.ends(&text).into_iter().enumerate();
        match ends.find_map(|(start, end)| Some((start, end?))) {
            Some((start, end)) => {
                let head: String = text[..start].iter().collect();
                let tail: String = text[end..].iter().collect();
                format!("{head}{replacement}{tail}")
            }
            None => value.to_owned(),
        }
    }

    /// Returns `value` with every match replaced; matches do not overlap. Nothing if that is longer
    /// than `longest`, in bytes.
    pub(crate) fn replace_all(
        &self,
        value: &str,
        replacement: &str,
        longest: usize,
    ) -> Option<String> {
        let text: Vec<char> = value.chars().collect();
        let ends = self.ends(&text);
        let mut out = String::new();
        let mut start = 0;
        let mut previous_end = None;
        while start <= text.len() {
            match ends[start] {
                // An empty match directly after another match does not count.
                Some(end) if end > start || previous_end != Some(start) => {
                    out.push_str(replacement);
                    if out.len() > longest {
                        return None;
                    }
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
        Some(out)
    }

    /// Returns for each place of `text`, its end included, where the match that begins there ends.
    fn ends(&self, text: &[char]) -> Vec<Option<usize>> {
        // From the last token on, and each from the last place on: what follows is known then, and
        // `*a*a*a*` takes no longer than `aaaaaaa`.
        let mut ends: Vec<_> = (0..=text.len()).map(Some).collect();
        for token in self.tokens.iter().rev() {
            match token {
                Token::Literal(literal) => step(&mut ends, text, |found| found == *literal),
                Token::One => step(&mut ends, text, |found| found != '\n'),
                Token::Many => {
                    for at in (0..text.len()).rev().filter(|at| text[*at] != '\n') {
                        let (here, further) = (ends[at], ends[at + 1]);
                        ends[at] = match self.reach {
                            Reach::Shortest => here.or(further),
                            Reach::Longest => further.or(here),
                        };
                    }
                }
            }
        }
        ends
    }
}

/// Puts a token that takes one character before what matches.
fn step(ends: &mut [Option<usize>], text: &[char], matches: impl Fn(char) -> bool) {
    for (at, character) in text.iter().enumerate() {
        ends[at] = ends[at + 1].filter(|_| matches(*character));
    }
    ends[text.len()] = None;
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
        assert_eq!(pattern.replace_all(value, "0", 99).as_deref(), Some(all));
    }

    #[test]
    fn many_stars_end_in_reasonable_time() {
        let value = "a".repeat(20_000);
        let stars = format!("{}b", "*a".repeat(200));
        assert_eq!(pattern(&stars, Reach::Longest).trim_start(&value), value);
    }

    #[test]
    fn what_is_replaced_does_not_grow_without_end() {
        let letters = pattern("?", Reach::Longest);
        assert_eq!(letters.replace_all(&"a".repeat(100), "bb", 199), None);
        let all = letters.replace_all(&"a".repeat(100), "bb", 200);
        assert_eq!(all, Some("b".repeat(200)));
    }

    #[test]
    fn an_escape_of_an_ordinary_character_is_refused() {
        assert_eq!(
            Pattern::new(r"\a", Reach::Longest).map(|_| ()).unwrap_err(),
            'a'
        );
    }
}
