//! What a `package.toml` says that is right for this program, and not for others who read it: licences, and
//! versions that StageX's own tools expand differently.
//!
//! It does not know Containerfiles.

use crate::finding::Finding;
use crate::manifest::DeclaredSource;
use crate::subject::Package;
use crate::table::{LICENSE, STAGEX_SCRIPTS};

/// The placeholders that StageX's tools know in the name of a file with a version of its own.
const KNOWN: [&str; 4] = ["{version}", "{version_dash}", "{version_under}", "{format}"];

pub(super) fn check(package: &Package<'_>, found: &mut Vec<Finding>) {
    let manifest = &package.manifest;
    let source = &package.manifest_source;
    if let Some(license) = &manifest.license
        && let Err(error) = spdx::Expression::parse(&license.value)
    {
        let term = license.value.get(error.span).unwrap_or(&license.value);
        let message = format!("`{term}` is not SPDX: {}", error.reason);
        found.push(source.finding(&LICENSE, license.part(term), message));
    }
    if let Some(from) = &manifest.version_from {
        if from.value.split('-').count() != 2 {
            let message = format!(
                "StageX's tools split `{}` at its dashes, and expect two parts",
                from.value
            );
            found.push(source.finding(&STAGEX_SCRIPTS, from.span, message));
        }
        for text in manifest.sources.iter().filter_map(versioned) {
            let message = "StageX's tools put `None` here: they know no version when they fetch a package with \
                           version_from";
            found.push(source.finding(&STAGEX_SCRIPTS, text, message));
        }
    }
    for declared in &manifest.sources {
        let (Some(_), Some(file)) = (&declared.version, &declared.file) else {
            continue;
        };
        let placeholders = placeholders(&file.value);
        let unknown = placeholders.into_iter().find(|name| !KNOWN.contains(name));
        if let Some(unknown) = unknown {
            let message = format!(
                "StageX's tools cannot expand `{unknown}` in the file of a source with its own version"
            );
            found.push(source.finding(&STAGEX_SCRIPTS, file.span, message));
        }
    }
}

/// Returns where a source needs the version of its package.
fn versioned(source: &DeclaredSource) -> Option<containerfile::Span> {
    if source.version.is_some() {
        return None;
    }
    let texts = source.file.iter().chain(&source.mirrors);
    let mut texts = texts.filter(|text| text.value.contains("{version"));
    texts.next().map(|text| text.span)
}

/// Returns the placeholders of a name.
fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        found.push(&rest[start..=start + length]);
        rest = &rest[start + length + 1..];
    }
    found
}
