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
                    if seen.insert((step.span, name)) {
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
    for word in subject.file.from_words(&bare).unwrap_or_default() {
        if !word.is_platform && !is_image(&word) {
            let stage = &subject.file.stages[word.stage.0];
            let message = format!("without build arguments, this is `{}`", word.value);
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

/// Tells whether a word can be the name of an image.
fn is_image(word: &FromWord) -> bool {
    let name = word.value.split('@').next().unwrap_or_default();
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let is_tag = |tag: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !tag.is_empty() && tag.bytes().all(is_plain) && !tag.starts_with(['.', '-'])
    };
    let is_part = |part: &str| {
        let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        is_end(part.bytes().next()) && is_end(part.bytes().last())
    };
    let has_capitals = path
        .rsplit('/')
        .next()
        .is_some_and(|last| last != last.to_lowercase());
    path.split('/').all(is_part) && !has_capitals && tag.is_none_or(is_tag)
}
