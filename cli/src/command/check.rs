//! `stagex check`: checks trees and Containerfiles against the rules of trees.

use camino::{Utf8Path, Utf8PathBuf};
use documents::{RuleDescription, Rules, Version};
use lint::{Finding, Options, Outcome, RULES, Rule, Selection, Severity};

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, usage};
use crate::options::{AnyFormat, Format};
use crate::render::{self, findings};

/// How often repairs are made before what is left stays: one can make room for another.
const PASSES: usize = 10;

/// The directory of all packages.
const PACKAGES: &str = "packages";

/// What is done besides checking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) deny_warnings: bool,
    pub(super) fix: bool,
    /// Who is given the result, where it is for people.
    pub(super) result: fn(&str),
}

impl Default for Mode {
    fn default() -> Self {
        Self {
            deny_warnings: false,
            fix: false,
            result: render::result,
        }
    }
}

pub(super) fn run(context: &Context, arguments: &arguments::Check) -> Result<Exit, Failure> {
    if arguments.list_rules {
        list(context);
        return Ok(Exit::Success);
    }
    let mode = Mode {
        deny_warnings: arguments.deny_warnings,
        fix: arguments.fix,
        ..Mode::default()
    };
    let (mut targets, mut files) = (Vec::new(), Vec::new());
    for target in &arguments.targets {
        let words: Vec<_> = target.trim_start_matches("./").split('/').collect();
        match words[..] {
            // A package, or something in its directory.
            [PACKAGES, _, _, ..] => targets.push(target.clone()),
            ["out", ..] | [_] if !Utf8Path::new(target).starts_with(".") && is_name(target) => {
                targets.push(target.clone());
            }
            _ => files.push(Utf8PathBuf::from(target)),
        }
    }
    match (targets.is_empty(), files.is_empty()) {
        (_, true) => of_tree(context, &targets, mode),
        (true, false) => {
            let trees = std::slice::from_ref(&context.directory);
            of_files(context, trees, &files, mode)
        }
        (false, false) => {
            let message = format!(
                "`{}` is a file, and `{}` is a package",
                files[0], targets[0]
            );
            Err(usage(message, Some("check them with two commands")))
        }
    }
}

/// Whether a target can be the name of a package: capitals, as in `Containerfile`, are in none.
fn is_name(target: &str) -> bool {
    !target.contains(|letter: char| letter.is_ascii_uppercase())
}

/// Checks what `targets` select of the tree that is worked on.
pub(super) fn of_tree(context: &Context, targets: &[String], mode: Mode) -> Result<Exit, Failure> {
    let mut selection = Selection::default();
    for target in targets {
        let path: Utf8PathBuf = target.trim_start_matches("./").into();
        if path.starts_with(PACKAGES) {
            let directory = path.components().take(3);
            selection.directories.insert(directory.collect());
        } else {
            selection.targets.push(target.clone());
        }
    }
    let check = |options: &Options| lint::check_tree(&context.directory, &selection, options);
    report(context, mode, check)
}

/// Checks Containerfiles, each of whose paths is relative to the directory that is worked on, through no link in
/// one of `trees`.
pub(super) fn of_files(
    context: &Context,
    trees: &[Utf8PathBuf],
    files: &[Utf8PathBuf],
    mode: Mode,
) -> Result<Exit, Failure> {
    let check = |options: &Options| lint::check_files(trees, &context.directory, files, options);
    report(context, mode, check)
}

/// Checks, repairs if that is wanted, and prints what is left.
fn report(
    context: &Context,
    mode: Mode,
    check: impl Fn(&Options) -> Result<Outcome, lint::Error>,
) -> Result<Exit, Failure> {
    let options = options(context);
    let mut outcome = check(&options)?;
    let mut fixed = mode.fix.then_some(0);
    if let Some(fixed) = &mut fixed {
        for _ in 0..PASSES {
            let now = lint::fix(&context.directory, &outcome.findings)?;
            if now == 0 {
                break;
            }
            *fixed += now;
            outcome = check(&options)?;
        }
    }
    match context.findings_format {
        AnyFormat::Json => render::json(&document(&outcome, fixed)),
        AnyFormat::Sarif => {
            render::foreign(&lint::sarif(&outcome, env!("CARGO_PKG_VERSION")));
        }
        AnyFormat::Lines => {
            let lines = outcome.findings.iter().map(findings::line);
            let lines: Vec<_> = lines.collect();
            if !lines.is_empty() {
                render::result(&lines.join("\n"));
            }
        }
        AnyFormat::Human => {
            outcome.findings.iter().for_each(findings::print);
            (mode.result)(&findings::summary(&outcome, fixed));
        }
    }
    if fixed.is_some_and(|fixed| fixed > 0) && !context.verbosity.quiet {
        render::note(
            "packages whose files were repaired are built again; their images stay the same",
        );
    }
    let is_denied = mode.deny_warnings && outcome.count(Severity::Warning) > 0;
    Ok(if is_denied || outcome.count(Severity::Error) > 0 {
        ErrorKind::Tree.into()
    } else {
        Exit::Success
    })
}

/// Returns what is settled for checking.
pub(super) fn options(context: &Context) -> Options {
    Options {
        set: context.settings.rules.value,
        allow: context.settings.allow.clone(),
    }
}

/// Prints every rule.
fn list(context: &Context) {
    let describe = |rule: &&Rule| RuleDescription {
        name: rule.id.to_owned(),
        severity: rule.severity,
        reason: rule.reason.to_owned(),
        advice: rule.advice.to_owned(),
        sets: rule.sets.iter().map(|set| set.name().to_owned()).collect(),
        fixable: rule.has_fix,
    };
    match context.format {
        Format::Json => render::json(&Rules {
            version: Version,
            rules: RULES.iter().map(describe).collect(),
        }),
        Format::Human => render::result(&findings::rules()),
    }
}

fn document(outcome: &Outcome, fixed: Option<usize>) -> documents::Check {
    let finding = |finding: &Finding| documents::Finding {
        file: finding.file.to_string(),
        line: finding.place.as_ref().map(|place| place.line),
        column: finding.place.as_ref().map(|place| place.column),
        end_column: finding.place.as_ref().map(|place| place.end),
        severity: finding.rule.severity,
        rule: finding.rule.id.to_owned(),
        message: finding.message.clone(),
        hint: finding.advice.clone(),
        fixable: finding.fix.is_some(),
    };
    documents::Check {
        version: Version,
        rules: outcome.set.name().to_owned(),
        files: outcome.files,
        suppressed: outcome.suppressed,
        fixed,
        findings: outcome.findings.iter().map(finding).collect(),
    }
}
