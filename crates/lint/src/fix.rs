//! Repairs: the edits of findings, written into their files.
//!
//! It does not know which findings can be repaired.

use std::collections::BTreeMap;

use beneath::Directory;
use camino::Utf8Path;

use crate::finding::{Edit, Finding};
use crate::outcome::Error;

/// Repairs what can be repaired without a change to any image, in files below `root`. Returns how many findings
/// were repaired; of edits that overlap, only the first is made.
///
/// # Errors
///
/// A file cannot be read or written. Those before it are repaired.
pub fn fix(root: &Utf8Path, findings: &[Finding]) -> Result<usize, Error> {
    let mut files: BTreeMap<&Utf8Path, Vec<&Edit>> = BTreeMap::new();
    for finding in findings {
        if let Some(edit) = &finding.fix {
            files.entry(&finding.file).or_default().push(edit);
        }
    }
    let mut fixed = 0;
    for (path, mut edits) in files {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let directory = Directory::open(root).map_err(read)?;
        let text = directory.read_text(path, beneath::TEXT).map_err(read)?;
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        edits.dedup();
        let (text, count) = edited(&text, &edits);
        let written = directory.write(path, text.as_bytes());
        written.map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })?;
        fixed += count;
    }
    Ok(fixed)
}

/// Returns a text with edits, which are sorted, and how many of them were made.
fn edited(text: &str, edits: &[&Edit]) -> (String, usize) {
    let mut edited = String::with_capacity(text.len());
    let mut end = 0;
    let mut count = 0;
    for edit in edits {
        let before = text.get(end..edit.range.start);
        if let Some(before) = before.filter(|_| text.get(edit.range.clone()).is_some()) {
            edited.push_str(before);
            edited.push_str(&edit.text);
            end = edit.range.end;
            count += 1;
        }
    }
    edited.push_str(&text[end..]);
    (edited, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_edits_that_overlap_the_first_is_made() {
        let edit = |range, text: &str| Edit {
            range,
            text: text.to_owned(),
        };
        let edits = [
            edit(0..1, "A"),
            edit(2..4, ""),
            edit(3..5, "x"),
            edit(9..10, "x"),
        ];
        let edits: Vec<_> = edits.iter().collect();
        assert_eq!(edited("abcdé", &edits), ("Abé".to_owned(), 2));
    }
}
