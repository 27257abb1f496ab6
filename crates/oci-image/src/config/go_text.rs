//! Text as Go's `fmt` prints it: what stands in an image's history.
//!
//! It does not know what is printed.

use std::fmt::Write as _;
use std::time::Duration;

/// Returns a text as `%q` prints it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        escape(&mut out, character, '"');
    }
    out.push('"');
    out
}

/// Returns a list of texts as `%q` prints it: `["a" "b"]`.
pub(super) fn quoted_list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(" "))
}

/// Returns a list of texts as `%v` prints it: `[a b]`.
pub(super) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.join(" "))
}

/// Returns a number as `%q` prints it: as the character with that number.
pub(super) fn quoted_number(number: u32) -> String {
    let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut out = String::from('\'');
    escape(&mut out, character, '\'');
    out.push('\'');
    out
}

fn escape(out: &mut String, character: char, quote: char) {
    let short = match character {
        '\u{7}' => Some('a'),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\u{b}' => Some('v'),
        '\\' => Some('\\'),
        _ if character == quote => Some(quote),
        _ => None,
    };
    let number = u32::from(character);
    // Writing to a String cannot fail.
    let _ = match short {
        Some(letter) => write!(out, "\\{letter}"),
        None if is_printable(character) => write!(out, "{character}"),
        None if number < 0x20 || number == 0x7f => write!(out, "\\x{number:02x}"),
        None if number < 0x1_0000 => write!(out, "\\u{number:04x}"),
        None => write!(out, "\\U{number:08x}"),
    };
}

/// Tells what Go calls printable: letters, marks, numbers, punctuation, symbols and the space.
fn is_printable(character: char) -> bool {
    // The standard library escapes the rest too; marks it escapes at the beginning of a text only.
    format!("a{character}")
        .escape_debug()
        .any(|shown| shown == character)
}

/// Returns a duration as Go prints it: `0s`, `1.5s`, `1h0m0s`, `200ms`.
pub(super) fn duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanoseconds, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanoseconds, 1_000_000)),
        _ => {
            let seconds = nanoseconds / 1_000_000_000;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let rest = nanoseconds - (seconds - seconds % 60) * 1_000_000_000;
            let rest = decimal(rest, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{rest}s"),
                (0, _) => format!("{minutes}m{rest}s"),
                _ => format!("{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

/// Returns `number / unit`, with as many decimals as it has. The unit is a power of ten.
fn decimal(number: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", number % unit);
    let fraction = fraction.trim_end_matches('0');
    let whole = number / unit;
    if fraction.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The expected texts were printed by Go.
    #[rstest]
    #[case("a b", r#""a b""#)]
    #[case("\"\\'", r#""\"\\'""#)]
    #[case("\n\t\r\u{7}\u{8}\u{b}\u{c}", r#""\n\t\r\a\b\v\f""#)]
    #[case("\u{0}\u{1}\u{1b}\u{7f}", r#""\x00\x01\x1b\x7f""#)]
    #[case(
        "\u{80}\u{a0}\u{ad}\u{2028}\u{feff}",
        r#""\u0080\u00a0\u00ad\u2028\ufeff""#
    )]
    #[case("é\u{301}世🦀", "\"é\u{301}世🦀\"")]
    #[case("\u{e0001}\u{10ffff}", r#""\U000e0001\U0010ffff""#)]
    fn texts_are_quoted_as_in_go(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quoted(text), expected);
    }

    #[rstest]
    #[case(0, r"'\x00'")]
    #[case(3, r"'\x03'")]
    #[case(10, r"'\n'")]
    #[case(34, "'\"'")]
    #[case(39, r"'\''")]
    #[case(100, "'d'")]
    #[case(0xd800, "'\u{fffd}'")]
    #[case(0x7fff_ffff, "'\u{fffd}'")]
    fn numbers_are_quoted_as_in_go(#[case] number: u32, #[case] expected: &str) {
        assert_eq!(quoted_number(number), expected);
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(1, "1ns")]
    #[case(1_500, "1.5µs")]
    #[case(2_000_000, "2ms")]
    #[case(1_500_000_000, "1.5s")]
    #[case(60_000_000_000, "1m0s")]
    #[case(3_600_000_000_000, "1h0m0s")]
    #[case(5_025_000_000_001, "1h23m45.000000001s")]
    fn durations_are_printed_as_in_go(#[case] nanoseconds: u64, #[case] expected: &str) {
        assert_eq!(duration(Duration::from_nanos(nanoseconds)), expected);
    }
}
