//! The files of two archives side by side: what is noted of each, and what is in it. It does not know which kind of
//! archive that is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use documents::DiffCause;

use super::out::Out;
use super::task::Task;
use crate::cause;
use crate::order;

/// A file of an archive.
pub(super) struct Member<'a> {
    pub(super) name: String,
    /// What is noted of it.
    pub(super) facts: Vec<Fact>,
    /// What is in it; nothing where that cannot be read.
    pub(super) data: Option<Cow<'a, [u8]>>,
}

/// Something that is noted of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    Time(String),
    Owner(String),
    Mode(u32),
    /// Anything else, and what it is called.
    Other(&'static str, String),
}

impl Fact {
    fn name(&self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Owner(_) => "owner",
            Self::Mode(_) => "mode",
            Self::Other(name, _) => name,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Time(text) | Self::Owner(text) | Self::Other(_, text) => text.clone(),
            Self::Mode(mode) => format!("{mode:04o}"),
        }
    }

    fn cause(&self, other: &Self) -> Option<DiffCause> {
        match (self, other) {
            (Self::Time(_), Self::Time(_)) => Some(DiffCause::DateTime),
            (Self::Owner(_), Self::Owner(_)) => Some(DiffCause::User),
            (Self::Mode(left), Self::Mode(right)) => cause::of_modes(*left, *right),
            _ => None,
        }
    }
}

/// Compares what is in two archives.
pub(super) fn compare(task: Task, left: &[Member], right: &[Member], out: &mut Out) {
    let numbered = |members: &'_ [Member]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            let count = counts.entry(member.name.clone()).or_default();
            places.insert((member.name.clone(), *count), place);
            *count += 1;
        }
        places
    };
    let (first, second) = (numbered(left), numbered(right));
    let of = |member: &Member| {
        Some(match &member.data {
            Some(data) => format!("{} bytes", data.len()),
            None => "there".to_owned(),
        })
    };
    let mut both: Vec<(usize, usize)> = Vec::new();
    for (name, place) in &first {
        match second.get(name) {
            Some(other) => both.push((*place, *other)),
            None => out.part(&name.0, of(&left[*place]), None),
        }
    }
    for (name, place) in &second {
        if !first.contains_key(name) {
            out.part(&name.0, None, of(&right[*place]));
        }
    }
    both.sort_unstable();
    let numbers: Vec<usize> = both.iter().map(|(_, other)| *other).collect();
    if order::moved(&numbers) > 0 {
        let names = |members: &'_ [Member]| -> Vec<Vec<u8>> {
            let names = members.iter().map(|member| &member.name);
            names.map(|name| name.clone().into_bytes()).collect()
        };
        let (first, second) = (names(left), names(right));
        let first: Vec<&[u8]> = first.iter().map(Vec::as_slice).collect();
        let second: Vec<&[u8]> = second.iter().map(Vec::as_slice).collect();
        let cause = order::cause(&first, &second);
        let differs = first.iter().zip(&second).find(|(a, b)| a != b);
        if let Some((a, b)) = differs {
            let [a, b] = [a, b].map(|name| String::from_utf8_lossy(name).into_owned());
            out.cause(cause, "order", &a, &b);
            out.part("order", Some(a), Some(b));
        }
    }
    for (here, there) in both {
        let (first, second) = (&left[here], &right[there]);
        facts(first, second, out);
        match (&first.data, &second.data) {
            (Some(a), Some(b)) if a != b => {
                let size = |data: &[u8]| Some(format!("{} bytes", data.len()));
                out.part(&first.name, size(a), size(b));
                task.within(&first.name, a, b, out);
            }
            (None, _) | (_, None) => out.cut(),
            _ => {}
        }
    }
}

fn facts(left: &Member, right: &Member, out: &mut Out) {
    for first in &left.facts {
        let name = first.name();
        let second = right.facts.iter().find(|second| second.name() == name);
        if second == Some(first) {
            continue;
        }
        let place = format!("{}: {name}", left.name);
        let text = second.map(Fact::text);
        if let Some(cause) = second.and_then(|second| first.cause(second)) {
            let other = text.as_deref().unwrap_or_default();
            out.cause(cause, &place, &first.text(), other);
        }
        out.part(&place, Some(first.text()), text);
    }
    for second in &right.facts {
        let name = second.name();
        if !left.facts.iter().any(|first| first.name() == name) {
            out.part(&format!("{}: {name}", left.name), None, Some(second.text()));
        }
    }
}
