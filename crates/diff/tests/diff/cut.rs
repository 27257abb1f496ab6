//! Looking into a file has an end, whatever is in it: what is left out then is said, and nothing is where all was seen.

use std::fmt::Write as _;

use documents::DiffContentKind;
use rstest::rstest;

use crate::contents::{ar, zip};
use crate::scene::{Draft, draft, file, files, strictly, tar};

/// Returns so many lines that end with a word.
fn lines(count: usize, word: &str) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        writeln!(lines, "{number} {word}").unwrap();
        lines
    })
}

fn added_lines(count: usize, word: &str) -> Vec<u8> {
    match word {
        "one" => b"text\n".to_vec(),
        _ => format!("text\n{}", lines(count, word)).into_bytes(),
    }
}

fn other_lines(count: usize, word: &str) -> Vec<u8> {
    lines(count, word).into_bytes()
}

fn a_line_before_others(count: usize, word: &str) -> Vec<u8> {
    format!("{word}{}", "\n".repeat(count)).into_bytes()
}

fn a_long_line(length: usize, word: &str) -> Vec<u8> {
    word.repeat(length).as_bytes()[..length].to_vec()
}

fn a_long_text_in_bytes(length: usize, word: &str) -> Vec<u8> {
    [b"\0", a_long_line(length, word).as_slice(), b"\0"].concat()
}

fn lines_that_show_a_cause(count: usize, word: &str) -> Vec<u8> {
    let day = if word == "one" { 1 } else { 2 };
    other_lines(count, &format!("on 2026-12-0{day}"))
}

fn files_of_an_archive(count: usize, word: &str) -> Vec<u8> {
    let files: Vec<_> = (0..count)
        .map(|number| file(&number.to_string(), word))
        .collect();
    tar(&files)
}

fn archives_in_archives(depth: usize, word: &str) -> Vec<u8> {
    let inner = word.as_bytes().to_vec();
    (0..depth).fold(inner, |inner, _| tar(&[file("inner", inner)]))
}

/// The method is the one of the number: 0 is none, and nothing else is compressed by 99.
fn a_file_of_a_zip(method: usize, word: &str) -> Vec<u8> {
    let mut archive = zip(0, word);
    let is_central = |window: &[u8]| window == b"PK\x01\x02";
    let start = archive.windows(4).position(is_central).unwrap();
    archive[start + 10] = u8::try_from(method).unwrap();
    archive
}

#[rstest]
#[case::lists(files_of_an_archive, 64, 65)]
#[case::causes(lines_that_show_a_cause, 100, 101)]
#[case::pairs(other_lines, 2_000, 2_001)]
#[case::lines_that_differ(added_lines, 4_000, 4_001)]
#[case::lines(a_line_before_others, 500_000, 500_001)]
#[case::line(a_long_line, 4_096, 4_097)]
#[case::text(a_long_text_in_bytes, 4_096, 4_097)]
#[case::depth(archives_in_archives, 4, 5)]
#[case::method(a_file_of_a_zip, 0, 99)]
fn what_is_not_looked_into_is_said(
    #[case] with: fn(usize, &str) -> Vec<u8>,
    #[case] whole: usize,
    #[case] cut: usize,
) {
    let notes = |count| files("usr/x", with(count, "one"), with(count, "two")).notes;
    assert_eq!(notes(whole), [""; 0]);
    let said = "layer 1: usr/x: not all of it was looked into";
    assert_eq!(notes(cut), [said]);
}

#[test]
fn documents_of_which_not_all_was_searched_are_named() {
    let notes = |count: usize| {
        let with = |word: &str| {
            let values = lines(count, word);
            let values = values.lines().map(|line| format!("\"{line}\""));
            let config = format!(",\"x\":[{}]", values.collect::<Vec<_>>().join(","));
            Draft {
                config,
                ..draft(&[file("a", "a")])
            }
        };
        strictly(&with("one"), &with("two")).notes
    };
    assert_eq!(notes(2_000), [""; 0]);
    let said = "causes were looked for in the first 2000 values of documents that differ";
    assert_eq!(notes(2_001), [said]);
}

/// Returns an archive of `ar` whose files all have the first of the long names.
fn of_one_name(count: usize, length: usize, word: &str) -> Vec<u8> {
    let names = format!("{}/\n", "a".repeat(length));
    let mut archive = format!("!<arch>\n{:<48}{:<10}`\n{names}", "//", names.len());
    if names.len() % 2 == 1 {
        archive.push('\n');
    }
    for _ in 0..count {
        let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}", "/0", 0, 0, 0, "100644");
        write!(archive, "{header}{:<10}`\n{word:<4}", 4).unwrap();
    }
    archive.into_bytes()
}

#[rstest]
#[case::names(
    |count, word: &str| of_one_name(count, 20_000, word),
    1,
    2
)]
#[case::files(
    |count, word: &str| ar(&[&vec![("a", 0, 0, ""); count - 1][..], &[("b", 0, 0, word)]].concat()),
    2,
    100_001
)]
fn an_archive_of_too_much_is_compared_as_bytes(
    #[case] with: fn(usize, &str) -> Vec<u8>,
    #[case] few: usize,
    #[case] many: usize,
) {
    for (count, expected) in [(few, DiffContentKind::Ar), (many, DiffContentKind::Binary)] {
        let diff = files("x.a", with(count, "one"), with(count, "two"));
        let content = diff.first.as_ref().unwrap().content.as_ref().unwrap();
        assert_eq!(content.kind, expected);
        let said = "layer 1: x.a: not all of it was looked into";
        let notes = if count == many { &[said][..] } else { &[] };
        assert_eq!(diff.notes, notes);
    }
}
