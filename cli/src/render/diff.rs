//! How two images differ, for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use diff::words;
use documents::{Diff, DiffContent, Difference};

use super::streams::painted;

const TITLE: Style = Style::new().bold();
const LEFT: Style = AnsiColor::Red.on_default();
const RIGHT: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();

/// Prints how two images differ.
pub(crate) fn print(diff: &Diff) {
    painted(&text(diff));
}

/// Returns it, with colours. What others wrote in it has no control characters.
fn text(diff: &Diff) -> String {
    let mut text = String::new();
    let verdict = if diff.equal { "equal" } else { "differ" };
    let (left, right) = (&diff.left, &diff.right);
    let _ = writeln!(
        text,
        "{TITLE}{verdict}{TITLE:#}, {}: {} ({}) and {} ({})",
        words::mode(diff.mode),
        line(&left.name),
        line(&left.form),
        line(&right.name),
        line(&right.form)
    );
    for (sign, style, side) in [("-", LEFT, left), ("+", RIGHT, right)] {
        for image in &side.images {
            let platform = line(&image.platform);
            let _ = writeln!(text, "  {style}{sign} {}{style:#} {platform}", image.digest);
        }
    }
    if let Some(first) = &diff.first {
        title("first difference", &mut text);
        difference(first, true, &mut text);
    }
    if !diff.classes.is_empty() {
        title("differences by class", &mut text);
        for count in &diff.classes {
            let _ = writeln!(text, "  {:<20} {}", count.class.word(), count.count);
        }
    }
    if !diff.causes.is_empty() {
        title("likely causes", &mut text);
        for cause in &diff.causes {
            let times = super::count(cause.count, "place");
            let _ = writeln!(text, "  {} ({times})", cause.cause.word());
            for evidence in &cause.evidence {
                let _ = writeln!(
                    text,
                    "    {PLACE}{}{PLACE:#}: {}",
                    line(&evidence.place),
                    line(&words::sides(Some(&evidence.left), Some(&evidence.right)))
                );
            }
        }
    }
    if diff.differences.len() > 1 {
        title("differences", &mut text);
        for each in &diff.differences {
            difference(each, false, &mut text);
        }
    }
    let hidden = words::hidden(diff);
    if hidden > 0 {
        let _ = writeln!(
            text,
            "  and {hidden} more (--limit N shows more of each class)"
        );
    }
    if !diff.notes.is_empty() {
        title("notes", &mut text);
        for note in &diff.notes {
            let _ = writeln!(text, "  {}", line(note));
        }
    }
    text
}

fn title(title: &str, text: &mut String) {
    let _ = writeln!(text, "\n{TITLE}{title}{TITLE:#}");
}

fn difference(difference: &Difference, whole: bool, text: &mut String) {
    let (place, what) = (words::place(difference), words::what(difference));
    let _ = writeln!(text, "  {PLACE}{}{PLACE:#}: {}", line(&place), line(&what));
    if let Some(found) = &difference.content {
        content(found, whole, text);
    }
}

fn content(content: &DiffContent, whole: bool, text: &mut String) {
    let _ = writeln!(text, "    {}", words::content(content));
    for part in &content.parts {
        let _ = writeln!(text, "    {}", line(&words::part(part)));
    }
    let shown = if whole { usize::MAX } else { 6 };
    for each in content.lines.iter().take(shown) {
        let style = if each.starts_with('-') { LEFT } else { RIGHT };
        let _ = writeln!(text, "    {style}{}{style:#}", line(each));
    }
    if let Some(said) = content.diffoscope.as_deref().filter(|_| whole) {
        for each in said.lines() {
            let _ = writeln!(text, "    {}", line(each));
        }
    }
}

fn line(text: &str) -> std::borrow::Cow<'_, str> {
    printable::line(text)
}
