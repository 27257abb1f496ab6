//! `BuildKit`'s own checks of variables: of instructions, and of `FROM`.
//!
//! It knows what is defined where. What a shell expands is not its matter.

use std::collections::{BTreeMap, BTreeSet};

use containerfile::{Base, Build, FromWord, ResolvedStage, Span};

use crate::finding::Finding;
use crate::subject::{Subject, scope};
use crate::table::{
    INVALID_DEFAULT_ARG_IN_FROM, REDUNDANT_TARGET_PLATFORM, UNDEFINED_ARG_IN_FROM, UNDEFINED_VAR,
};

/// The variable that is the platform of a FROM anyway.
const TARGET_PLATFORM: &str = "TARGETPLATFORM";

/// Variables that steer the frontend: nothing defines them, and they are no mistake.
const STEERING: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    undefined(subject, found);
    of_from(subject, found);
}

/// Notes variables of instructions that nothing defines.
fn undefined(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    let mut seen = BTreeSet::new();
    for build in &subject.builds {
        for stage in &build.stages {
            if !is_known(subject, build, stage) {
                continue;
            }
            for step in &stage.steps {
                for name in &step.undefined {
                    if !STEERING.contains(&name.as_str()) && seen.insert((step.span, name)) {
                        let span = place(source.text, step.span, name);
                        let message = format!("nothing defines the variable `{name}`");
                        found.push(source.finding(&UNDEFINED_VAR, span, message));
                    }
                }
            }
        }
    }
}

/// Tells whether it is known what the image below a stage defines.
fn is_known(subject: &Subject<'_>, build: &Build, stage: &ResolvedStage) -> bool {
    let mut base = &stage.base;
    loop {
        match base {
            Base::Scratch => return true,
            Base::Image(name) => return subject.images.contains_key(name),
            Base::Stage(id) => match build.stage(*id) {
                Some(stage) => base = &stage.base,
                None => return false,
            },
        }
    }
}

/// Returns where a variable stands in a part of a text.
fn place(text: &str, part: Span, name: &str) -> Span {
    let body = part.of(text);
    for (place, _) in body.match_indices('$') {
        let rest = body[place + 1..].trim_start_matches('{');
        let ends =
            |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        if rest.strip_prefix(name).is_some_and(ends) {
            let end = body.len() - rest.len() + name.len();
            return Span {
                start: part.start + place,
                end: part.start + end,
            };
        }
    }
    part
}

/// Notes what is wrong with the words of a FROM.
fn of_from(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let output = subject.package.as_ref();
    let output = output.and_then(|package| package.outputs.first().copied());
    let source = &subject.containerfile;
    let given = scope(output, &BTreeMap::new());
    // What cannot be expanded has been told.
    for word in subject.file.from_words(&given).unwrap_or_default() {
        let stage = &subject.file.stages[word.stage.0];
        for name in &word.undeclared {
            let span = place(source.text, stage.span, name);
            let message = format!("no ARG before the first FROM declares `{name}`");
            found.push(source.finding(&UNDEFINED_ARG_IN_FROM, span, message));
        }
        let is_target = word.defined == [TARGET_PLATFORM] && word.undeclared.is_empty();
        if word.is_platform && is_target && word.value == given.platform.to_string() {
            let span = place(source.text, stage.span, TARGET_PLATFORM);
            let message = "this is the platform of a FROM anyway";
            let finding = source.finding(&REDUNDANT_TARGET_PLATFORM, span, message);
            found.push(match option(source.text, stage.span, stage.base.span) {
                Some(option) => finding.fix(option, ""),
                None => finding,
            });
        }
    }
    let mut bare = scope(output, &BTreeMap::new());
    bare.build_args.clear();
    let words = subject.file.from_words(&bare).unwrap_or_default();
    for (number, stage) in subject.file.stages.iter().enumerate() {
        let is_it = |word: &&FromWord| word.stage.0 == number && !word.is_platform;
        let word = words.iter().find(is_it);
        let name = word.map_or(&stage.base.value, |word| &word.value);
        if !is_image(name) {
            let message = format!("without build arguments, this is `{name}`");
            let span = stage.base.span;
            found.push(source.finding(&INVALID_DEFAULT_ARG_IN_FROM, span, message));
        }
    }
}

/// Returns the option of a FROM with the blanks behind it, if it stands between the keyword and the image on one line.
fn option(text: &str, from: Span, base: Span) -> Option<Span> {
    let span = Span {
        end: base.start,
        ..from
    };
    let body = span.of(text);
    let start = body.find("--platform")?;
    let is_one = !body.contains('\n') && body[start..].split_whitespace().count() == 1;
    is_one.then_some(Span {
        start: span.start + start,
        end: base.start,
    })
}

/// Tells whether a text can be the name of an image: `[domain/]path[:tag][@digest]`.
fn is_image(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    };
    let path = match name.split_once('/') {
        Some((domain, path)) if is_domain(domain) => path,
        _ => name,
    };
    let is_tag = |tag: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        matches!(tag.len(), 1..=128) && tag.bytes().all(is_plain) && !tag.starts_with(['.', '-'])
    };
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    path.split('/').all(is_part) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

/// Tells whether the first part of a name is a host: other parts have neither a dot and capitals nor a port.
fn is_domain(part: &str) -> bool {
    let (host, port) = part.split_once(':').unwrap_or((part, "0"));
    let looks_so = part.contains(['.', ':']) || part == "localhost" || part != part.to_lowercase();
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !name.is_empty()
            && name.bytes().all(is_plain)
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    looks_so && host.split('.').all(is_name) && is_port
}

/// Tells whether a part of a path is one: letters and digits, and between them `.`, `_`, `__` or dashes.
fn is_part(part: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_between = |between: &str| {
        matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
    };
    part.starts_with(is_plain) && part.ends_with(is_plain) && part.split(is_plain).all(is_between)
}
