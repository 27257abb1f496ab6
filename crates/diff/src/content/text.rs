//! Lines of text side by side. It does not know what they say.

use super::out::Out;
use super::strings::{beginning, pairs, same_but_for_order, trimmed};
use super::task::Task;
use crate::order;

/// How many lines of each are looked at, from the first that differs on.
const LINES: usize = 500_000;
/// How much of a line is shown in front of what differs, in bytes.
const BEFORE: usize = 60;
/// How much of a line is looked at, in bytes.
const LONGEST: usize = 4_096;

/// Tells whether bytes are a text: none of them is a control character that no text has.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    !bytes.iter().any(is_control)
}

/// Compares two texts.
pub(super) fn compare(task: Task, out: &mut Out) -> bool {
    if !out.may_compare() {
        return true;
    }
    let (first, second) = different(task.left, task.right);
    let (first, second) = (lines(first, out), lines(second, out));
    let (first, second) = trimmed(&first, &second);
    if same_but_for_order(first, second) {
        let cause = order::cause(first, second);
        out.cause(cause, "", &beginning(first), &beginning(second));
    }
    for (left, right) in pairs(first, second, out) {
        let (left, right) = around(left, right, out);
        for (sign, line) in [("-", &left), ("+", &right)] {
            if let Some(line) = line {
                let end = if line.ends_with('\r') { "\\r" } else { "" };
                out.line(&format!("{sign}{}{end}", line.trim_end_matches('\r')));
            }
        }
        if let (Some(left), Some(right)) = (left, right) {
            out.texts("", &left, &right);
        }
    }
    true
}

/// Returns two texts without the lines that are the same in front.
fn different<'a>(left: &'a [u8], right: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let end = left[..same].iter().rposition(|byte| *byte == b'\n');
    let start = end.map_or(0, |end| end + 1);
    (&left[start..], &right[start..])
}

/// Returns the lines of a text, up to a number that nobody looks through.
fn lines<'a>(bytes: &'a [u8], out: &mut Out) -> Vec<&'a [u8]> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.by_ref().take(LINES).collect();
    if lines.next().is_some() {
        out.cut();
    }
    first
}

/// Returns two lines without their ends, from a little in front of where they begin to differ.
fn around(
    left: Option<&[u8]>,
    right: Option<&[u8]>,
    out: &mut Out,
) -> (Option<String>, Option<String>) {
    let same = match (left, right) {
        (Some(left), Some(right)) => left.iter().zip(right).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    let start = if same > 2 * BEFORE { same - BEFORE } else { 0 };
    let mut part = |line: Option<&[u8]>| {
        let line = line?;
        let end = line.len().min(start + LONGEST);
        if end < line.len() {
            out.cut();
        }
        let text = lossy(line.get(start..end).unwrap_or_default());
        let text = text.trim_end_matches('\n');
        let front = if start > 0 { "\u{2026}" } else { "" };
        Some(format!("{front}{text}"))
    };
    (part(left), part(right))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
