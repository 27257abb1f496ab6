//! Patterns as Go's `filepath.Match` reads them: `*`, `?`, `[a-z]`, `[^a]` and a backslash before
//! what is meant literally. None of them matches a slash.

use crate::{BadPattern, Result};

/// Tells whether a name has something of a pattern.
pub fn is_pattern(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Tells whether a path matches a pattern, name by name.
///
/// # Errors
///
/// What is no pattern.
pub fn matches(pattern: &[u8], path: &[u8]) -> Result<bool> {
    let bad = || BadPattern(String::from_utf8_lossy(pattern).into_owned());
    let tokens = tokens(pattern, Depth::One).ok_or_else(bad)?;
    Ok(matches_tokens(&tokens, path))
}

/// A pattern in which `**` matches any number of directories, as Docker's matcher reads it.
#[derive(Debug)]
pub(crate) enum Deep {
    Tokens(Vec<Token>),
    /// `**`, and behind it nothing that is special: what ends so, in the middle of a name too.
    Suffix(Vec<u8>),
}

impl Deep {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &[u8]) -> Result<Self> {
        let bad = || BadPattern(String::from_utf8_lossy(pattern).into_owned());
        // As one without `**` it has to be a pattern too.
        tokens(pattern, Depth::One).ok_or_else(bad)?;
        match pattern.strip_prefix(b"**") {
            Some(rest) if !rest.iter().any(|byte| SPECIAL.contains(byte)) => {
                Ok(Self::Suffix(rest.to_vec()))
            }
            _ => tokens(pattern, Depth::Any)
                .map(Self::Tokens)
                .ok_or_else(bad),
        }
    }

    /// Tells whether a path matches it.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Tokens(tokens) => matches_tokens(tokens, path),
            Self::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
        }
    }
}

/// What makes a pattern more than its letters.
const SPECIAL: &[u8] = b"*?[]\\";

/// How deep a pattern reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    One,
    Any,
}

#[derive(Debug)]
pub(crate) enum Token {
    Literal(char),
    /// A byte that is part of no character.
    Byte(u8),
    One,
    Many,
    /// Directories, or none.
    Directories,
    /// All that there is.
    Rest,
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
        /// Whether a slash can be in it.
        depth: Depth,
    },
}

fn tokens(pattern: &[u8], depth: Depth) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((first, after)) = character(rest) {
        rest = after;
        tokens.push(match first {
            Ok('*') if depth == Depth::Any && rest.starts_with(b"*") => {
                rest = &rest[1..];
                rest = rest.strip_prefix(b"/").unwrap_or(rest);
                if rest.is_empty() {
                    Token::Rest
                } else {
                    Token::Directories
                }
            }
            Ok('*') => Token::Many,
            Ok('?') => Token::One,
            Ok('\\') => {
                let (escaped, after) = character(rest)?;
                let is_word = |escaped: char| escaped.is_ascii_alphanumeric();
                if depth == Depth::Any && escaped.is_ok_and(is_word) {
                    // To Docker it is no letter, but what a regular expression means by it, or an error.
                    return None;
                }
                rest = after;
                literal(escaped)
            }
            Ok('[') => {
                let (class, after) = class(rest, depth)?;
                rest = after;
                class
            }
            other => literal(other),
        });
    }
    Some(tokens)
}

fn literal(character: Result<char, u8>) -> Token {
    match character {
        Ok(character) => Token::Literal(character),
        Err(byte) => Token::Byte(byte),
    }
}

fn class(mut rest: &[u8], depth: Depth) -> Option<(Token, &[u8])> {
    let negated = rest.starts_with(b"^");
    if negated {
        rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if rest.starts_with(b"]") && !ranges.is_empty() {
            let class = Token::Class {
                ranges,
                negated,
                depth,
            };
            return Some((class, &rest[1..]));
        }
        let (low, after) = bound(rest)?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix(b"-") {
            (high, rest) = bound(after)?;
        }
        ranges.push((low, high));
    }
}

fn bound(rest: &[u8]) -> Option<(char, &[u8])> {
    let (first, after) = character(rest)?;
    match first.ok()? {
        '-' | ']' => None,
        '\\' => {
            let (escaped, after) = character(after)?;
            Some((escaped.ok()?, after))
        }
        character => Some((character, after)),
    }
}

/// Takes one character off, or the first byte of what is none.
fn character(bytes: &[u8]) -> Option<(Result<char, u8>, &[u8])> {
    let chunk = bytes.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(first) => Some((Ok(first), &bytes[first.len_utf8()..])),
        None => Some((Err(bytes[0]), &bytes[1..])),
    }
}

fn matches_tokens(tokens: &[Token], text: &[u8]) -> bool {
    let Some((token, after)) = tokens.split_first() else {
        return text.is_empty();
    };
    if matches!(token, Token::Rest) {
        return true;
    }
    if matches!(token, Token::Directories) {
        let slashes = text.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut starts = [0].into_iter().chain(slashes.map(|(place, _)| place + 1));
        return starts.any(|start| matches_tokens(after, &text[start..]));
    }
    if matches!(token, Token::Many) {
        let mut rest = text;
        loop {
            if matches_tokens(after, rest) {
                return true;
            }
            match character(rest) {
                Some((Ok('/'), _)) | None => return false,
                Some((_, next)) => rest = next,
            }
        }
    }
    let Some((found, rest)) = character(text) else {
        return false;
    };
    let fits = match (token, found) {
        (Token::Literal(wanted), Ok(found)) => *wanted == found,
        (Token::Byte(wanted), Err(found)) => *wanted == found,
        (Token::One, found) => found != Ok('/'),
        (
            Token::Class {
                ranges,
                negated,
                depth,
            },
            found,
        ) => {
            let found = found.unwrap_or(char::REPLACEMENT_CHARACTER);
            let inside = ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&found));
            (found != '/' || *depth == Depth::Any) && inside != *negated
        }
        _ => false,
    };
    fits && matches_tokens(after, rest)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*", "abc", true)]
    #[case("*", "a/c", false)]
    #[case("a*/b", "abc/b", true)]
    #[case("a?c", "abc", true)]
    #[case("a?c", "a/c", false)]
    #[case("[a-c]x", "bx", true)]
    #[case("[^a-c]x", "bx", false)]
    #[case("[^a-c]x", "dx", true)]
    #[case("a\\*", "a*", true)]
    #[case("a\\*", "ab", false)]
    #[case("*é?", "aéz", true)]
    #[case("", "", true)]
    fn as_go_matches(#[case] pattern: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(
            matches(pattern.as_bytes(), path.as_bytes()).unwrap(),
            expected
        );
    }

    #[rstest]
    #[case("[a")]
    #[case("[]a]")]
    #[case("a\\")]
    fn bad_patterns(#[case] pattern: &str) {
        assert!(matches(pattern.as_bytes(), b"a").is_err());
    }

    #[test]
    fn what_is_a_pattern() {
        assert!(is_pattern(b"a*"));
        assert!(!is_pattern(b"a\\*"));
    }
}
