//! A whole Containerfile: directives, global arguments and stages, as they are written.
//!
//! It does not know build arguments or targets; [`crate::resolve`] does.

use std::sync::Arc;

use crate::budget::MOST_STAGES;
use crate::error::{Error, ErrorKind, Fault};
use crate::flags::{Flags, Kind};
use crate::instruction::{Argument, Instruction};
use crate::lines::{Directive, Line, Lines};
use crate::name;
use crate::span::{Span, Spanned};
use crate::statement::{self, Statement};
use crate::words;

/// A Containerfile that was read without error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containerfile {
    /// The text that was read.
    pub source: Arc<str>,
    /// The parser directives at the top.
    pub directives: Vec<Directive>,
    /// The escape character: a backslash, or a backtick where a directive says so.
    pub escape: char,
    /// The arguments before the first `FROM`, one entry for each `ARG`.
    pub arguments: Vec<Spanned<Vec<Argument>>>,
    /// The empty lines within instructions, each with its end. They count for nothing, and are deprecated.
    pub empty_continuations: Vec<Span>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
}

/// A context in the place of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The name that the stage had.
    pub name: String,
    /// The context, as it is given.
    pub context: String,
}

/// A stage: a `FROM`, and the instructions up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The name after `AS`, in lower case.
    pub name: Option<String>,
    /// What has taken its place, if a context has its name.
    pub replaced: Option<Replaced>,
    /// The image, the stage or `scratch` after `FROM`, with its variables.
    pub base: Spanned<String>,
    /// `--platform`, with its variables.
    pub platform: Option<String>,
    /// The `FROM` line.
    pub span: Span,
    /// The instructions.
    pub statements: Vec<Statement>,
}

/// Reads a Containerfile.
pub fn parse(source: &str) -> Result<Containerfile, Error> {
    read(source).map_err(|fault| Error::new(source, fault))
}

fn read(source: &str) -> Result<Containerfile, Fault> {
    let mut lines = Lines::new(source);
    let mut arguments = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    while let Some(line) = lines.next()? {
        let (word, keyword_span) = words::keyword(&line);
        let keyword = statement::keyword(word, keyword_span)?;
        if keyword == "FROM" {
            if stages.len() == MOST_STAGES {
                return Err(Fault::new(
                    ErrorKind::TooManyStages(MOST_STAGES),
                    keyword_span,
                ));
            }
            stages.push(stage(&line, lines.escape)?);
            continue;
        }
        let statement = statement::read(keyword, &line, &mut lines)?;
        match (stages.last_mut(), statement.instruction) {
            (Some(stage), instruction) => stage.statements.push(Statement {
                instruction,
                ..statement
            }),
            (None, Instruction::Arg(value)) => arguments.push(Spanned {
                value,
                span: statement.span,
            }),
            (None, _) => {
                return Err(Fault::new(
                    ErrorKind::BeforeFirstStage(keyword),
                    keyword_span,
                ));
            }
        }
    }
    if stages.is_empty() {
        let end = source.len();
        return Err(Fault::new(ErrorKind::Empty, Span { start: end, end }));
    }
    Ok(Containerfile {
        source: source.into(),
        escape: lines.escape,
        directives: lines.directives,
        arguments,
        empty_continuations: lines.empty_continuations,
        stages,
    })
}

fn stage(line: &Line, escape: char) -> Result<Stage, Fault> {
    let parts = words::split(line, escape)?;
    let flags = Flags::check("FROM", &parts.flags, &[("platform", Kind::Text)])?;
    let arguments: Vec<_> = words::plain(parts.arguments).collect();
    let (base, name) = match arguments.as_slice() {
        [base] => (base, None),
        [base, between, name] if between.eq_ignore_ascii_case("as") => {
            (base, Some(name.to_lowercase()))
        }
        [] => {
            let kind = ErrorKind::MissingArguments {
                keyword: "FROM",
                expected: "an image, or `image AS name`",
            };
            return Err(Fault::new(kind, parts.keyword_span));
        }
        _ => {
            let kind = ErrorKind::BadArguments {
                keyword: "FROM",
                found: parts.arguments.to_owned(),
                expected: "image | image AS name",
            };
            return Err(Fault::new(kind, parts.arguments_span));
        }
    };
    if let Some(name) = name.as_deref().filter(|name| !is_stage_name(name)) {
        let kind = ErrorKind::BadStageName(name.to_owned());
        return Err(Fault::new(kind, parts.arguments_span));
    }
    Ok(Stage {
        name,
        replaced: None,
        base: Spanned {
            value: (*base).to_owned(),
            span: line.span_of(parts.arguments_at, parts.arguments_at + base.len()),
        },
        platform: flags.text("platform"),
        span: line.span,
        statements: Vec::new(),
    })
}

fn is_stage_name(name: &str) -> bool {
    // A context may have the same name, and it is read as one.
    (["scratch", "context"].contains(&name) || name::familiar(name).is_some())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|character| {
            character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || matches!(character, '-' | '_' | '.')
        })
}
