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

/// Words after which a command still follows.
const BEFORE_COMMANDS: [&str; 11] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "time", "exec", "env",
];

/// Splits a text into words, without the shell's comments.
pub(crate) fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut leads = true;
    let mut start = None;
    let mut in_comment = false;
    let mut before = '\n';
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (place, character) in ends {
        if in_comment && character != '\n' {
            continue;
        }
        in_comment = false;
        let separates = character.is_whitespace() || "\"'`;|&()<>{}[],\\".contains(character);
        if !separates {
            if start.is_none() && character == '#' && (before.is_whitespace() || before == ';') {
                in_comment = true;
                continue;
            }
            start.get_or_insert(place);
            before = character;
            continue;
        }
        before = character;
        if let Some(start) = start.take() {
            let word = &text[start..place];
            words.push(Word {
                text: word,
                start,
                leads,
            });
            // The command stands behind RUN and its flags, and behind variables that are set
            // for it.
            leads &= start == 0
                || word.starts_with("--")
                || word.contains('=')
                || BEFORE_COMMANDS.contains(&word);
        }
        if "\n;|&(`".contains(character) {
            leads = true;
        }
    }
    words
}

/// Returns the words that follow the one at `place` in its simple command.
pub(crate) fn behind<'w, 'a>(
    words: &'w [Word<'a>],
    place: usize,
) -> impl Iterator<Item = &'a str> + 'w {
    let rest = words[place + 1..].iter();
    rest.take_while(|word| !word.leads).map(|word| word.text)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_know_where_they_are_and_which_of_them_lead() {
        let text = "RUN --b=/c d=1 \"d\" x && $(e f) | g\n# h\ni #j\nthen k";
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
            ("i", 39, true),
            ("then", 44, true),
            ("k", 49, true),
        ];
        assert_eq!(found, expected);
    }
}
