//! Bytes side by side, of which nothing is known: where they begin to differ, how many do, and what can be read
//! around there.

use documents::DiffContentKind;

use super::out::{Looked, Out};
use super::strings;
use super::task::Task;

/// How many bytes are shown in a line, and how many lines.
const ROW: usize = 16;
const ROWS: usize = 4;
/// How much is looked at before and behind a difference in a large file.
const AROUND: usize = 256;
/// How many places of a large file are looked at.
const PLACES: usize = 32;

/// Returns where two contents begin to differ, and how many bytes differ.
pub(super) fn count(left: &[u8], right: &[u8]) -> (u64, u64) {
    let shortest = left.len().min(right.len());
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let rest = left[same..shortest].iter().zip(&right[same..shortest]);
    let different = rest.filter(|(a, b)| a != b).count();
    let more = left.len().max(right.len()) - shortest;
    (same as u64, (different + more) as u64)
}

/// Shows the bytes where two contents begin to differ, and looks for what can be read in them.
pub(super) fn compare(task: Task, out: &mut Out) {
    let (first, _) = count(task.left, task.right);
    rows(
        usize::try_from(first).unwrap_or(usize::MAX),
        task.left,
        task.right,
        0,
        out,
    );
    strings::compare("", task.left, task.right, out);
}

/// Shows the lines around a place, which are `offset` bytes behind the beginning of a file.
fn rows(place: usize, left: &[u8], right: &[u8], offset: u64, out: &mut Out) {
    let start = place - place % ROW;
    for at in (start..).step_by(ROW).take(ROWS) {
        let row = |bytes: &'_ [u8]| -> Vec<u8> {
            let end = bytes.len().min(at.saturating_add(ROW));
            bytes.get(at..end).unwrap_or_default().to_vec()
        };
        let (first, second) = (row(left), row(right));
        if first == second {
            continue;
        }
        for (sign, row) in [('-', first), ('+', second)] {
            if !row.is_empty() {
                let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
                let text: String = row.iter().map(|byte| visible(*byte)).collect();
                let at = offset + at as u64;
                out.line(&format!("{sign}{at:08x}  {:<47}  {text}", hex.join(" ")));
            }
        }
    }
}

fn visible(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

/// Two large files, which are compared piece by piece.
pub(crate) struct Stream {
    out: Out,
    position: u64,
    first: Option<u64>,
    different: u64,
    places: usize,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            out: Out::new(0),
            position: 0,
            first: None,
            different: 0,
            places: 0,
        }
    }

    /// Takes the next piece of both. They are of the same length, but where one of them ends.
    pub(crate) fn take(&mut self, left: &[u8], right: &[u8]) {
        if left != right {
            let (same, different) = count(left, right);
            let place = usize::try_from(same).unwrap_or(usize::MAX);
            if self.first.is_none() {
                self.first = Some(self.position + same);
                rows(place, left, right, self.position, &mut self.out);
            }
            self.different += different;
            if self.places < PLACES {
                self.places += 1;
                let around = |bytes: &'_ [u8]| -> Vec<u8> {
                    let end = bytes.len().min(place.saturating_add(AROUND));
                    let start = place.saturating_sub(AROUND).min(end);
                    bytes[start..end].to_vec()
                };
                strings::compare("", &around(left), &around(right), &mut self.out);
            } else {
                self.out.cut();
            }
        }
        self.position += left.len().max(right.len()) as u64;
    }

    /// Returns what is known of them.
    pub(crate) fn finish(mut self) -> Looked {
        self.out.part(
            "kind",
            Some("too large to be looked into as anything but bytes".to_owned()),
            None,
        );
        let first = self.first.unwrap_or(self.position);
        self.out
            .finish(DiffContentKind::Binary, first, self.different)
    }
}

#[cfg(test)]
mod tests;
