//! Sources: those that `package.toml` declares, and those that the Containerfile uses.
//!
//! It does not know what is in `fetch/`.

use containerfile::{Add, Copy, Instruction, Mount, Run, Span, Step};

use super::hermetic::is_remote;
use crate::finding::Finding;
use crate::subject::{Package, Subject};
use crate::table::{HTTP_MIRROR, UNDECLARED_SOURCE, UNUSED_SOURCE};

/// The directory of sources in the context, and the name that stands for it in `--from`.
const FETCH: &str = "fetch";

/// What a build takes from the directory of sources.
enum Use {
    /// Everything.
    All,
    /// A path in it, or a pattern.
    Path(String),
}

pub(super) fn check(subject: &Subject<'_>, package: &Package<'_>, found: &mut Vec<Finding>) {
    mirrors(package, found);
    let Some(output) = package.outputs.first() else {
        return;
    };
    let files: Vec<&str> = output
        .sources
        .iter()
        .map(|source| source.file.as_str())
        .collect();
    let mut is_used = vec![false; files.len()];
    let steps = subject.builds.iter().flat_map(|build| &build.stages);
    for step in steps.flat_map(|stage| &stage.steps) {
        for (number, used) in uses(&step.instruction).into_iter().enumerate() {
            let path = match used {
                Use::All => {
                    is_used.fill(true);
                    continue;
                }
                Use::Path(path) => path,
            };
            let mut matches = 0;
            for (file, is_used) in files.iter().zip(&mut is_used) {
                if covers(&path, file) {
                    *is_used = true;
                    matches += 1;
                }
            }
            if matches == 0 {
                let message = format!("package.toml declares no source `{path}`");
                let span = place(subject, step, number);
                let finding = subject
                    .containerfile
                    .finding(&UNDECLARED_SOURCE, span, message);
                found.push(finding);
            }
        }
    }
    if !subject.all_build {
        return;
    }
    for (source, is_used) in output.sources.iter().zip(is_used) {
        let declared = package.manifest.sources.iter();
        let mut declared = declared.filter(|declared| declared.key == source.key);
        if let Some(declared) = declared.next().filter(|_| !is_used) {
            let message = format!("no instruction uses `{}`", source.file);
            let manifest = &package.manifest_source;
            found.push(manifest.finding(&UNUSED_SOURCE, declared.span, message));
        }
    }
}

/// Notes sources that can be had without encryption only.
fn mirrors(package: &Package<'_>, found: &mut Vec<Finding>) {
    for source in &package.manifest.sources {
        let is_plain = |url: &str| url.starts_with("http://") || url.starts_with("ftp://");
        let all_plain = source.mirrors.iter().all(|mirror| is_plain(&mirror.value));
        if let Some(first) = source.mirrors.first().filter(|_| all_plain) {
            let message = format!("`{}` is served without encryption only", source.key);
            let manifest = &package.manifest_source;
            found.push(manifest.finding(&HTTP_MIRROR, first.span, message));
        }
    }
}

/// Returns what an instruction takes from the directory of sources.
fn uses(instruction: &Instruction) -> Vec<Use> {
    match instruction {
        Instruction::Copy(Copy { sources, from, .. }) => match from.as_deref() {
            None => sources
                .paths
                .iter()
                .filter_map(|path| of_context(path))
                .collect(),
            Some(FETCH) => sources.paths.iter().map(|path| of_fetch(path)).collect(),
            Some(_) => Vec::new(),
        },
        Instruction::Add(Add { sources, .. }) => {
            let local = sources.paths.iter().filter(|path| !is_remote(path));
            local.filter_map(|path| of_context(path)).collect()
        }
        Instruction::Run(Run { mounts, .. }) => mounts.iter().filter_map(of_mount).collect(),
        _ => Vec::new(),
    }
}

fn of_mount(mount: &Mount) -> Option<Use> {
    if !matches!(mount.get("type"), None | Some("bind")) {
        return None;
    }
    let source = mount.get("source").or(mount.get("src")).unwrap_or_default();
    match mount.from() {
        None => of_context(source),
        Some(FETCH) => Some(of_fetch(source)),
        Some(_) => None,
    }
}

/// Returns what of the sources a path in the context leads to.
fn of_context(path: &str) -> Option<Use> {
    let path = plain(path);
    let (first, rest) = path.split_once('/').unwrap_or((&path, ""));
    match first {
        "" => Some(Use::All),
        FETCH => Some(of_fetch(rest)),
        // A pattern may mean the directory.
        _ if covers(first, FETCH) => Some(if rest.is_empty() {
            Use::All
        } else {
            of_fetch(rest)
        }),
        _ => None,
    }
}

fn of_fetch(path: &str) -> Use {
    let path = plain(path);
    // The sources are files, without directories among them.
    if path.is_empty() {
        Use::All
    } else {
        Use::Path(path)
    }
}

/// Returns a path without slashes around it, and without `.`.
fn plain(path: &str) -> String {
    let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    names.collect::<Vec<_>>().join("/")
}

/// Tells whether a path or a pattern is that of a file.
fn covers(pattern: &str, file: &str) -> bool {
    pattern == file || patterns::matches(pattern.as_bytes(), file.as_bytes()).unwrap_or_default()
}

/// Returns where the source stands that is the `number`th of an instruction.
fn place(subject: &Subject<'_>, step: &Step, number: usize) -> Span {
    let text = step.span.of(subject.containerfile.text);
    let mut places = text.match_indices(FETCH).map(|(place, _)| place);
    let Some(place) = places.nth(number) else {
        return step.span;
    };
    let word = text[place..]
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let start = step.span.start + place;
    Span {
        start,
        end: start + word.len(),
    }
}
