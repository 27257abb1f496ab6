//! What probably made two texts differ, told by what stands in each other's place. It does not know where the texts
//! are from.

use std::sync::LazyLock;

use documents::{DiffCause, DiffEvidence};
use regex::Regex;

use crate::findings::Findings;

/// How much of a text is looked at, in bytes.
const LONGEST: usize = 4_096;
/// The bits that a umask of anybody takes.
const MASKED: u32 = 0o077;

/// What shows a cause: the group `v` is what differs then, and the group `w` what is shown, if that is not all.
const PATTERNS: &[(DiffCause, &str)] = &[
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>(?:19|20)[0-9]{2}[-/](?:0[1-9]|1[0-2])[-/](?:0[1-9]|[12][0-9]|3[01])(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z| ?[+-][0-9]{2}:?[0-9]{2})?)",
    ),
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* {1,2}[0-9]{1,2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?(?: [A-Z]{2,5})?,? [0-9]{4})",
    ),
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [0-9]{4}(?: [0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)",
    ),
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>[0-2][0-9]:[0-5][0-9]:[0-5][0-9])(?-u:\b)",
    ),
    // Seconds, milliseconds and nanoseconds since 1970, from 2001 on.
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>1[0-9]{9}(?:[0-9]{3}|[0-9]{9})?)(?-u:\b)",
    ),
    (
        DiffCause::DateTime,
        r"(?-u:\b)(?P<v>20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[T.-]?[0-9]{6})?)(?-u:\b)",
    ),
    (
        DiffCause::Locale,
        r#"(?-u:\b)(?:LANG|LANGUAGE|LC_[A-Z]+)["']? *[:=] *["']?(?P<v>[A-Za-z0-9_.@-]+)"#,
    ),
    (
        DiffCause::Locale,
        r"(?-u:\b)(?P<v>[a-z]{2,3}_[A-Z]{2}(?:\.[A-Za-z0-9-]+)?)(?-u:\b)",
    ),
    (
        DiffCause::User,
        r#"(?i)(?-u:\b)[er]?[ug]id["']? *[:=(] *["']?(?P<v>[0-9]+)"#,
    ),
    (
        DiffCause::User,
        r#"(?-u:\b)(?:USER|LOGNAME|USERNAME|[Uu]ser(?:name)?|[Bb]uilt by|[Bb]uilder|[Pp]ackager)["']? *[:=] *["']?(?P<v>[A-Za-z_][A-Za-z0-9_.-]*)"#,
    ),
    (
        DiffCause::User,
        r"(?-u:\b)(?P<v>[A-Za-z0-9_.-]+)@[A-Za-z0-9][A-Za-z0-9.-]*",
    ),
    (DiffCause::User, r#"/home/(?P<v>[^/ :;"']+)"#),
    (
        DiffCause::Jobs,
        r"(?:^|[^A-Za-z0-9])(?P<w>-[jl] ?(?P<v>[0-9]+))",
    ),
    (
        DiffCause::Jobs,
        r#"(?i)(?-u:\b|_)(?:jobs|nproc[a-z_]*|num_?cpus?|ncpus?|cpus?|cores|threads|parallel(?:ism|_level)?|workers|processors?)["']?(?: *[:=] *| )["']?(?P<v>[0-9]+)"#,
    ),
    (
        DiffCause::Kernel,
        r"Linux (?:version )?(?:[A-Za-z0-9.-]+ )?(?P<v>[0-9]+\.[0-9]+(?:\.[0-9]+)?[A-Za-z0-9.+_-]*)",
    ),
    (
        DiffCause::Kernel,
        r"(?i)(?:kernel|uname|lib/modules/|linux-)[^0-9\n]{0,20}(?P<v>[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9.+_~-]*)",
    ),
    (
        DiffCause::Kernel,
        r"(?P<v>[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9]+)*[.-](?:amd64|arm64|generic|cloud|azure|aws|gcp|lts|arch|rt|x86_64|virt|linuxkit|microsoft)[A-Za-z0-9.+_-]*)",
    ),
    (
        DiffCause::HostName,
        r"(?-u:\b)[A-Za-z0-9_.-]+@(?P<v>[A-Za-z0-9][A-Za-z0-9.-]*)",
    ),
    (
        DiffCause::HostName,
        r#"(?i)(?-u:\b|_)(?:host ?name|nodename|build_?host|built on|host)["']? *[:=] *["']?(?P<v>[A-Za-z0-9]*[A-Za-z][A-Za-z0-9.-]*)"#,
    ),
    (
        DiffCause::HostName,
        r"Linux (?P<v>[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9.-]*) [0-9]+\.[0-9]+",
    ),
    (
        DiffCause::Processor,
        r"(?-u:\b)(?P<v>GenuineIntel|AuthenticAMD|HygonGenuine)(?-u:\b)",
    ),
    (
        DiffCause::Processor,
        r#"(?i)model name["']? *[:=] *["']?(?P<v>[^"'\n]+)"#,
    ),
    (
        DiffCause::Processor,
        r"(?:-m(?:arch|tune|cpu)|target-cpu|target_cpu)[= ](?P<v>[A-Za-z0-9_.+-]+)",
    ),
    (
        DiffCause::Random,
        r"(?i)(?-u:\b)(?P<v>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?-u:\b)",
    ),
    (
        DiffCause::Random,
        r"(?-u:\b)(?P<v>te?mp[._-]?[A-Za-z0-9_]{6,})",
    ),
    (
        DiffCause::Random,
        r"/tmp/(?P<v>(?:cc|go-build|rustc|pip-[a-z-]*)[A-Za-z0-9]{6,})",
    ),
];

/// What is taken for a path, and the directories that builds are done in.
const PATH: &str = r"(?P<v>/[A-Za-z0-9._+@~=,%-]+(?:/[A-Za-z0-9._+@~=,%-]+)+)";
const ROOTS: [&str; 9] = [
    "/tmp/",
    "/var/tmp/",
    "/build/",
    "/builds/",
    "/home/",
    "/root/",
    "/usr/src/",
    "/work/",
    "/src/",
];

static COMPILED: LazyLock<Vec<(DiffCause, Regex)>> = LazyLock::new(|| {
    let compiled = PATTERNS.iter();
    let compiled = compiled.map(|(cause, pattern)| (*cause, regex(pattern)));
    compiled.collect()
});
static PATHS: LazyLock<Regex> = LazyLock::new(|| regex(PATH));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are of this file")
}

/// Returns the texts that a pattern finds, each with what surrounds it in the pattern in front.
fn found<'a>(pattern: &Regex, text: &'a str) -> Vec<(&'a str, &'a str)> {
    let all = pattern.captures_iter(text);
    let all = all.filter_map(|groups| {
        let around = groups.name("w").or_else(|| groups.get(0))?;
        Some((around.as_str().trim(), groups.name("v")?.as_str()))
    });
    all.collect()
}

/// Returns the first texts of one kind that stand in each other's place and differ.
fn first_different<'a>(
    pattern: &Regex,
    left: &'a str,
    right: &'a str,
) -> Option<(&'a str, &'a str)> {
    let (left, right) = (found(pattern, left), found(pattern, right));
    let mut both = left.into_iter().zip(right);
    let different = both.find(|((_, left), (_, right))| left != right);
    different.map(|((left, _), (right, _))| (left, right))
}

/// Takes every cause that two texts show which stand in each other's place, with what shows it.
pub(crate) fn find(left: &str, right: &str, take: &mut dyn FnMut(DiffCause, &str, &str)) {
    let (left, right) = (start(left), start(right));
    let mut taken: Vec<DiffCause> = Vec::new();
    if let Some((a, b)) = build_path(left, right) {
        take(DiffCause::BuildPath, a, b);
    }
    for (cause, pattern) in COMPILED.iter() {
        if taken.contains(cause) {
            continue;
        }
        if let Some((a, b)) = first_different(pattern, left, right) {
            taken.push(*cause);
            take(*cause, a, b);
        }
    }
}

fn start(text: &str) -> &str {
    let most = text.len().min(LONGEST);
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// Returns two paths that lead to the same file in other directories, or into directories of builds.
fn build_path<'a>(left: &'a str, right: &'a str) -> Option<(&'a str, &'a str)> {
    let (a, b) = first_different(&PATHS, left, right)?;
    let last = |path: &'a str| path.rsplit('/').next();
    let is_of_build = |path: &str| ROOTS.iter().any(|root| path.starts_with(root));
    let is_one = last(a) == last(b) || (is_of_build(a) && is_of_build(b));
    // What differs may be something else that is in the path, and that is told by its own pattern.
    let plain = |path: &str| {
        let all = COMPILED
            .iter()
            .filter(|(cause, _)| *cause != DiffCause::User);
        all.fold(path.to_owned(), |path, (_, pattern)| {
            pattern.replace_all(&path, "").into_owned()
        })
    };
    (is_one && plain(a) != plain(b)).then_some((a, b))
}

/// Takes the causes that two values of a document show.
pub(crate) fn of_values(
    place: &str,
    left: Option<&str>,
    right: Option<&str>,
    findings: &mut Findings,
) {
    if let (Some(left), Some(right), true) = (left, right, findings.may_search()) {
        find(left, right, &mut |cause, left, right| {
            let evidence = DiffEvidence {
                place: printable::line(place).into_owned(),
                left: left.to_owned(),
                right: right.to_owned(),
            };
            findings.cause(cause, evidence);
        });
    }
}

/// Tells what made two modes differ: a umask takes only permissions of the group and of others, and one of the two
/// has none that the other lacks.
pub(crate) fn of_modes(left: u32, right: u32) -> Option<DiffCause> {
    let (common, all) = (left & right, left | right);
    let is_less = common == left || common == right;
    (is_less && (common ^ all) & !MASKED == 0 && left != right).then_some(DiffCause::Umask)
}

#[cfg(test)]
mod tests;
