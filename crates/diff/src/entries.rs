//! The entries of two layers side by side. It does not know what is in the files.

use std::cell::Cell;

use documents::{DiffCause, DiffClass, DiffEvidence, DiffPart, Difference};

use crate::cause;
use crate::findings::Findings;
use crate::order;
use crate::record::{Kind, Record, Records, shown};

/// Which part of an image entries are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Where {
    pub(crate) part: DiffPart,
    /// The number of the layer, from 1.
    pub(crate) layer: Option<usize>,
}

impl Where {
    /// Returns a difference there.
    pub(crate) fn difference(
        self,
        path: Option<&[u8]>,
        class: DiffClass,
        what: &str,
        left: Option<String>,
        right: Option<String>,
    ) -> Difference {
        let shown = |text: String| printable::line(&text).into_owned();
        Difference {
            platform: None,
            part: self.part,
            layer: self.layer,
            path: path.map(crate::record::shown),
            class,
            what: shown(what.to_owned()),
            left: left.map(shown),
            right: right.map(shown),
            content: None,
        }
    }

    /// Returns a name of an entry there, for evidence.
    pub(crate) fn name(self, path: &[u8]) -> String {
        match self.layer {
            Some(layer) => format!("layer {layer}: {}", shown(path)),
            None => shown(path),
        }
    }
}

/// Compares the entries of two layers. Returns which files have other contents, up to `most`, and how many there
/// are.
pub(crate) fn compare(
    place: Where,
    left: &Records,
    right: &Records,
    most: usize,
    findings: &mut Findings,
) -> (Vec<(usize, usize)>, usize) {
    let matches = matched(&left.entries, &right.entries);
    let mut is_matched = vec![false; right.entries.len()];
    for at in matches.iter().flatten() {
        is_matched[*at] = true;
    }
    let mut contents = Vec::new();
    let mut count = 0;
    let mut in_order = true;
    let (mut here, mut there) = (0, 0);
    while here < left.entries.len() || there < right.entries.len() {
        let added = right.entries.get(there).filter(|_| !is_matched[there]);
        if let Some(added) = added {
            findings.add(alone(place, added, DiffClass::Added));
            there += 1;
            continue;
        }
        let Some(first) = left.entries.get(here) else {
            there += 1;
            continue;
        };
        let Some(other) = matches[here] else {
            findings.add(alone(place, first, DiffClass::Removed));
            here += 1;
            continue;
        };
        if other != there && in_order {
            in_order = false;
            disordered(place, left, right, &matches, (here, there), findings);
        }
        let second = &right.entries[other];
        if properties(place, first, second, findings) {
            count += 1;
            if contents.len() < most {
                contents.push((here, other));
            }
        }
        here += 1;
        there += 1;
    }
    if left.rest != right.rest {
        let bytes = |(bytes, _): (u64, _)| Some(format!("{bytes} bytes"));
        let what = "what is behind the end mark";
        let (left, right) = (bytes(left.rest), bytes(right.rest));
        findings.add(place.difference(None, DiffClass::TarFormat, what, left, right));
    }
    (contents, count)
}

/// Returns for each entry where the other list has the one of the same path; of several, the one that is as
/// often there before.
fn matched(left: &[Record], right: &[Record]) -> Vec<Option<usize>> {
    let sorted = |entries: &[Record]| {
        let mut places: Vec<usize> = (0..entries.len()).collect();
        places.sort_by(|a, b| entries[*a].path.cmp(&entries[*b].path));
        places
    };
    let (first, second) = (sorted(left), sorted(right));
    let mut matches = vec![None; left.len()];
    let (mut here, mut there) = (0, 0);
    while let (Some(a), Some(b)) = (first.get(here), second.get(there)) {
        let order = left[*a].path.cmp(&right[*b].path);
        if order.is_eq() {
            matches[*a] = Some(*b);
        }
        here += usize::from(order.is_le());
        there += usize::from(order.is_ge());
    }
    matches
}

fn alone(place: Where, record: &Record, class: DiffClass) -> Difference {
    let what = Some(match record.kind {
        Kind::File => format!("file of {} bytes", record.size),
        kind => kind.word(),
    });
    let (left, right) = match class {
        DiffClass::Added => (None, what),
        _ => (what, None),
    };
    place.difference(Some(&record.path), class, "entry", left, right)
}

fn disordered(
    place: Where,
    left: &Records,
    right: &Records,
    matches: &[Option<usize>],
    (here, there): (usize, usize),
    findings: &mut Findings,
) {
    let numbers: Vec<usize> = matches.iter().flatten().copied().collect();
    let count = order::moved(&numbers);
    let path = |record: &Record| Some(format!("`{}`", record.shown()));
    let what = match count {
        1 => "order of the entries: one is elsewhere".to_owned(),
        count => format!("order of the entries: {count} are elsewhere"),
    };
    let expected = &left.entries[here];
    let found = right.entries.get(there).and_then(path);
    let difference = place.difference(
        Some(&expected.path),
        DiffClass::Order,
        &what,
        path(expected),
        found,
    );
    let both = |entries| -> Vec<&[u8]> {
        let entries: &Vec<Record> = entries;
        entries
            .iter()
            .map(|record| record.path.as_slice())
            .collect()
    };
    let (first, second) = (both(&left.entries), both(&right.entries));
    let cause = order::cause(&first, &second);
    findings.cause(
        cause,
        DiffEvidence {
            place: place.name(&expected.path),
            left: difference.left.clone().unwrap_or_default(),
            right: difference.right.clone().unwrap_or_default(),
        },
    );
    findings.add(difference);
}

/// Compares what is written of two entries. Returns whether both are files with other contents.
pub(crate) fn properties(
    place: Where,
    left: &Record,
    right: &Record,
    findings: &mut Findings,
) -> bool {
    let differs = Cell::new(false);
    let mut add = |class, what: &str, first: String, second: String, cause: Option<DiffCause>| {
        differs.set(true);
        if let Some(cause) = cause {
            let evidence = DiffEvidence {
                place: place.name(&left.path),
                left: first.clone(),
                right: second.clone(),
            };
            findings.cause(cause, evidence);
        }
        let path = Some(left.path.as_slice());
        findings.add(place.difference(path, class, what, Some(first), Some(second)));
    };
    let is_link = |record: &Record| record.kind == Kind::HardLink;
    let mut contents = false;
    if left.kind != right.kind {
        let class = if is_link(left) || is_link(right) {
            DiffClass::Links
        } else {
            DiffClass::Types
        };
        let word = |record: &Record| match record.link.as_slice() {
            [] => record.kind.word(),
            link => format!("{} to `{}`", record.kind.word(), shown(link)),
        };
        add(class, "type", word(left), word(right), None);
    } else if left.link != right.link {
        add(
            DiffClass::Links,
            "target",
            shown(&left.link),
            shown(&right.link),
            None,
        );
    } else if (left.size, left.content) != (right.size, right.content) {
        contents = true;
        let size = |record: &Record| format!("{} bytes", record.size);
        add(
            DiffClass::Contents,
            "contents",
            size(left),
            size(right),
            None,
        );
    }
    let owner = |record: &Record| format!("{}:{}", record.user, record.group);
    if (left.user, left.group) != (right.user, right.group) {
        let cause = Some(DiffCause::User);
        add(DiffClass::Owners, "owner", owner(left), owner(right), cause);
    }
    if left.names != right.names {
        let names = |record: &Record| record.names.to_string();
        let cause = Some(DiffCause::User);
        add(
            DiffClass::Owners,
            "names of user and group",
            names(left),
            names(right),
            cause,
        );
    }
    if left.mode != right.mode {
        let mode = |record: &Record| format!("{:04o}", record.mode);
        let cause = cause::of_modes(left.mode, right.mode);
        add(DiffClass::Modes, "mode", mode(left), mode(right), cause);
    }
    if left.modified != right.modified {
        let time = |record: &Record| record.modified.text();
        let cause = Some(DiffCause::DateTime);
        add(DiffClass::Times, "time", time(left), time(right), cause);
    }
    if left.device != right.device {
        let device = |record: &Record| format!("{}:{}", record.device.0, record.device.1);
        let (first, second) = (device(left), device(right));
        add(DiffClass::Devices, "device", first, second, None);
    }
    if left.attributes != right.attributes {
        let (what, first, second) = attributes(&left.attributes, &right.attributes);
        add(DiffClass::Attributes, &what, first, second, None);
    }
    let (text, class) = (|text: &str| text.to_owned(), DiffClass::TarFormat);
    if left.style != right.style {
        add(class, "format", text(&left.style), text(&right.style), None);
    }
    if !differs.get() && left.keys != right.keys {
        let (first, second) = (text(&left.keys), text(&right.keys));
        add(class, "headers", first, second, None);
    }
    if !differs.get() && left.header != right.header {
        let hash = |record: &Record| printable::hex(&record.header);
        add(class, "bytes of the header", hash(left), hash(right), None);
    }
    contents
}

/// Returns the first extended attribute that differs, and its values.
fn attributes(
    left: &[(Vec<u8>, Vec<u8>)],
    right: &[(Vec<u8>, Vec<u8>)],
) -> (String, String, String) {
    let value = |list: &[(Vec<u8>, Vec<u8>)], key: &[u8]| {
        let found = list.iter().find(|(known, _)| known == key);
        match found {
            Some((_, value)) if value.len() > 64 => format!("{} bytes", value.len()),
            Some((_, value)) => format!("{:?}", String::from_utf8_lossy(value)),
            None => "none".to_owned(),
        }
    };
    let all = left.iter().chain(right);
    let differs = |(key, value): &&(Vec<u8>, Vec<u8>)| {
        let has = |list: &[(Vec<u8>, Vec<u8>)]| {
            list.iter().any(|(other, its)| other == key && its == value)
        };
        !(has(left) && has(right))
    };
    let first = all.clone().find(differs);
    let key = first.map(|(key, _)| key.as_slice()).unwrap_or_default();
    (shown(key), value(left, key), value(right, key))
}
