//! What a build can reach or see besides its inputs: the network, the time, the machine and its users.
//!
//! It knows instructions and the words of shell commands. It runs nothing.

use containerfile::{Instruction, NetworkMode, ReferenceKind, Span, Statement, is_remote};

use crate::finding::Finding;
use crate::rule::{Rule, RuleSet};
use crate::subject::{Subject, output_name, scope};
use crate::table::{ADD_URL, LOCALE, NETWORK_IN_RUN, PROCESSORS, TIME, UNPINNED_IMAGE, USER_ID};
use crate::words::{Word, behind, words};

/// The stage of the rules of 2024 that may reach the network. The rules of 2026 have no such stage.
pub(super) const FETCH: &str = "fetch";

/// Options behind which a number of processors is one of jobs.
const JOBS: [&str; 11] = [
    "-j",
    "-j=",
    "--jobs",
    "--jobs=",
    "-T",
    "--threads=",
    "--parallel",
    "--parallel=",
    "-P",
    "-l",
    "-n",
];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    for (stage, statement) in subject.statements() {
        match &statement.instruction {
            Instruction::Run(run) => {
                let may = is_fetch(subject, stage) || is_listed(subject, stage);
                if run.network != Some(NetworkMode::None) && !may {
                    let message = match run.network {
                        Some(NetworkMode::Host) => "this RUN can reach the machine's network",
                        _ => "this RUN can reach the network",
                    };
                    let finding = keyword(subject, statement, &NETWORK_IN_RUN, message);
                    found.push(finding);
                }
                leaks(subject, statement, found);
            }
            Instruction::Add(add) => {
                let is_verified = is_fetch(subject, stage) && add.checksum.is_some();
                let mut urls = add.sources.paths.iter().filter(|path| is_remote(path));
                if let Some(url) = urls.next().filter(|_| !is_verified) {
                    let message = format!("`{url}` is downloaded during the build");
                    found.push(keyword(subject, statement, &ADD_URL, message));
                }
            }
            Instruction::Env(pairs) => {
                for pair in pairs {
                    if is_odd_locale(&pair.name, &pair.value) {
                        let message = format!("`{}={}` is set", pair.name, pair.value);
                        found.push(keyword(subject, statement, &LOCALE, message));
                    }
                }
            }
            _ => {}
        }
    }
    if subject.package.is_none() {
        unpinned(subject, found);
    }
}

/// Whether a stage is that of the rules of 2024 that gets sources: no other tree has one.
fn is_fetch(subject: &Subject<'_>, stage: usize) -> bool {
    let name = subject.file.stages[stage].name.as_deref();
    subject.set == RuleSet::Tree2024 && name == Some(FETCH)
}

/// Whether the package lists a stage, with a reason, as one that keeps its network.
fn is_listed(subject: &Subject<'_>, stage: usize) -> bool {
    let name = subject.file.stages[stage].name.as_deref();
    let outputs = subject.package.iter().flat_map(|package| &package.outputs);
    let mut listed = outputs.flat_map(|output| &*output.network);
    name.is_some_and(|name| listed.any(|exception| exception.stage == name))
}

fn keyword(
    subject: &Subject<'_>,
    statement: &Statement,
    rule: &'static Rule,
    message: impl Into<String>,
) -> Finding {
    let start = statement.span.start;
    let end = start + statement.instruction.keyword().len();
    subject
        .containerfile
        .finding(rule, Span { start, end }, message)
}

/// Notes images that are named without a digest. In a tree nothing is pulled at all.
fn unpinned(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let scope = scope(None, &subject.images);
    // What cannot be read has been told.
    for reference in subject.file.references(&scope).unwrap_or_default() {
        let is_of_tree = output_name(&reference.name).is_some() || reference.name == "fetch";
        if is_of_tree || reference.name.contains("@sha256:") {
            continue;
        }
        let how = match reference.kind {
            ReferenceKind::Base => "FROM",
            ReferenceKind::Copy | ReferenceKind::Mount => "--from",
        };
        let message = format!("{how} names `{}` without a digest", reference.name);
        let finding = subject
            .containerfile
            .finding(&UNPINNED_IMAGE, reference.span, message);
        found.push(finding);
    }
}

/// Notes what of the world a RUN takes in.
fn leaks(subject: &Subject<'_>, statement: &Statement, found: &mut Vec<Finding>) {
    let text = statement.span.of(subject.containerfile.text);
    let words = words(text);
    for (place, word) in words.iter().enumerate() {
        let (rule, message) = match word.text {
            "date" if word.leads && !names_a_time(&words, place) => {
                (&TIME, "`date` gives the time at which the build runs")
            }
            "$EPOCHSECONDS" | "$EPOCHREALTIME" => {
                (&TIME, "this is the time at which the build runs")
            }
            "nproc" if word.leads && !is_for_jobs(&text[..word.start]) => (
                &PROCESSORS,
                "`nproc` is used for something else than a number of jobs",
            ),
            "whoami" | "logname" if word.leads => (&USER_ID, "this names the user of the build"),
            "id" if word.leads && behind(&words, place).any(names_the_user) => {
                (&USER_ID, "this names the user of the build")
            }
            "$UID" | "$EUID" => (&USER_ID, "this is the number of the user of the build"),
            _ => match word.text.split_once('=') {
                Some((name, value)) if is_odd_locale(name, value) => {
                    (&LOCALE, "this sets a locale")
                }
                _ => continue,
            },
        };
        let start = statement.span.start + word.start;
        let end = start + word.text.len();
        found.push(
            subject
                .containerfile
                .finding(rule, Span { start, end }, message),
        );
    }
}

/// Tells whether the `date` at `place` formats a time that it is given.
fn names_a_time(words: &[Word<'_>], place: usize) -> bool {
    let gives = |word: &str| {
        ["--date", "--reference", "@"]
            .iter()
            .any(|option| word.starts_with(option))
            || (!word.starts_with("--") && word.starts_with('-') && word.contains(['d', 'r', 's']))
    };
    behind(words, place).any(gives)
}

/// Tells whether what follows this text is a number of jobs.
fn is_for_jobs(before: &str) -> bool {
    let before = before.trim_end_matches(|character: char| "$(`\"' \t{".contains(character));
    let word = before
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let name = word.trim_end_matches('=');
    let is_variable = word.ends_with('=') && {
        let name = name.to_ascii_uppercase();
        [
            "JOBS",
            "PARALLEL",
            "THREADS",
            "CPU",
            "PROC",
            "MAKEFLAGS",
            "WORKERS",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    is_variable || JOBS.iter().any(|option| word.ends_with(option))
}

fn names_the_user(option: &str) -> bool {
    let short = option
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'));
    matches!(option, "--user" | "--group") || short.is_some_and(|rest| rest.contains(['u', 'g']))
}

/// Tells whether a variable sets a locale that not every system has.
fn is_odd_locale(name: &str, value: &str) -> bool {
    let is_locale = matches!(name, "LANG" | "LANGUAGE") || name.starts_with("LC_");
    let is_usual = matches!(value, "" | "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "en");
    is_locale && !is_usual && !value.starts_with('$')
}
