//! What a package says of other packages: the layering of the tree, and whether StageX's own tools find what it
//! depends on.
//!
//! It does not know what is in those packages.

use std::collections::BTreeSet;

use containerfile::{Reference, Span};

use crate::finding::Finding;
use crate::subject::{PACKAGE, Package, Subject, output_name, scope};
use crate::table::{LAYERING, LINE_SCAN};

pub(super) fn check(subject: &Subject<'_>, package: &Package<'_>, found: &mut Vec<Finding>) {
    let scope = scope(package.outputs.first().copied(), &subject.images);
    // What cannot be read has been told.
    let references = subject.file.references(&scope).unwrap_or_default();
    let mut seen = BTreeSet::new();
    for reference in &references {
        let Some(name) = output_name(&reference.name) else {
            continue;
        };
        let uses = package
            .tree
            .output(name)
            .map(|output| output.stage.as_str());
        if uses.is_some_and(|uses| is_above(uses, package.stage)) && seen.insert(name) {
            let message = format!("a package of {} uses `{name}`", package.stage);
            found.push(
                subject
                    .containerfile
                    .finding(&LAYERING, reference.span, message),
            );
        }
    }
    scan(subject, &references, found);
}

/// Tells whether packages of the stage `used` must not be used in those of the stage `user`.
fn is_above(used: &str, user: &str) -> bool {
    match user {
        "core" => matches!(used, "pallet" | "user"),
        "pallet" => used == "user",
        _ => false,
    }
}

/// Notes where StageX's own tools, which read line by line, find other dependencies than there are.
fn scan(subject: &Subject<'_>, references: &[Reference], found: &mut Vec<Finding>) {
    let text = subject.containerfile.text;
    let mut scanned: Vec<(Span, &str)> = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        if let Some(name) = of_line(line) {
            let end = start + line.len();
            scanned.push((Span { start, end }, name));
        }
        start += line.len() + 1;
    }
    for reference in references {
        let Some(name) = reference.name.strip_prefix(PACKAGE) else {
            continue;
        };
        let package = output_name(&reference.name).unwrap_or_default();
        let message = if package != name {
            format!(
                "`{name}` is named with a tag or a digest, which StageX's tools take for a part of the name"
            )
        } else if scanned.iter().any(|(_, found)| *found == name) {
            continue;
        } else {
            format!("StageX's tools do not see that this needs `{name}`")
        };
        found.push(
            subject
                .containerfile
                .finding(&LINE_SCAN, reference.span, message),
        );
    }
    let is_known = |name: &str| {
        let mut names = references.iter().map(|reference| &reference.name);
        names.any(|known| known.strip_prefix(PACKAGE) == Some(name))
    };
    for (span, name) in scanned {
        if !is_known(name) {
            let message = format!("StageX's tools take this line for a dependency on `{name}`");
            found.push(subject.containerfile.finding(&LINE_SCAN, span, message));
        }
    }
}

/// Returns the package that StageX's tools find in a line.
fn of_line(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    if line.starts_with("COPY") {
        let flag = words.nth(1)?.strip_prefix("--from")?;
        return flag.strip_prefix('=')?.strip_prefix(PACKAGE);
    }
    let number = if line.starts_with("FROM stagex/") {
        1
    } else if line.starts_with("FROM --platform=linux/386 stagex/") {
        2
    } else {
        return None;
    };
    words.nth(number)?.strip_prefix(PACKAGE)
}
