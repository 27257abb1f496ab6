//! An error as a person meets it: what happened, why, and what to do about it.

use std::error::Error;

use anstyle::{AnsiColor, Style};
use build::Refusals;
pub(crate) use build::chain;

use crate::environment::NotUtf8;
use crate::exit::{ErrorKind, Exit};
use crate::render::{self, Lost};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How many instructions that are refused are said, and how many packages of each.
const REFUSALS: usize = 100;
const NAMED: usize = 3;

/// A command that could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug)]
struct Problem {
    /// One sentence, and behind it whatever it comes from.
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Makes a failure of one error, with all that it comes from.
    pub(crate) fn new(kind: ErrorKind, error: &dyn Error, hint: Option<String>) -> Self {
        Self {
            kind,
            problems: vec![Problem {
                message: chain(error),
                hint,
            }],
        }
    }

    /// Makes a failure of several problems, each with its hint.
    pub(crate) fn of(
        kind: ErrorKind,
        problems: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Self {
        let problems = problems
            .into_iter()
            .map(|(message, hint)| Problem { message, hint });
        Self {
            kind,
            problems: problems.collect(),
        }
    }

    /// Says what of a plan a runtime cannot carry out. A hint stands behind the last of those that it is for.
    pub(crate) fn refused(runtime: &str, refusals: &Refusals) -> Self {
        let mut problems: Vec<Problem> = Vec::new();
        for (refusal, packages) in refusals.iter().take(REFUSALS) {
            let (named, more) = packages.split_at(packages.len().min(NAMED));
            let more = match more.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            if let Some(last) = problems.last_mut()
                && last.hint == refusal.hint
            {
                last.hint = None;
            }
            problems.push(Problem {
                message: format!("{}{more}: {refusal}", named.join(", ")),
                hint: refusal.hint.clone(),
            });
        }
        let unsaid = refusals.iter().len() - problems.len();
        if unsaid > 0 {
            problems.push(Problem {
                message: format!("{runtime} refuses {unsaid} instructions more"),
                hint: None,
            });
        }
        Self {
            kind: ErrorKind::Package,
            problems,
        }
    }

    /// Returns how the program ends.
    pub(crate) fn exit(&self) -> Exit {
        self.kind.into()
    }

    /// Returns of which kind it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what is wrong, each with its hint.
    pub(crate) fn into_problems(self) -> impl Iterator<Item = (String, Option<String>)> {
        self.problems
            .into_iter()
            .map(|problem| (problem.message, problem.hint))
    }

    /// Says it as what keeps sources from a build.
    pub(crate) fn keeps_sources(self) -> build::FetchProblem {
        let messages: Vec<String> = self
            .problems
            .iter()
            .map(|each| each.message.clone())
            .collect();
        build::FetchProblem {
            kind: self.kind,
            message: messages.join("\n"),
            hint: self.problems.into_iter().find_map(|problem| problem.hint),
        }
    }

    /// Prints it to standard error as what kept `what` from a command that goes on without.
    pub(crate) fn warn(&self, what: &str) {
        for problem in &self.problems {
            let message = format!("{what}: {}", problem.message);
            print_problem("warning", &message, problem.hint.as_deref());
        }
    }

    /// Prints it to standard error.
    pub(crate) fn print(&self) {
        for problem in &self.problems {
            print_problem("error", &problem.message, problem.hint.as_deref());
        }
    }
}

/// A variable of the environment is not UTF-8.
impl From<NotUtf8> for Failure {
    fn from(error: NotUtf8) -> Self {
        let hint = "unset it, or set it to a value that is UTF-8";
        usage(error.to_string(), Some(hint))
    }
}

/// A result could not be written.
impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        let hint = "the command succeeded, and only its output is lost: redirect standard output to a place with space";
        Self::of(
            ErrorKind::Environment,
            [(lost.to_string(), Some(hint.to_owned()))],
        )
    }
}

/// What lies in `out/` and `digests/`, or is written there.
impl From<state::Error> for Failure {
    fn from(error: state::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// Git did not say what it was asked.
impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Self {
        let kind = match error {
            git::Error::Range(_) | git::Error::Outside(_) => ErrorKind::Usage,
            git::Error::Missing(_) | git::Error::Run(_) | git::Error::Failed { .. } => {
                ErrorKind::Environment
            }
        };
        Self::new(kind, &error, error.hint().map(str::to_owned))
    }
}

/// A history could not be looked at.
impl From<history::Error> for Failure {
    fn from(error: history::Error) -> Self {
        let hint = error.hint();
        match error {
            history::Error::Git(
                git @ (git::Error::Missing(_) | git::Error::Run(_) | git::Error::Failed { .. }),
            ) => git.into(),
            error => Self::new(ErrorKind::Usage, &error, hint.map(str::to_owned)),
        }
    }
}

/// What concerns images.
impl From<build::Error> for Failure {
    fn from(error: build::Error) -> Self {
        match error {
            build::Error::Refused { runtime, refusals } => Self::refused(&runtime, &refusals),
            error => Self::new(error.kind(), &error, error.hint()),
        }
    }
}

/// What concerns the ledger.
impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// What keeps packages from being reproduced.
impl From<reproduce::Error> for Failure {
    fn from(error: reproduce::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// An image cannot be read.
impl From<images::Error> for Failure {
    fn from(error: images::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// `diffoscope` is not there, or cannot be isolated.
impl From<diff::DiffoscopeError> for Failure {
    fn from(error: diff::DiffoscopeError) -> Self {
        Self::new(error.kind(), &error, Some(error.hint()))
    }
}

/// Two images cannot be compared.
impl From<diff::Error> for Failure {
    fn from(error: diff::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// What ends fetching.
impl From<fetch::Error> for Failure {
    fn from(error: fetch::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// An image cannot be had from a registry.
impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// Files of an image cannot be made here.
impl From<snapshot::Error> for Failure {
    fn from(error: snapshot::Error) -> Self {
        let hint = "where files cannot be made as they are in the image, write an archive: --output type=oci,dest=FILE";
        Self::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
    }
}

/// Nothing can be checked, or repaired.
impl From<lint::Error> for Failure {
    fn from(error: lint::Error) -> Self {
        Self::of(error.kind(), error.problems())
    }
}

/// A policy can never hold.
impl From<trust::InvalidPolicy> for Failure {
    fn from(error: trust::InvalidPolicy) -> Self {
        let hint = match error {
            trust::InvalidPolicy::Unreachable { .. } => {
                "name a lower --threshold, or more certificates"
            }
            _ => "docs/trust.md says what stands in a policy",
        };
        usage(error.to_string(), Some(hint))
    }
}

/// What was agreed to is not known.
impl From<trust::PinsError> for Failure {
    fn from(error: trust::PinsError) -> Self {
        Self::new(error.kind(), &error, Some(error.hint()))
    }
}

/// What keeps packages from being signed.
impl From<sign::Error> for Failure {
    fn from(error: sign::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// No server can be asked.
impl From<trust::InvalidLookaside> for Failure {
    fn from(error: trust::InvalidLookaside) -> Self {
        let kind = match error {
            trust::InvalidLookaside::Client(_) => ErrorKind::Environment,
            _ => ErrorKind::Usage,
        };
        Self::new(kind, &error, None)
    }
}

/// An image has no canonical form that could be known, or written.
impl From<canon::Error> for Failure {
    fn from(error: canon::Error) -> Self {
        Self::new(error.kind(), &error, error.hint())
    }
}

/// An image cannot go where it is to go.
impl From<delivery::DeliveryError> for Failure {
    fn from(error: delivery::DeliveryError) -> Self {
        let problem = (error.to_string(), error.hint().map(str::to_owned));
        Self::of(error.kind(), [problem])
    }
}

/// Prints a text of several lines to standard error, the first of which says what is wrong.
pub(crate) fn print_text(kind: &str, text: &str) {
    let text = printable::lines(text);
    render::styled(format_args!("{ERROR}{kind}:{ERROR:#} {text}"));
}

/// Prints one problem to standard error.
pub(crate) fn print_problem(kind: &str, message: &str, hint: Option<&str>) {
    print_problem_at(kind, message, &[], hint);
}

/// Prints one problem to standard error, with the lines of the source that it is about.
pub(crate) fn print_problem_at(kind: &str, message: &str, source: &[String], hint: Option<&str>) {
    let message = as_one(message);
    render::styled(format_args!("{ERROR}{kind}:{ERROR:#} {message}"));
    for line in source {
        render::styled(printable::line(line));
    }
    for line in hint.unwrap_or_default().lines() {
        let line = printable::line(line);
        render::styled(format_args!("{HINT} hint:{HINT:#} {line}"));
    }
}

/// Returns a message whose further lines, if it has any, cannot be taken for messages of their own:
/// a name in it may have a line's end too.
fn as_one(message: &str) -> String {
    let mut text = String::new();
    for line in message.lines() {
        if !text.is_empty() {
            text.push('\n');
            if !line.starts_with(' ') {
                text.push_str("  ");
            }
        }
        text.push_str(&printable::line(line));
    }
    text
}

/// Returns a failure of the command line.
pub(crate) fn usage(message: String, hint: Option<&str>) -> Failure {
    Failure::of(ErrorKind::Usage, [(message, hint.map(str::to_owned))])
}
