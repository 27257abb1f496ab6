//! Writing words so that they are read as they are meant.
//!
//! It does not know which instruction a word is for.

/// What a pattern of `COPY` has.
pub(super) const PATTERN: [char; 4] = ['*', '?', '[', '\\'];
/// What stands before a character that is meant as it is: of what is written here, whatever the file says.
pub(super) const ESCAPE: char = '\\';

/// Writes a flag; a value with blanks, quotes or escapes is put in quotes.
pub(super) fn flag(name: &str, value: &str, escape: char) -> String {
    let needs_quotes = |character: char| {
        character.is_whitespace() || "'\"".contains(character) || character == escape
    };
    if !value.contains(needs_quotes) {
        return format!("--{name}={value}");
    }
    let mut quoted = String::new();
    for character in value.chars() {
        if character == '"' || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    format!("--{name}=\"{quoted}\"")
}

/// Writes a path so that its expansion is the path itself.
pub(super) fn literal(path: &str, escape: char) -> String {
    let mut word = String::new();
    for character in path.chars() {
        if "$'\"".contains(character) || character == escape {
            word.push(escape);
        }
        word.push(character);
    }
    word
}

/// Writes a path of a `COPY` or an `ADD` so that it begins no heredoc, which it may even as a string of a JSON array.
pub(super) fn source(path: &str, escape: char) -> String {
    literal(path, escape).replace('<', &format!("{escape}<"))
}

/// Writes an owner so that nobody looks for what is known: no name is that of number 0, and so is `root`; the group of a
/// number alone is that number, whatever group its user is in.
pub(super) fn owner(text: &str) -> String {
    let number = |name: &str| match name {
        "" | "root" => "0".to_owned(),
        other => other.to_owned(),
    };
    match text.split_once(':') {
        Some((user, group)) => format!("{}:{}", number(user), number(group)),
        None => match number(text) {
            user if user.bytes().all(|byte| byte.is_ascii_digit()) => format!("{user}:{user}"),
            user => user,
        },
    }
}

/// Writes a destination so that all engines take it for the directory that it is.
pub(super) fn destination(text: &str) -> &str {
    match text.strip_suffix('.') {
        Some(directory) if directory.ends_with('/') => directory,
        _ => text,
    }
}

/// Writes words as arguments: plain, or as a JSON array where one of them has blanks, or would be taken for a flag.
pub(super) fn arguments(words: &[String], json: bool) -> String {
    let is_plain = |word: &String| {
        !(word.is_empty() || word.starts_with("--") || word.contains(char::is_whitespace))
    };
    let plain = !json && words.iter().all(is_plain);
    if plain {
        words.join(" ")
    } else {
        format!("[{}]", strings(words))
    }
}

fn strings(words: &[String]) -> String {
    let quoted: Vec<_> = words
        .iter()
        .map(|word| serde_json::Value::from(word.as_str()).to_string())
        .collect();
    quoted.join(", ")
}

/// Writes an exec form whose last word, a script, has a line of the file for each of its own lines.
///
/// A line of the file may be no longer than 64 KiB in some engines, and it is easier to read. The pieces are joined
/// again before the array is read, so they must not look like comments or empty lines.
pub(super) fn script(words: &[String], escape: char) -> String {
    let Some((script, head)) = words.split_last() else {
        return "[]".to_owned();
    };
    let separator = if head.is_empty() { "" } else { ", " };
    let mut text = format!("[{}{separator}\"", strings(head));
    for line in script.split_inclusive('\n') {
        text.push(escape);
        text.push('\n');
        text.push_str(&piece(line, escape));
    }
    text.push_str("\"]");
    text
}

/// Writes one line of a script as a part of a JSON string.
fn piece(line: &str, escape: char) -> String {
    let mut piece = String::new();
    for (index, character) in line.chars().enumerate() {
        let coded = match character {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            // A comment, or blanks that an engine might cut off.
            '#' | ' ' if index == 0 => format!("\\u{:04x}", u32::from(character)),
            // A backtick before the end of a line could be taken for a continuation.
            '`' if escape == '`' => "\\u0060".to_owned(),
            control if u32::from(control) < 0x20 || control == '\u{7f}' => {
                format!("\\u{:04x}", u32::from(control))
            }
            // Engines trim some blanks beyond ASCII as well.
            blank if blank.is_whitespace() && blank != ' ' => {
                format!("\\u{:04x}", u32::from(blank))
            }
            other => other.to_string(),
        };
        piece.push_str(&coded);
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", "--x=a")]
    #[case("a b", "--x=\"a b\"")]
    #[case(r#"a"\"#, r#"--x="a\"\\""#)]
    fn flags_are_quoted_where_needed(#[case] value: &str, #[case] expected: &str) {
        assert_eq!(flag("x", value, '\\'), expected);
    }

    #[rstest]
    #[case("tim:", "tim:0")]
    #[case(":9", "0:9")]
    #[case("root", "0:0")]
    #[case("root:root", "0:0")]
    #[case("tim:staff", "tim:staff")]
    #[case("7", "7:7")]
    #[case("tim", "tim")]
    fn owners_are_numbers_where_they_are_known(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(owner(text), expected);
    }

    #[rstest]
    #[case(&["a", "/b"], "a /b")]
    #[case(&["a b", "/b"], r#"["a b", "/b"]"#)]
    #[case(&["--from=x", "/b"], r#"["--from=x", "/b"]"#)]
    fn words_are_written_as_what_they_are(#[case] words: &[&str], #[case] expected: &str) {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(arguments(&words, false), expected);
    }

    #[rstest]
    #[case("/four/.", "/four/")]
    #[case("/.", "/")]
    #[case(".", ".")]
    #[case("/a.", "/a.")]
    #[case("/a/", "/a/")]
    fn a_destination_is_the_directory_that_it_is(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(destination(text), expected);
    }

    #[test]
    fn a_script_stands_line_by_line() {
        let words: Vec<String> = ["/bin/sh", "-c", "a \"\\\n\n # b\n#c\n\tlast"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            script(&words, '\\'),
            "[\"/bin/sh\", \"-c\", \"\\\na \\\"\\\\\\n\\\n\\n\\\n\\u0020# b\\n\\\n\\u0023c\\n\\\n\\tlast\"]"
        );
    }

    #[test]
    fn words_with_blanks_become_an_array() {
        let words = ["a b".to_owned(), "c".to_owned()];
        assert_eq!(arguments(&words, false), r#"["a b", "c"]"#);
        assert_eq!(arguments(&words[1..], false), "c");
        assert_eq!(arguments(&words[1..], true), r#"["c"]"#);
    }
}
