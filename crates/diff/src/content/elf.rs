//! Programs, libraries and object files: sections, symbols, notes and the build ID. It does not know what they do.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::out::Out;
use super::task::Task;
use super::{binary, strings};

/// How long a note is that is shown, in bytes.
const NOTE: usize = 64;
/// How many symbols are named.
const SYMBOLS: usize = 10;
/// How long a name is that is shown, in bytes.
const LONGEST: usize = 240;
/// How many symbols and sections a file has that is looked into.
const MOST: usize = 500_000;
const SECTIONS: usize = 10_000;
/// How many bytes the names of these have, all together, for each byte of the file: some may be the ends of others.
const NAMES: usize = 4;

/// Compares two files.
pub(super) fn compare(task: Task, out: &mut Out) -> bool {
    let (Some(left), Some(right)) = (Program::read(task.left), Program::read(task.right)) else {
        return false;
    };
    let facts = |file: &object::File| {
        [
            ("architecture", format!("{:?}", file.architecture())),
            ("type", format!("{:?}", file.kind())),
            ("entry point", format!("{:#x}", file.entry())),
            ("build ID", build_id(file)),
        ]
    };
    for ((what, a), (_, b)) in facts(&left.file).into_iter().zip(facts(&right.file)) {
        if a != b {
            out.part(what, Some(a), Some(b));
        }
    }
    sections(&left.sections, &right.sections, out);
    symbols(&left.symbols, &right.symbols, out);
    true
}

fn build_id(file: &object::File) -> String {
    match file.build_id() {
        Ok(Some(id)) => printable::hex(id),
        _ => "none".to_owned(),
    }
}

/// What a section is called, and how often that was there before.
type Key<'a> = (&'a [u8], usize);
/// Its number, its contents, and its size.
type Section<'a> = (usize, &'a [u8], u64);

/// A file, of which it is known that reading it has an end.
struct Program<'a> {
    file: object::File<'a>,
    sections: BTreeMap<Key<'a>, Section<'a>>,
    symbols: BTreeSet<&'a [u8]>,
}

impl<'a> Program<'a> {
    /// Reads a file that is not larger than what its headers say is in it: names and sections lie in it once, and
    /// any number of headers may point to the same.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let mut names = Room(bytes.len().checked_mul(NAMES)?);
        let mut contents = Room(bytes.len());
        let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
        let mut sections = BTreeMap::new();
        for (place, section) in file.sections().enumerate() {
            if place >= SECTIONS {
                return None;
            }
            let name = names.take(section.name_bytes().ok()?)?;
            let data = contents.take(section.data().unwrap_or_default())?;
            let count = counts.entry(name).or_default();
            sections.insert((name, *count), (place, data, section.size()));
            *count += 1;
        }
        let mut symbols = BTreeSet::new();
        for (place, symbol) in file.symbols().chain(file.dynamic_symbols()).enumerate() {
            if place >= MOST {
                return None;
            }
            let name = names.take(symbol.name_bytes().ok()?)?;
            if !name.is_empty() {
                symbols.insert(name);
            }
        }
        // Without sections, nothing says how much there is in the notes that a build ID is looked for in.
        (!sections.is_empty()).then_some(Self {
            file,
            sections,
            symbols,
        })
    }
}

/// How many bytes may still be read.
struct Room(usize);

impl Room {
    fn take<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.0 = self.0.checked_sub(bytes.len())?;
        Some(bytes)
    }
}

fn sections(first: &BTreeMap<Key, Section>, second: &BTreeMap<Key, Section>, out: &mut Out) {
    let called = |key: &Key| format!("section {}", shown(key.0));
    let size = |bytes: u64| Some(format!("{bytes} bytes"));
    let mut names: Vec<_> = first
        .iter()
        .map(|(name, (place, ..))| (*place, name))
        .collect();
    names.sort_unstable();
    for (_, key) in names {
        let name = called(key);
        let (_, a, a_size) = first[key];
        let Some((_, b, b_size)) = second.get(key).copied() else {
            out.part(&name, size(a_size), None);
            continue;
        };
        if a == b && a_size == b_size {
            continue;
        }
        if key.0.starts_with(b".note") && a.len().max(b.len()) <= NOTE {
            out.part(&name, Some(printable::hex(a)), Some(printable::hex(b)));
            continue;
        }
        let (at, different) = binary::count(a, b);
        let place = format!("{name}, from byte {at} on ({different} bytes differ)");
        out.part(&place, size(a_size), size(b_size));
        strings::compare(&name, a, b, out);
    }
    for (key, (_, _, bytes)) in second {
        if !first.contains_key(key) {
            out.part(&called(key), None, size(*bytes));
        }
    }
}

fn symbols(first: &BTreeSet<&[u8]>, second: &BTreeSet<&[u8]>, out: &mut Out) {
    let only = |one: &'_ BTreeSet<&[u8]>, other: &'_ BTreeSet<&[u8]>| {
        let count = one.difference(other).count();
        let names = one.difference(other).take(SYMBOLS);
        let names: Vec<String> = names.map(|name| shown(name)).collect();
        match count {
            0 => None,
            count if count > SYMBOLS => {
                Some(format!("{} and {} more", names.join(", "), count - SYMBOLS))
            }
            _ => Some(names.join(", ")),
        }
    };
    if first != second {
        out.part("symbols", only(first, second), only(second, first));
    }
}

/// Returns a name as far as it is shown.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(LONGEST)]).into_owned()
}

#[cfg(test)]
mod tests;
