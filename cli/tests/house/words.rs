//! Rust's source as words: names, `::`, and single characters, without comments, texts and lifetimes.

/// Returns the words of a source.
pub(crate) fn words(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        at += match rest {
            ['/', '/', ..] => rest
                .iter()
                .position(|letter| *letter == '\n')
                .unwrap_or(rest.len()),
            ['/', '*', ..] => comment(rest),
            ['r', '#' | '"', ..] | ['b' | 'c', 'r', '#' | '"', ..]
                if let Some(length) = raw(rest) =>
            {
                length
            }
            ['b' | 'c', '"', ..] => 1 + quoted(&rest[1..], '"'),
            ['b', '\'', ..] => 1 + quoted(&rest[1..], '\''),
            ['"', ..] => quoted(rest, '"'),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
            ['\'', ..] => 1 + name(&rest[1..]),
            [':', ':', ..] => {
                words.push("::".to_owned());
                2
            }
            [letter, ..] if letter.is_whitespace() => 1,
            [letter, ..] => {
                let length = name(rest).max(1);
                // The arrow of a function closes no list of parameters.
                if *letter != '>' || !matches!(words.last().map(String::as_str), Some("-" | "=")) {
                    words.push(rest[..length].iter().collect());
                }
                length
            }
            [] => break,
        };
    }
    words
}

fn name(letters: &[char]) -> usize {
    let is_in = |letter: &char| letter.is_alphanumeric() || *letter == '_';
    letters.iter().take_while(|letter| is_in(letter)).count()
}

fn quoted(letters: &[char], quote: char) -> usize {
    let mut at = 1;
    while let Some(letter) = letters.get(at) {
        match letter {
            '\\' => at += 2,
            letter if *letter == quote => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// Returns how long a text is in which nothing is escaped, with a letter or two before it.
fn raw(letters: &[char]) -> Option<usize> {
    let before = name(letters);
    let marks = letters[before..]
        .iter()
        .take_while(|letter| **letter == '#');
    let marks = marks.count();
    let begins = before + marks;
    if letters.get(begins) != Some(&'"') {
        // A name that is a word of the language otherwise.
        return None;
    }
    let close: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', marks))
        .collect();
    let found = letters[begins + 1..]
        .windows(close.len())
        .position(|some| some == close);
    Some(begins + 1 + found? + close.len())
}

fn comment(letters: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < letters.len() {
        match &letters[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn comments_texts_and_lifetimes_are_no_words() {
        let text = "use a::b; // c\n/* d /* e */ */ fn f<'g>(h: &'g str) -> char { \"i\\\"j\"; r#\"k\"l\"#; '\\''; b'm'; 'n' }";
        let expected = "use a :: b ; fn f < > ( h : & str ) - char { ; ; ; ; }";
        assert_eq!(words(text).join(" "), expected);
    }
}
