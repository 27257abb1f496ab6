//! Text that somebody else wrote, without what a terminal or a reader would take for an order:
//! names of a tree, what a build prints, instructions, messages of other programs.
//!
//! Everything that reaches a terminal, a log, a report or a line of plain text goes through here. It
//! knows characters, and does not know where they go.

mod hex;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use hex::hex;

/// What stands in the place of a character that is not printed.
const REPLACEMENT: &str = "\u{fffd}";

/// Characters that have no picture, or move those of others, besides the controls: all that Unicode
/// ignores by default but the selectors of an emoji's picture, and what ends a line or a paragraph.
/// From them come names that look like another (zero width) and texts that read otherwise than they
/// are (bidirectional overrides: "Trojan Source", CVE-2021-42574).
const UNSEEN: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    // Of no meaning that anybody else knows: pictures of a font, which may be any.
    ('\u{e000}', '\u{f8ff}'),
    ('\u{f0000}', '\u{ffffd}'),
    ('\u{100000}', '\u{10fffd}'),
    // Not characters.
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fffe}', '\u{ffff}'),
];

/// Tells whether a character is seen where it stands, and gives no order.
pub fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let unseen = |(first, last): &(char, char)| (*first..=*last).contains(&character);
    !character.is_control() && !UNSEEN.iter().any(unseen)
}

/// Returns a text that has one line. Tabs stay.
pub fn line(text: &str) -> Cow<'_, str> {
    replaced(text, |character| character == '\t')
}

/// Returns a text that may have several lines. Tabs and the ends of lines stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| matches!(character, '\t' | '\n'))
}

/// Returns a JSON document in which what is not printable is escaped. It means the same as before:
/// outside of its strings there is no such character.
pub fn json(document: &str) -> Cow<'_, str> {
    let stays = |character| is_printable(character) || matches!(character, '\n' | '\t' | '\r');
    if document.chars().all(stays) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len());
    for character in document.chars() {
        if stays(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(escaped)
}

fn replaced(text: &str, stays: fn(char) -> bool) -> Cow<'_, str> {
    let order = |character: char| !(is_printable(character) || stays(character));
    if text.contains(order) {
        Cow::Owned(text.replace(order, REPLACEMENT))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn no_control_of_a_terminal_is_printed() {
        let controls = ('\0'..=char::MAX).filter(|character| character.is_control());
        for control in controls {
            assert_eq!(line(&control.to_string()) == REPLACEMENT, control != '\t');
            let stays = matches!(control, '\t' | '\n');
            assert_eq!(lines(&control.to_string()) == REPLACEMENT, !stays);
        }
    }

    #[rstest]
    #[case::separators('\u{2028}'..='\u{2029}')]
    #[case::overrides('\u{202a}'..='\u{202e}')]
    #[case::isolates('\u{2066}'..='\u{2069}')]
    #[case::marks('\u{200e}'..='\u{200f}')]
    #[case::zero_width('\u{200b}'..='\u{200d}')]
    #[case::joiner('\u{2060}'..='\u{2064}')]
    #[case::byte_order('\u{feff}'..='\u{feff}')]
    #[case::soft_hyphen('\u{ad}'..='\u{ad}')]
    #[case::tags('\u{e0001}'..='\u{e007f}')]
    fn nothing_is_printed_that_is_not_seen(#[case] characters: std::ops::RangeInclusive<char>) {
        for character in characters {
            assert!(!is_printable(character), "{character:?}");
            let text = format!("a{character}b");
            assert_eq!(lines(&text), "a\u{fffd}b");
            let found = json(&format!("{{\"{text}\":1}}")).into_owned();
            assert!(found.chars().all(is_printable), "{found}");
        }
    }

    #[rstest]
    #[case("CC a.c\tb")]
    #[case(
        "\u{fc}\u{df}\u{142}\u{3b1}\u{434}\u{5d0}\u{628}\u{4e2d}\u{3042}\u{1f980}\u{26a0}\u{fe0f}"
    )]
    #[case("e\u{301} \u{2014} \u{2026} \u{fffd}")]
    fn what_people_write_stays(#[case] text: &str) {
        assert_eq!(line(text), text);
        assert_eq!(json(text), text);
    }

    #[rstest]
    #[case(
        "\u{1b}]0;title\u{7}done\r\u{9b}2J",
        "\u{fffd}]0;title\u{fffd}done\u{fffd}\u{fffd}2J"
    )]
    #[case("a\n\u{1b}c", "a\u{fffd}\u{fffd}c")]
    fn what_a_build_prints_gives_a_terminal_no_orders(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(line(text), expected);
    }

    #[test]
    fn json_says_the_same_in_other_characters() {
        assert_eq!(
            json("{\n\"\u{9b}\u{202e}\u{e0001}\": \"\u{7f}\"}"),
            "{\n\"\\u009b\\u202e\\udb40\\udc01\": \"\\u007f\"}"
        );
    }
}
