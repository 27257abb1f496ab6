//! What can be read in bytes: the texts that one of two has and the other does not, which stand in each other's
//! place. It does not know what they are in.

use documents::DiffCause;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::out::Out;

/// How short a text is that is none.
const SHORTEST: usize = 5;
/// How many texts or lines of each are compared, behind those that are the same in both.
const MOST: usize = 4_000;
/// How many texts show an order.
const ORDER: usize = 3;
/// How long a text is that is looked at.
const LONGEST: usize = 4_096;

/// Looks for causes in what can be read in two contents, and shows what differs.
pub(super) fn compare(part: &str, left: &[u8], right: &[u8], out: &mut Out) {
    if !out.may_compare() {
        return;
    }
    let (first, second) = (texts(left, out), texts(right, out));
    let (first, second) = trimmed(&first, &second);
    if same_but_for_order(first, second) {
        let (left, right) = (beginning(first), beginning(second));
        out.cause(DiffCause::UnstableOrder, part, &left, &right);
        return;
    }
    for (left, right) in pairs(first, second, out) {
        let (left, right) = (left.map(lossy), right.map(lossy));
        for (sign, text) in [("-", &left), ("+", &right)] {
            if let Some(text) = text {
                out.line(&format!("{sign}{text}"));
            }
        }
        if let (Some(left), Some(right)) = (left, right) {
            out.texts(part, &left, &right);
        }
    }
}

/// A piece and what is there instead of it.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Returns the pieces that differ, each with what is there instead of it, of the first so many of each.
pub(super) fn pairs<'a>(first: &[&'a [u8]], second: &[&'a [u8]], out: &mut Out) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    if first.len().max(second.len()) > MOST {
        out.cut();
    }
    let (first, second) = (
        &first[..first.len().min(MOST)],
        &second[..second.len().min(MOST)],
    );
    for change in capture_diff_slices(Algorithm::Myers, first, second) {
        if let DiffOp::Equal { .. } = change {
            continue;
        }
        let (old, new) = (&first[change.old_range()], &second[change.new_range()]);
        let at = 0..old.len().max(new.len());
        pairs.extend(at.map(|at| (old.get(at).copied(), new.get(at).copied())));
    }
    pairs
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Returns what can be read in bytes.
fn texts<'a>(bytes: &'a [u8], out: &mut Out) -> Vec<&'a [u8]> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let texts = bytes.split(|byte| !is_text(byte));
    let texts = texts.filter(|text| text.len() >= SHORTEST);
    let first = |text: &'a [u8]| match text.get(..LONGEST) {
        Some(first) if first.len() < text.len() => {
            out.cut();
            first
        }
        _ => text,
    };
    texts.map(first).collect()
}

/// Returns the first of several texts, in one.
pub(super) fn beginning(texts: &[&[u8]]) -> String {
    let first = texts.iter().take(ORDER).map(|text| lossy(text));
    let first: Vec<String> = first.map(|text| text.trim_end().to_owned()).collect();
    first.join(", ")
}

/// Returns two lists without what is the same in front and behind.
pub(super) fn trimmed<'a, T: PartialEq>(left: &'a [T], right: &'a [T]) -> (&'a [T], &'a [T]) {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[same..], &right[same..]);
    let behind = left.iter().rev().zip(right.iter().rev());
    let behind = behind.take_while(|(a, b)| a == b).count();
    (&left[..left.len() - behind], &right[..right.len() - behind])
}

/// Tells whether two lists have the same, in another order.
pub(super) fn same_but_for_order(left: &[&[u8]], right: &[&[u8]]) -> bool {
    if left.len() != right.len() || left == right {
        return false;
    }
    let mut lists = [left.to_vec(), right.to_vec()];
    for list in &mut lists {
        list.sort_unstable();
    }
    lists[0] == lists[1]
}
