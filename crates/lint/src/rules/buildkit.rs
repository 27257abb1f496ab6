//! `BuildKit`'s own checks of how a Containerfile is written, with its names and verdicts. `StageX` turns each of them
//! into an error.
//!
//! The facts are those of `BuildKit` 0.26 (`frontend/dockerfile/linter`, `instructions`, `dockerfile2llb`). Those that
//! are about variables are beside this file.

use containerfile::{Command, Instruction, Span, Stage, Statement};

use crate::finding::Finding;
use crate::subject::Subject;
use crate::table::{
    CONSISTENT_INSTRUCTION_CASING, DUPLICATE_STAGE_NAME, EXPOSE_INVALID_FORMAT,
    EXPOSE_PROTO_CASING, FROM_AS_CASING, JSON_ARGS_RECOMMENDED, LEGACY_KEY_VALUE_FORMAT,
    MAINTAINER_DEPRECATED, MULTIPLE_INSTRUCTIONS_DISALLOWED, NO_EMPTY_CONTINUATION,
    RESERVED_STAGE_NAME, SECRETS_USED_IN_ARG_OR_ENV, STAGE_NAME_CASING, WORKDIR_RELATIVE_PATH,
};

/// Names that stand for something else than a stage.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Words that a secret is called by.
const SECRETS: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let case = casing(subject, found);
    let source = &subject.containerfile;
    for span in &subject.file.empty_continuations {
        let finding = source.finding(&NO_EMPTY_CONTINUATION, *span, "this line is empty");
        found.push(finding.fix(*span, ""));
    }
    for (number, stage) in subject.file.stages.iter().enumerate() {
        names(subject, number, case, found);
        used_once(subject, stage, found);
        for statement in &stage.statements {
            of_statement(subject, statement, found);
        }
    }
    of_builds(subject, found);
}

/// The case of most keywords.
#[derive(Debug, Clone, Copy)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    fn of(self, word: &str) -> String {
        match self {
            Self::Lower => word.to_lowercase(),
            Self::Upper => word.to_uppercase(),
        }
    }
}

/// Notes keywords in another case than most, and returns that.
fn casing(subject: &Subject<'_>, found: &mut Vec<Finding>) -> Case {
    let text = subject.containerfile.text;
    let stages = subject.file.stages.iter();
    let spans = stages.flat_map(|stage| {
        let statements = stage.statements.iter().map(|statement| statement.span);
        [stage.span].into_iter().chain(statements)
    });
    let keywords: Vec<(Span, &str)> = spans.map(|span| first_word(text, span)).collect();
    let is_lower = |word: &str| word == word.to_lowercase();
    let is_upper = |word: &str| word == word.to_uppercase();
    let lower = keywords.iter().filter(|(_, word)| is_lower(word)).count();
    let upper = keywords.iter().filter(|(_, word)| is_upper(word)).count();
    let (case, name) = if lower > upper {
        (Case::Lower, "lower case")
    } else {
        (Case::Upper, "capitals")
    };
    for (span, word) in keywords {
        let expected = case.of(word);
        if word != expected {
            let message = format!("`{word}` is not in {name}, as most instructions are");
            let source = &subject.containerfile;
            let finding = source.finding(&CONSISTENT_INSTRUCTION_CASING, span, message);
            found.push(finding.fix(span, expected));
        }
    }
    case
}

/// Returns the word that a part of a text begins with.
fn first_word(text: &str, span: Span) -> (Span, &str) {
    let word = span
        .of(text)
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let end = span.start + word.len();
    (Span { end, ..span }, word)
}

/// Returns the words behind the image of a FROM, as they are written.
fn behind_base(text: &str, stage: &Stage) -> Vec<(Span, String)> {
    let span = Span {
        start: stage.base.span.end,
        ..stage.span
    };
    let mut words = Vec::new();
    let mut start = None;
    for (place, character) in span
        .of(text)
        .char_indices()
        .chain([(span.end - span.start, ' ')])
    {
        let is_blank = character.is_whitespace() || matches!(character, '\\' | '`');
        match (is_blank, start) {
            (false, None) => start = Some(place),
            (true, Some(begin)) => {
                let word = Span {
                    start: span.start + begin,
                    end: span.start + place,
                };
                words.push((word, word.of(text).to_owned()));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn names(subject: &Subject<'_>, number: usize, case: Case, found: &mut Vec<Finding>) {
    let stage = &subject.file.stages[number];
    let source = &subject.containerfile;
    let words = behind_base(source.text, stage);
    let [(as_span, as_word), .., (span, written)] = &words[..] else {
        return;
    };
    let Some(name) = &stage.name else {
        return;
    };
    if *written != written.to_lowercase() {
        let message = format!("the name `{written}` has capitals");
        let finding = source.finding(&STAGE_NAME_CASING, *span, message);
        found.push(finding.fix(*span, name.clone()));
    }
    let (_, from) = first_word(source.text, stage.span);
    let is_lower = from == from.to_lowercase();
    let is_either = is_lower || from == from.to_uppercase();
    let expected = if is_lower { Case::Lower } else { Case::Upper };
    if is_either && *as_word != expected.of(as_word) {
        let message = format!("`{as_word}` is in another case than `{from}`");
        let finding = source.finding(&FROM_AS_CASING, *as_span, message);
        // What FROM becomes, `as` becomes too.
        let repaired = case.of(as_word);
        found.push(if repaired == *as_word {
            finding
        } else {
            finding.fix(*as_span, repaired)
        });
    }
    if RESERVED.contains(&name.as_str()) {
        let message = format!("`{name}` cannot be the name of a stage");
        found.push(source.finding(&RESERVED_STAGE_NAME, *span, message));
    }
    let mut earlier = subject.file.stages[..number].iter();
    if earlier.any(|other| other.name.as_ref() == Some(name)) {
        let message = format!("an earlier stage is called `{name}` too");
        found.push(source.finding(&DUPLICATE_STAGE_NAME, *span, message));
    }
}

/// Notes instructions of a stage that a later one of the same kind replaces.
fn used_once(subject: &Subject<'_>, stage: &Stage, found: &mut Vec<Finding>) {
    let is_kind =
        |statement: &&Statement, keyword: &str| statement.instruction.keyword() == keyword;
    for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let statements = stage.statements.iter();
        let all: Vec<_> = statements.filter(|each| is_kind(each, keyword)).collect();
        for statement in all.iter().rev().skip(1).rev() {
            let message = format!("a later {keyword} of this stage replaces this one");
            let rule = &MULTIPLE_INSTRUCTIONS_DISALLOWED;
            found.push(subject.containerfile.finding(rule, statement.span, message));
        }
    }
}

fn of_statement(subject: &Subject<'_>, statement: &Statement, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    let keyword = statement.instruction.keyword();
    let secret = |name: &str| {
        let parts: Vec<_> = name.split('_').map(str::to_ascii_lowercase).collect();
        let has = |word: &str| parts.iter().any(|part| part == word);
        let message = format!("{keyword} `{name}` is named like a secret");
        let is_secret = SECRETS.iter().any(|word| has(word)) && !has("public");
        is_secret.then(|| source.finding(&SECRETS_USED_IN_ARG_OR_ENV, statement.arguments, message))
    };
    match &statement.instruction {
        Instruction::Maintainer(_) => {
            let message = "MAINTAINER is deprecated in favour of a label";
            found.push(source.finding(&MAINTAINER_DEPRECATED, statement.span, message));
        }
        Instruction::Env(pairs) => {
            found.extend(pairs.iter().filter_map(|pair| secret(&pair.name)));
            legacy(subject, statement, found);
        }
        Instruction::Label(_) => legacy(subject, statement, found),
        Instruction::Arg(arguments) => {
            found.extend(
                arguments
                    .iter()
                    .filter_map(|argument| secret(&argument.name)),
            );
        }
        Instruction::Expose(ports) => {
            for written in ports {
                let port = expanded(subject, statement, written);
                let protocol = port.rsplit_once('/').map_or("", |(_, protocol)| protocol);
                if protocol != protocol.to_lowercase() {
                    let message = format!("the protocol of `{port}` has capitals");
                    found.push(source.finding(&EXPOSE_PROTO_CASING, statement.arguments, message));
                }
                if port.contains(':') {
                    let message = format!("`{port}` names an address or a port of the host");
                    let rule = &EXPOSE_INVALID_FORMAT;
                    found.push(source.finding(rule, statement.arguments, message));
                }
            }
        }
        _ => {}
    }
}

/// Returns a word with its plain variables expanded, as far as a build says what they are.
fn expanded(subject: &Subject<'_>, statement: &Statement, word: &str) -> String {
    let stages = subject.builds.iter().flat_map(|build| &build.stages);
    let mut steps = stages.flat_map(|stage| &stage.steps);
    let Some(step) = steps
        .find(|step| step.span == statement.span)
        .filter(|_| word.contains('$'))
    else {
        return word.to_owned();
    };
    let mut expanded = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let bare = after.strip_prefix('{').unwrap_or(after);
        let ends = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
        let (name, behind) = bare.split_at(bare.find(ends).unwrap_or(bare.len()));
        let mut variables = step.environment.iter();
        let variable = variables.find(|(known, _)| known == name);
        expanded.push_str(variable.map_or("", |(_, value)| value));
        rest = if bare == after {
            behind
        } else {
            behind.split_once('}').map_or("", |(_, behind)| behind)
        };
    }
    expanded + rest
}

/// Notes an `ENV` or `LABEL` without `=`.
fn legacy(subject: &Subject<'_>, statement: &Statement, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    let text = statement.arguments.of(source.text);
    let mut quote = None;
    let mut escaped = false;
    let is_end = |character: char| {
        if escaped {
            escaped = false;
        } else if character == subject.file.escape {
            escaped = true;
        } else if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && matches!(character, '"' | '\'') {
            quote = Some(character);
        } else if quote.is_none() && character.is_whitespace() {
            return true;
        }
        false
    };
    let first = text.split(is_end).next().unwrap_or_default();
    if !first.contains('=') {
        let keyword = statement.instruction.keyword();
        let message = format!("`{keyword} {first} ...` has no `=`");
        let end = statement.arguments.start + first.len();
        let span = Span {
            end,
            ..statement.arguments
        };
        found.push(source.finding(&LEGACY_KEY_VALUE_FORMAT, span, message));
    }
}

/// Notes what depends on the stages below.
fn of_builds(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    for (number, stage) in subject.file.stages.iter().enumerate() {
        let below = below(subject, number);
        let mut has_shell = below
            .iter()
            .any(|stage| has(stage, |each| matches!(each, Instruction::Shell(_))))
            || base_has_shell(subject, number, &below);
        let mut has_workdir = below
            .iter()
            .any(|stage| has(stage, |each| matches!(each, Instruction::Workdir(_))));
        for statement in &stage.statements {
            match &statement.instruction {
                Instruction::Shell(_) => has_shell = true,
                Instruction::Workdir(path) => {
                    let bare = path.trim_start_matches(['"', '\'']);
                    if !has_workdir && !expanded(subject, statement, bare).starts_with('/') {
                        let message = format!("`{path}` is a relative path");
                        let rule = &WORKDIR_RELATIVE_PATH;
                        found.push(source.finding(rule, statement.arguments, message));
                    }
                    has_workdir = true;
                }
                Instruction::Cmd(Command::Shell(_))
                | Instruction::Entrypoint(Command::Shell(_))
                    if !has_shell =>
                {
                    let keyword = statement.instruction.keyword();
                    let message = format!("{keyword} is not a JSON array, and no SHELL is set");
                    let rule = &JSON_ARGS_RECOMMENDED;
                    found.push(source.finding(rule, statement.span, message));
                }
                _ => {}
            }
        }
    }
}

fn has(stage: &Stage, is: impl Fn(&Instruction) -> bool) -> bool {
    stage
        .statements
        .iter()
        .any(|statement| is(&statement.instruction))
}

/// Returns the earlier stages that a stage begins with, the nearest first.
fn below<'a>(subject: &Subject<'a>, number: usize) -> Vec<&'a Stage> {
    let mut below = Vec::new();
    let mut at = number;
    while let Some(base) = subject.file.stages[..at]
        .iter()
        .rposition(|other| other.name.as_deref() == Some(&subject.file.stages[at].base.value))
    {
        below.push(&subject.file.stages[base]);
        at = base;
    }
    below
}

/// Tells whether the image below a stage is known to have a shell.
fn base_has_shell(subject: &Subject<'_>, number: usize, below: &[&Stage]) -> bool {
    let first = below
        .last()
        .copied()
        .unwrap_or(&subject.file.stages[number]);
    let facts = subject.images.get(&first.base.value);
    facts.is_some_and(|facts| !facts.shell.is_empty())
}
