//! Finding heredoc marks in a line: `<<NAME`, `<<-NAME`, `3<<"NAME"`.
//!
//! It does not read bodies; [`crate::lines`] does.

use crate::expand::{self, Escapes, Quotes, Rules, Unset};

/// The mark of a heredoc, whose body follows the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) strip_tabs: bool,
    /// No part of the name is quoted.
    pub(crate) expand: bool,
}

/// Marks are read as a shell reads them: with a backslash as the escape, whatever the file says.
fn rules(quotes: Quotes, escapes: Escapes) -> Rules {
    Rules {
        escape: '\\',
        quotes,
        escapes,
        unset: Unset::Keep,
    }
}

fn nothing(_name: &str) -> Option<String> {
    None
}

/// Tells whether there may be a mark in a line.
pub(crate) fn may_mark(line: &str) -> bool {
    line.contains("<<")
}

/// Returns the marks of a line; a line with an open quote has none.
pub(crate) fn marks(line: &str) -> Vec<Mark> {
    if !may_mark(line) {
        return Vec::new();
    }
    expand::words(line, rules(Quotes::Keep, Escapes::Keep), &nothing)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| mark(word))
        .collect()
}

/// Reads a text that is nothing but one mark.
pub(crate) fn mark(text: &str) -> Option<Mark> {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let rest = rest.strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let single = |quotes| {
        let words = expand::words(rest, rules(quotes, Escapes::Remove), &nothing).ok()?;
        <[String; 1]>::try_from(words).ok().map(|[word]| word)
    };
    let name = single(Quotes::Remove)?;
    let quotes = |word: &str| word.matches(['\'', '"']).count();
    let expand = quotes(rest) == 0 || quotes(&name) == quotes(&single(Quotes::Keep)?);
    Some(Mark {
        name,
        strip_tabs,
        expand,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("<<EOF", "EOF", false, true)]
    #[case("<<-EOF", "EOF", true, true)]
    #[case("<<'EOF'", "EOF", false, false)]
    #[case("<<-\"E F\"", "E F", true, false)]
    #[case("<<E\"O\"F", "EOF", false, false)]
    #[case("3<< EOF", "EOF", false, true)]
    #[case("<<$name", "$name", false, true)]
    fn a_mark_is_read(
        #[case] text: &str,
        #[case] name: &str,
        #[case] strip_tabs: bool,
        #[case] expand: bool,
    ) {
        let name = name.to_owned();
        assert_eq!(
            mark(text),
            Some(Mark {
                name,
                strip_tabs,
                expand
            })
        );
    }

    #[rstest]
    #[case("<<")]
    #[case("<EOF")]
    #[case("<<<word")]
    #[case("x<<EOF")]
    #[case("<<a b")]
    #[case("<<'a")]
    fn other_words_are_no_marks(#[case] text: &str) {
        assert_eq!(mark(text), None);
    }

    #[rstest]
    #[case("RUN cat <<A > /a && cat <<-'B' >/b", &["A", "B"])]
    #[case("RUN cat << A", &["A"])]
    #[case("RUN echo \"<<A\" '<<B'", &[])]
    #[case("RUN echo $((1<<2))", &[])]
    #[case("RUN cat 3<<A <&3", &["A"])]
    #[case("RUN it's <<A", &[])]
    fn marks_are_found(#[case] line: &str, #[case] expected: &[&str]) {
        let names: Vec<_> = marks(line).into_iter().map(|mark| mark.name).collect();
        assert_eq!(names, expected);
    }
}
