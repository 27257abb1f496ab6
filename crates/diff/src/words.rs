//! Differences as people read them. It does not know where that is shown.

use documents::{
    Diff, DiffContent, DiffContentKind, DiffContentPart, DiffMode, DiffPart, Difference,
};

/// Returns where a difference is: `layer 2, usr/bin/env`.
pub fn place(difference: &Difference) -> String {
    let part = match (difference.part, difference.layer) {
        (DiffPart::Index, _) => "index".to_owned(),
        (DiffPart::Manifest, _) => "manifest".to_owned(),
        (DiffPart::Config, _) => "config".to_owned(),
        (DiffPart::Layer, Some(layer)) => format!("layer {layer}"),
        (DiffPart::Layer, None) => "layer".to_owned(),
        (DiffPart::Tree, _) => "file system".to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    parts.extend(difference.platform.as_deref());
    parts.push(&part);
    parts.extend(difference.path.as_deref().map(|path| match path {
        "" => "/",
        path => path,
    }));
    parts.join(", ")
}

/// Returns what two sides have: `0644 against 0664`.
pub fn sides(left: Option<&str>, right: Option<&str>) -> String {
    match (left, right) {
        (Some(left), Some(right)) if left == right => format!("{left} in both"),
        (Some(left), Some(right)) => format!("{left} against {right}"),
        (Some(left), None) => format!("{left}, only in the first"),
        (None, Some(right)) => format!("{right}, only in the second"),
        (None, None) => String::new(),
    }
}

/// Returns what differs, and how.
pub fn what(difference: &Difference) -> String {
    let sides = sides(difference.left.as_deref(), difference.right.as_deref());
    match sides.as_str() {
        "" => difference.what.clone(),
        sides => format!("{}: {sides}", difference.what),
    }
}

/// Returns which part of a file differs, and how.
pub fn part(part: &DiffContentPart) -> String {
    let sides = sides(part.left.as_deref(), part.right.as_deref());
    match (part.place.as_str(), sides.as_str()) {
        (place, "") => place.to_owned(),
        ("", sides) => sides.to_owned(),
        (place, sides) => format!("{place}: {sides}"),
    }
}

/// Returns how the contents of a file differ, in one line.
pub fn content(content: &DiffContent) -> String {
    let kind = match content.kind {
        DiffContentKind::Text => "text",
        DiffContentKind::Elf => "ELF",
        DiffContentKind::Ar => "archive of ar",
        DiffContentKind::Tar => "tar",
        DiffContentKind::Zip => "archive of zip",
        DiffContentKind::Gzip => "gzip",
        DiffContentKind::Compressed => "compressed",
        DiffContentKind::Python => "Python bytecode",
        DiffContentKind::Binary => "binary",
    };
    let bytes = match content.differing_bytes {
        1 => "1 byte differs".to_owned(),
        bytes => format!("{bytes} bytes differ"),
    };
    format!("{kind}, from byte {} on, {bytes}", content.first_byte)
}

/// Returns how many differences there are that are not among those that are listed.
pub fn hidden(diff: &Diff) -> u64 {
    let all: u64 = diff.classes.iter().map(|count| count.count).sum();
    all.saturating_sub(diff.differences.len() as u64)
}

/// Returns what was compared.
pub const fn mode(mode: DiffMode) -> &'static str {
    match mode {
        DiffMode::Strict => "byte for byte",
        DiffMode::Semantic => "in what a container is given",
    }
}
