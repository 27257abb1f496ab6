//! The words of a shell command, each with its place, and the simple command that it is in.
//!
//! It is no shell: it splits where a shell would in nearly every build script, and what it
//! cannot split it leaves together.

/// A word of a shell command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The word, without quotes around it.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Whether it is the name of the command that runs.
    pub(crate) leads: bool,
}

/// Splits a text into words.
pub(crate) fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut leads = true;
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (place, character) in ends {
        let separates = character.is_whitespace() || "\"'`;|&()<>{}[],\\".contains(character);
        if !separates {
            start.get_or_insert(place);
            continue;
        }
        if let Some(start) = start.take() {
            let word = &text[start..place];
            words.push(Word {
                text: word,
                start,
                leads,
            });
            // The command stands behind RUN and its flags, and behind variables that are set
            // for it.
            leads &= start == 0 || word.starts_with("--") || word.contains('=');
        }
        if "\n;|&(`".contains(character) {
            leads = true;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_know_where_they_are_and_which_of_them_lead() {
        let text = "RUN --b=/c d=1 \"d\" x && $(e f) | g";
        let found: Vec<_> = words(text)
            .iter()
            .map(|word| (word.text, word.start, word.leads))
            .collect();
        let expected = [
            ("RUN", 0, true),
            ("--b=/c", 4, true),
            ("d=1", 11, true),
            ("d", 16, true),
            ("x", 19, false),
            ("$", 24, true),
            ("e", 26, true),
            ("f", 28, false),
            ("g", 33, true),
        ];
        assert_eq!(found, expected);
    }
}
