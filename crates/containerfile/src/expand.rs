//! Words as a shell would read them: quotes, escapes and `$name` in all the forms that `BuildKit` documents.
//!
//! It knows neither instructions nor where values come from: a lookup is passed in.

use std::borrow::Cow;

use crate::pattern::{Pattern, Reach};

/// Why a word could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpansionError {
    /// A quote is not closed.
    #[error("a {0} quote is not closed")]
    Unclosed(char),
    /// `${` without its `}`.
    #[error("`${{` is not closed, expected `}}`")]
    MissingBrace,
    /// `${name/pattern` without the second slash.
    #[error("`${{name/pattern` needs a second `/`, expected `${{name/pattern/replacement}}`")]
    MissingSlash,
    /// `${}`, `${:x}` or `${{x}`.
    #[error("`${{` must be followed by a variable's name")]
    BadSubstitution,
    /// A modifier that does not exist.
    #[error("unknown modifier `{0}`, expected one of :- :+ :? - + ? # ## % %% / //")]
    UnknownModifier(String),
    /// `${name:?message}` of a variable that is not set.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The message that the file gives.
        message: String,
    },
    /// A pattern escapes a character that needs no escape.
    #[error(
        "`\\{0}` is not a valid escape in a pattern, expected one of `\\*` `\\?` `\\\\` `\\/` `\\}}`"
    )]
    BadEscape(char),
    /// A word that grows too much.
    #[error("a word expands to more than {0} bytes")]
    TooLong(usize),
    /// `${` in `${` in `${`.
    #[error("`${{` is nested more than {DEEPEST} levels deep")]
    TooDeep,
    /// A pattern that has too much to look at.
    #[error("a pattern of {0} characters is too long for a value of {1}")]
    TooSlow(usize, usize),
}

/// The most bytes that one word expands to: as many as a whole file has.
const LONGEST: usize = 4 << 20;

/// How many `${` stand in one another.
const DEEPEST: usize = 64;

/// How many places of values are compared with how many places of patterns, in one word.
const MOST_COMPARISONS: usize = 1 << 22;

/// What happens to quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// They group, and go.
    Remove,
    /// They group, and stay.
    Keep,
    /// They are ordinary characters (the body of a heredoc).
    Ordinary,
}

/// What happens to the escape character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    Remove,
    Keep,
}

/// What becomes of a variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    Empty,
    Keep,
}

/// How to read a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) escape: char,
    pub(crate) quotes: Quotes,
    pub(crate) escapes: Escapes,
    pub(crate) unset: Unset,
}

impl Rules {
    /// The rules for the arguments of an instruction.
    pub(crate) fn word(escape: char) -> Self {
        Self {
            escape,
            quotes: Quotes::Remove,
            escapes: Escapes::Remove,
            unset: Unset::Empty,
        }
    }

    /// The rules for the body of a heredoc: always with a backslash, whatever the file's escape is.
    pub(crate) fn heredoc_body() -> Self {
        Self {
            quotes: Quotes::Ordinary,
            ..Self::word('\\')
        }
    }
}

/// The value of a variable, where it has one.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns `word` with its variables expanded; blanks between words stay.
pub(crate) fn expand<'word>(
    word: &'word str,
    rules: Rules,
    lookup: Lookup,
) -> Result<Cow<'word, str>, ExpansionError> {
    if stands_for_itself(word, rules) {
        return Ok(word.into());
    }
    Lexer::new(without_mark(word), rules, lookup)
        .read_until(None, rules.escapes)
        .map(|(text, _)| text.into())
}

/// Tells whether there is nothing to expand in a word: most have neither variables nor quotes.
pub(crate) fn stands_for_itself(word: &str, rules: Rules) -> bool {
    !word.contains(['$', '\'', '"', rules.escape]) && !word.starts_with(BYTE_ORDER_MARK)
}

/// What a word loses that begins with it: `BuildKit` reads each as a text of its own.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn without_mark(word: &str) -> &str {
    word.strip_prefix(BYTE_ORDER_MARK).unwrap_or(word)
}

/// Returns the words of `text`: variables first, then the split at blanks that are not quoted.
pub(crate) fn words(
    text: &str,
    rules: Rules,
    lookup: Lookup,
) -> Result<Vec<String>, ExpansionError> {
    // The blanks after the mark of a heredoc belong to its word.
    if stands_for_itself(text, rules) && !text.contains('<') {
        return Ok(text.split_whitespace().map(str::to_owned).collect());
    }
    Lexer::new(without_mark(text), rules, lookup)
        .read_until(None, rules.escapes)
        .map(|(_, words)| words)
}

struct Lexer<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    rules: Rules,
    escapes: Escapes,
    lookup: Lookup<'a>,
    /// In how many `${` it is.
    depth: usize,
    /// How many bytes variables have given, those included that were not kept.
    given: usize,
    comparisons: usize,
    /// The word that is being read. There is one, as in `BuildKit` 0.26: what a modifier of a variable has for a word
    /// takes the place of what stands before the variable in the same word (`80${TAIL:-80}` is `80`).
    current: String,
}

/// Collects words while the whole text is collected too.
#[derive(Default)]
struct Words {
    done: Vec<String>,
}

impl Words {
    fn split(&mut self, current: &mut String, text: &str) {
        for (place, part) in text.split(char::is_whitespace).enumerate() {
            if place > 0 {
                self.end(current);
            }
            current.push_str(part);
        }
    }

    fn end(&mut self, current: &mut String) {
        if !current.is_empty() {
            self.done.push(std::mem::take(current));
        }
    }
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, rules: Rules, lookup: Lookup<'a>) -> Self {
        Self {
            text,
            at: 0,
            rules,
            escapes: rules.escapes,
            lookup,
            depth: 0,
            given: 0,
            comparisons: 0,
            current: String::new(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take_if(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    /// Takes characters as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|character| !fits(character));
        let taken = &rest[..length.unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Reads up to `stop`, which is taken, or to the end.
    fn read_until(
        &mut self,
        stop: Option<char>,
        escapes: Escapes,
    ) -> Result<(String, Vec<String>), ExpansionError> {
        if self.depth > DEEPEST {
            return Err(ExpansionError::TooDeep);
        }
        let outer = std::mem::replace(&mut self.escapes, escapes);
        self.depth += 1;
        let result = self.read_on(stop);
        self.depth -= 1;
        self.escapes = outer;
        result
    }

    fn read_on(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), ExpansionError> {
        let mut text = String::new();
        let mut words = Words::default();
        self.current.clear();
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.next();
                words.end(&mut self.current);
                return Ok((text, words.done));
            }
            let ordinary_quotes = self.rules.quotes == Quotes::Ordinary;
            match character {
                '$' => {
                    let value = self.dollar()?;
                    words.split(&mut self.current, &value);
                    text.push_str(&value);
                }
                '<' => {
                    let value = self.heredoc_mark();
                    self.current.push_str(value);
                    text.push_str(value);
                }
                '\'' if !ordinary_quotes => {
                    let value = self.single_quoted()?;
                    self.current.push_str(&value);
                    text.push_str(&value);
                }
                '"' if !ordinary_quotes => {
                    let value = self.double_quoted()?;
                    self.current.push_str(&value);
                    text.push_str(&value);
                }
                _ if character == self.rules.escape => {
                    self.next();
                    let mut value = String::new();
                    if self.escapes == Escapes::Keep {
                        value.push(character);
                    }
                    value.extend(self.next());
                    self.current.push_str(&value);
                    text.push_str(&value);
                }
                _ => {
                    let escape = self.rules.escape;
                    let ordinary = self.take_while(|character| {
                        let quote = !ordinary_quotes && matches!(character, '\'' | '"');
                        let special = quote || matches!(character, '$' | '<');
                        !special && character != escape && Some(character) != stop
                    });
                    words.split(&mut self.current, ordinary);
                    text.push_str(ordinary);
                }
            }
        }
        match stop {
            None => {
                words.end(&mut self.current);
                Ok((text, words.done))
            }
            Some('/') => Err(ExpansionError::MissingSlash),
            Some(_) => Err(ExpansionError::MissingBrace),
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpansionError> {
        self.next();
        let text = self.take_while(|character| character != '\'');
        match self.next() {
            Some(_) => Ok(self.requote(text.to_owned(), '\'')),
            None => Err(ExpansionError::Unclosed('\'')),
        }
    }

    fn double_quoted(&mut self) -> Result<String, ExpansionError> {
        self.next();
        let mut text = String::new();
        while let Some(character) = self.peek() {
            match character {
                '"' => {
                    self.next();
                    return Ok(self.requote(text, '"'));
                }
                '$' => text.push_str(&self.dollar()?),
                _ if character == self.rules.escape => {
                    self.next();
                    match self.peek() {
                        // An escape before anything else is an ordinary character here.
                        Some(escaped)
                            if escaped == '"' || escaped == '$' || escaped == character =>
                        {
                            if self.escapes == Escapes::Keep {
                                text.push(character);
                            }
                            self.next();
                            text.push(escaped);
                        }
                        Some(_) => {
                            if self.escapes == Escapes::Keep {
                                text.push(character);
                            }
                            text.push(character);
                        }
                        None => {}
                    }
                }
                _ => {
                    self.next();
                    text.push(character);
                }
            }
        }
        Err(ExpansionError::Unclosed('"'))
    }

    fn requote(&self, text: String, quote: char) -> String {
        match self.rules.quotes {
            Quotes::Keep => format!("{quote}{text}{quote}"),
            Quotes::Remove | Quotes::Ordinary => text,
        }
    }

    /// Reads `<`, or `<<` with the blanks after it: they belong to the word that names a heredoc.
    fn heredoc_mark(&mut self) -> &'a str {
        let start = self.at;
        self.next();
        if self.take_if('<') {
            self.take_while(|character| matches!(character, '\t' | '\r' | ' '));
        }
        &self.text[start..self.at]
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    fn keeps_unset(&self, value: Option<&String>) -> bool {
        value.is_none() && self.rules.unset == Unset::Keep
    }

    fn dollar(&mut self) -> Result<String, ExpansionError> {
        let value = self.variable()?;
        self.given += value.len();
        if self.given > LONGEST {
            return Err(ExpansionError::TooLong(LONGEST));
        }
        Ok(value)
    }

    fn variable(&mut self) -> Result<String, ExpansionError> {
        self.next();
        if !self.take_if('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            let value = self.value(name);
            if self.keeps_unset(value.as_ref()) {
                return Ok(format!("${name}"));
            }
            return Ok(value.unwrap_or_default());
        }
        match self.peek() {
            None => return Err(ExpansionError::MissingBrace),
            Some('{' | '}' | ':') => return Err(ExpansionError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => {
                let value = self.value(name);
                if self.keeps_unset(value.as_ref()) {
                    return Ok(format!("${{{name}}}"));
                }
                Ok(value.unwrap_or_default())
            }
            Some(':') => match self.next() {
                Some(modifier @ ('+' | '-' | '?')) => self.conditional(name, modifier, true),
                Some(other) => Err(ExpansionError::UnknownModifier(format!(":{other}"))),
                None => Err(ExpansionError::MissingBrace),
            },
            Some(modifier @ ('+' | '-' | '?')) => self.conditional(name, modifier, false),
            Some(side @ ('#' | '%')) => self.trim(name, side),
            Some('/') => self.replace(name),
            Some(other) => Err(ExpansionError::UnknownModifier(other.to_string())),
            None => Err(ExpansionError::MissingBrace),
        }
    }

    fn conditional(
        &mut self,
        name: &str,
        modifier: char,
        empty_is_unset: bool,
    ) -> Result<String, ExpansionError> {
        let (word, _) = self.read_until(Some('}'), Escapes::Remove)?;
        let value = self.value(name);
        if self.keeps_unset(value.as_ref()) {
            let colon = if empty_is_unset { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let set = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (modifier, set) {
            ('-', set) => Ok(set.unwrap_or(word)),
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) => Err(ExpansionError::Required {
                name: name.to_owned(),
                message: if word.is_empty() {
                    "must be set, and is not".to_owned()
                } else {
                    word
                },
            }),
        }
    }

    fn trim(&mut self, name: &str, side: char) -> Result<String, ExpansionError> {
        let (word, _) = self.read_until(Some('}'), Escapes::Keep)?;
        let value = self.value(name);
        if self.keeps_unset(value.as_ref()) {
            return Ok(format!("${{{name}{side}{word}}}"));
        }
        let (text, reach) = match word.strip_prefix(side) {
            Some(rest) => (rest, Reach::Longest),
            None => (word.as_str(), Reach::Shortest),
        };
        let value = value.unwrap_or_default();
        let pattern = self.pattern(text, reach, &value)?;
        Ok(if side == '#' {
            pattern.trim_start(&value)
        } else {
            pattern.trim_end(&value)
        })
    }

    fn replace(&mut self, name: &str) -> Result<String, ExpansionError> {
        let all = self.take_if('/');
        let (text, _) = self.read_until(Some('/'), Escapes::Keep)?;
        let (replacement, _) = self.read_until(Some('}'), Escapes::Keep)?;
        let value = self.value(name);
        if self.keeps_unset(value.as_ref()) {
            return Ok(format!("${{{name}/{text}/{replacement}}}"));
        }
        let value = value.unwrap_or_default();
        let pattern = self.pattern(&text, Reach::Longest, &value)?;
        if !all {
            return Ok(pattern.replace_first(&value, &replacement));
        }
        pattern
            .replace_all(&value, &replacement, LONGEST)
            .ok_or(ExpansionError::TooLong(LONGEST))
    }

    /// Reads a pattern, which is to be looked for in a value.
    fn pattern(
        &mut self,
        text: &str,
        reach: Reach,
        value: &str,
    ) -> Result<Pattern, ExpansionError> {
        self.comparisons += (text.len() + 1).saturating_mul(value.len() + 1);
        if self.comparisons > MOST_COMPARISONS {
            return Err(ExpansionError::TooSlow(text.len(), value.len()));
        }
        Pattern::new(text, reach).map_err(ExpansionError::BadEscape)
    }

    /// Reads a name: letters, digits and `_`; or digits only; or one of the shell's special parameters.
    fn name(&mut self) -> &'a str {
        match self.peek() {
            Some(digit) if digit.is_numeric() => self.take_while(char::is_numeric),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                let start = self.at;
                self.next();
                &self.text[start..self.at]
            }
            _ => self.take_while(|character| character.is_alphanumeric() || character == '_'),
        }
    }
}

#[cfg(test)]
mod tests;
