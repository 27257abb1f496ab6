//! Sources: those that `package.toml` declares, and those that the Containerfile uses.
//!
//! It does not know what is in `fetch/`.

use containerfile::{Add, Build, Copy, Instruction, Mount, Platform, Run, Span, Step, is_remote};
use package_tree::{Output, Source};

use crate::finding::Finding;
use crate::subject::{Package, Subject, scope};
use crate::table::{HTTP_MIRROR, UNDECLARED_SOURCE, UNMATCHED_PATTERN, UNUSED_SOURCE};

/// The directory of sources in the context, and the name that stands for it in `--from`.
const FETCH: &str = "fetch";

/// The variables that stand for a platform, or for a part of one.
const PLATFORM_VARIABLES: [&str; 2] = ["TARGET", "BUILD"];

/// Platforms that trees are built for.
const PLATFORMS: [&str; 5] = [
    "linux/amd64",
    "linux/arm64",
    "linux/386",
    "linux/arm/v7",
    "linux/riscv64",
];

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
    let fetched: Vec<&Source> = output.fetched().collect();
    let mut is_used = vec![false; fetched.len()];
    for step in subject.builds.iter().flat_map(steps) {
        for (number, used) in uses(&step.instruction).into_iter().enumerate() {
            if take(&used, &fetched, &mut is_used) {
                continue;
            }
            let Use::Path(path) = used else {
                continue;
            };
            let (rule, message) = if patterns::is_pattern(path.as_bytes()) {
                let message = format!("no source in package.toml matches `{path}`");
                (&UNMATCHED_PATTERN, message)
            } else {
                let message = format!("package.toml declares no source `{path}`");
                (&UNDECLARED_SOURCE, message)
            };
            let span = place(subject, step, number);
            found.push(subject.containerfile.finding(rule, span, message));
        }
    }
    if !subject.all_build {
        return;
    }
    if is_used.contains(&false) {
        use_elsewhere(subject, output, &fetched, &mut is_used);
    }
    for (source, is_used) in fetched.iter().zip(is_used) {
        let declared = package.manifest.sources.iter();
        let mut declared = declared.filter(|declared| declared.key == source.key);
        if let Some(declared) = declared.next().filter(|_| !is_used) {
            let message = format!("no instruction uses `{}`", source.file);
            let manifest = &package.manifest_source;
            found.push(manifest.finding(&UNUSED_SOURCE, declared.span, message));
        }
    }
}

/// Returns every step of a build.
fn steps(build: &Build) -> impl Iterator<Item = &Step> {
    build.stages.iter().flat_map(|stage| &stage.steps)
}

/// Marks the sources that are used; tells whether there are any.
fn take(used: &Use, fetched: &[&Source], is_used: &mut [bool]) -> bool {
    let Use::Path(path) = used else {
        is_used.fill(true);
        return true;
    };
    let mut matches = false;
    for (source, is_used) in fetched.iter().zip(is_used) {
        if covers(path, &source.file) {
            *is_used = true;
            matches = true;
        }
    }
    matches
}

/// Marks the sources that builds for other platforms use, where the Containerfile asks for the platform.
fn use_elsewhere(
    subject: &Subject<'_>,
    output: &Output,
    fetched: &[&Source],
    is_used: &mut [bool],
) {
    if !PLATFORM_VARIABLES
        .iter()
        .any(|name| subject.containerfile.text.contains(name))
    {
        return;
    }
    for platform in PLATFORMS {
        let mut scope = scope(Some(output), &subject.images);
        let Ok(platform) = platform.parse::<Platform>() else {
            continue;
        };
        scope.build_platform = platform.clone();
        scope.platform = platform;
        if let Ok(build) = subject.file.resolve(&scope) {
            let used = steps(&build).flat_map(|step| uses(&step.instruction));
            used.for_each(|used| _ = take(&used, fetched, is_used));
        }
    }
}

/// Notes sources that can be had without encryption only: of several, where the first is declared.
fn mirrors(package: &Package<'_>, found: &mut Vec<Finding>) {
    let is_plain = |url: &str| url.starts_with("http://") || url.starts_with("ftp://");
    let sources = package.manifest.sources.iter();
    let plain: Vec<_> = sources
        .filter(|source| source.mirrors.iter().all(|mirror| is_plain(&mirror.value)))
        .filter_map(|source| Some((source, source.mirrors.first()?)))
        .collect();
    if let Some((source, mirror)) = plain.first() {
        let message = match plain.len() {
            1 => format!("`{}` is served without encryption only", source.key),
            2 => format!(
                "`{}` and another source are served without encryption only",
                source.key
            ),
            more => format!(
                "`{}` and {} other sources are served without encryption only",
                source.key,
                more - 1
            ),
        };
        found.push(
            package
                .manifest_source
                .finding(&HTTP_MIRROR, mirror.span, message),
        );
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
    let source = mount_source(mount);
    match mount.from() {
        None => of_context(source),
        Some(FETCH) => Some(of_fetch(source)),
        Some(_) => None,
    }
}

/// Tells whether an instruction takes a file of the package's directory, and not only what it says.
pub(crate) fn takes(subject: &Subject<'_>, name: &str) -> bool {
    let is_it = |path: &str| {
        let path = plain(path);
        path.is_empty() || covers(&path, name)
    };
    let statements = subject.statements();
    let mut instructions = statements.map(|(_, statement)| &statement.instruction);
    instructions.any(|instruction| match instruction {
        Instruction::Copy(Copy { sources, from, .. }) => {
            from.is_none() && sources.paths.iter().any(|path| is_it(path))
        }
        Instruction::Add(Add { sources, .. }) => sources.paths.iter().any(|path| is_it(path)),
        Instruction::Run(Run { mounts, .. }) => mounts.iter().any(|mount| {
            let is_bind = matches!(mount.get("type"), None | Some("bind"));
            is_bind && mount.from().is_none() && is_it(mount_source(mount))
        }),
        _ => false,
    })
}

/// Returns the path that a mount begins with.
fn mount_source(mount: &Mount) -> &str {
    mount.get("source").or(mount.get("src")).unwrap_or_default()
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
