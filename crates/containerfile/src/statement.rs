//! Reading one instruction from its logical line.
//!
//! It does not know stages, and it expands nothing.

use std::time::Duration;

use crate::duration;
use crate::error::{ErrorKind, Fault};
use crate::flags::{Flags, Kind};
use crate::heredoc::{self, Mark};
use crate::instruction::{
    Add, Argument, Check, Command, Copy, Healthcheck, Heredoc, Instruction, Mount, NetworkMode,
    Onbuild, Pair, Run, Security, Sources,
};
use crate::lines::{Line, Lines};
use crate::span::{Span, Spanned};
use crate::words::{self, Parts};

/// An instruction and where its parts stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it says, with its variables.
    pub instruction: Instruction,
    /// The whole of it, with the bodies of its heredocs.
    pub span: Span,
    /// Its arguments, behind the flags and without heredoc bodies.
    pub arguments: Span,
    /// The names of its flags, and where each stands.
    pub flags: Vec<Spanned<String>>,
}

/// Every instruction's keyword.
pub(crate) const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Returns the keyword that `word` is, which stands at `span` at the beginning of a line.
pub(crate) fn keyword(word: &str, span: Span) -> Result<&'static str, Fault> {
    let mut known = KEYWORDS.into_iter();
    if let Some(keyword) = known.find(|keyword| keyword.eq_ignore_ascii_case(word)) {
        return Ok(keyword);
    }
    let found = word.to_ascii_uppercase();
    let nearest = KEYWORDS
        .into_iter()
        .map(|keyword| (strsim::damerau_levenshtein(keyword, &found), keyword))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, keyword)| keyword.to_owned());
    let kind = ErrorKind::UnknownInstruction {
        keyword: word.to_owned(),
        nearest,
    };
    Err(Fault::new(kind, span))
}

/// Reads the instruction in `line`, whose keyword is known, and the bodies of its heredocs from `lines`.
pub(crate) fn read(
    keyword: &'static str,
    line: &Line,
    lines: &mut Lines,
) -> Result<Statement, Fault> {
    let escape = lines.escape;
    let parts = words::split(line, escape)?;
    let mut span = line.span;
    let mut heredocs = Vec::new();
    if takes_heredocs(keyword, line, &parts, escape)? {
        for mark in heredoc::marks(&line.text) {
            let (body, end) = lines.heredoc_body(line, &mark.name, mark.strip_tabs)?;
            heredocs.push(with_body(mark, body));
            span.end = end;
        }
    }
    let instruction = Reader {
        line,
        keyword,
        parts: &parts,
        escape,
        heredocs,
    }
    .read()?;
    Ok(Statement {
        instruction,
        span,
        arguments: parts.arguments_span,
        flags: parts
            .flags
            .iter()
            .map(|flag| Spanned {
                value: flag.name.to_string(),
                span: flag.span,
            })
            .collect(),
    })
}

/// Reads the one instruction of a trigger, which stands in an image and not in this file.
pub(crate) fn read_trigger(text: &str, span: Span) -> Result<Statement, Fault> {
    let mut lines = Lines::new(text);
    let at_span = |fault: Fault| Fault::new(fault.kind, span);
    let line = lines
        .next()
        .map_err(at_span)?
        .ok_or_else(|| Fault::new(ErrorKind::BadTrigger(text.to_owned()), span))?;
    let (word, keyword_span) = words::keyword(&line);
    let keyword = keyword(word, keyword_span).map_err(at_span)?;
    let mut statement = read(keyword, &line, &mut lines).map_err(at_span)?;
    if lines.next().map_err(at_span)?.is_some() {
        return Err(Fault::new(ErrorKind::BadTrigger(text.to_owned()), span));
    }
    // Nothing of it stands in the file, so that every place is that of what brought it in.
    statement.span = span;
    statement.arguments = span;
    for flag in &mut statement.flags {
        flag.span = span;
    }
    Ok(statement)
}

fn with_body(mark: Mark, body: &str) -> Heredoc {
    Heredoc {
        name: mark.name,
        strip_tabs: mark.strip_tabs,
        expand: mark.expand,
        body: body.to_owned(),
    }
}

/// Tells whether marks of heredocs in `line` are any: not in every instruction, nor in JSON.
fn takes_heredocs(keyword: &str, line: &Line, parts: &Parts, escape: char) -> Result<bool, Fault> {
    if !heredoc::may_mark(&line.text) {
        return Ok(false);
    }
    match keyword {
        "ADD" | "COPY" | "RUN" => Ok(words::json(parts.arguments, parts.arguments_span)?.is_none()),
        "ONBUILD" => {
            let trigger = line.tail(parts.arguments_at);
            let parts = words::split(&trigger, escape)?;
            match self::keyword(parts.keyword, parts.keyword_span) {
                Ok(keyword) => takes_heredocs(keyword, &trigger, &parts, escape),
                Err(_) => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

struct Reader<'line> {
    line: &'line Line<'line>,
    keyword: &'static str,
    parts: &'line Parts<'line>,
    escape: char,
    heredocs: Vec<Heredoc>,
}

impl<'line> Reader<'line> {
    fn read(self) -> Result<Instruction, Fault> {
        Ok(match self.keyword {
            "ADD" => Instruction::Add(self.add()?),
            "ARG" => Instruction::Arg(self.arg()?),
            "CMD" => {
                self.flags(&[])?;
                Instruction::Cmd(self.command()?)
            }
            "COPY" => Instruction::Copy(self.copy()?),
            "ENTRYPOINT" => {
                self.flags(&[])?;
                Instruction::Entrypoint(self.command()?)
            }
            "ENV" => Instruction::Env(self.pairs()?),
            "EXPOSE" => {
                let mut ports = owned(self.text("a port")?);
                ports.sort();
                Instruction::Expose(ports)
            }
            "HEALTHCHECK" => Instruction::Healthcheck(self.healthcheck()?),
            "LABEL" => Instruction::Label(self.pairs()?),
            "MAINTAINER" => Instruction::Maintainer(self.text("a name")?.to_owned()),
            "ONBUILD" => Instruction::Onbuild(self.onbuild()?),
            "RUN" => Instruction::Run(self.run()?),
            "SHELL" => Instruction::Shell(self.shell()?),
            "STOPSIGNAL" => Instruction::StopSignal(self.text("a signal")?.to_owned()),
            "USER" => Instruction::User(self.text("a user")?.to_owned()),
            "VOLUME" => Instruction::Volume(self.volume()?),
            "WORKDIR" => Instruction::Workdir(self.text("a path")?.to_owned()),
            // `FROM` is read by whoever knows stages; it cannot stand anywhere else.
            other => return Err(self.fault(ErrorKind::BadTrigger(other.to_owned()))),
        })
    }

    fn fault(&self, kind: impl Into<ErrorKind>) -> Fault {
        let span = if self.parts.arguments.is_empty() {
            self.parts.keyword_span
        } else {
            self.parts.arguments_span
        };
        Fault::new(kind, span)
    }

    fn bad(&self, expected: &'static str) -> Fault {
        self.fault(ErrorKind::BadArguments {
            keyword: self.keyword,
            found: self.parts.arguments.to_owned(),
            expected,
        })
    }

    fn flags(&self, known: &[(&str, Kind)]) -> Result<Flags<'line>, Fault> {
        Flags::check(self.keyword, &self.parts.flags, known)
    }

    /// Returns the arguments as they stand, for an instruction without flags.
    fn text(&self, expected: &'static str) -> Result<&'line str, Fault> {
        self.flags(&[])?;
        self.arguments(expected)
    }

    fn arguments(&self, expected: &'static str) -> Result<&'line str, Fault> {
        if self.parts.arguments.is_empty() {
            return Err(self.fault(ErrorKind::MissingArguments {
                keyword: self.keyword,
                expected,
            }));
        }
        Ok(self.parts.arguments)
    }

    fn json(&self) -> Result<Option<Vec<String>>, Fault> {
        words::json(self.parts.arguments, self.parts.arguments_span)
    }

    /// Reads a command; without one the shell is given an empty text.
    fn command(&self) -> Result<Command, Fault> {
        Ok(match self.json()? {
            Some(words) => Command::Exec(words),
            None => Command::Shell(self.parts.arguments.to_owned()),
        })
    }

    fn pairs(&self) -> Result<Vec<Pair>, Fault> {
        let text = self.text("`name=value`")?;
        let words = words::quoted(text, self.escape);
        if words.first().is_some_and(|word| !word.contains('=')) {
            // The old form: one name, and the rest of the line as its value.
            let (name, value) = text
                .split_once(words::is_blank)
                .ok_or_else(|| self.bad("name=value"))?;
            return Ok(vec![Pair {
                name: name.to_owned(),
                value: value.trim_start_matches(words::is_blank).to_owned(),
            }]);
        }
        words
            .iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) if !name.is_empty() => Ok(Pair {
                    name: name.to_owned(),
                    value: value.to_owned(),
                }),
                _ => Err(self.bad("name=value name=value ...")),
            })
            .collect()
    }

    fn arg(&self) -> Result<Vec<Argument>, Fault> {
        let text = self.text("a name")?;
        words::quoted(text, self.escape)
            .iter()
            .map(|word| match word.split_once('=') {
                Some(("", _)) => Err(self.bad("name or name=value")),
                Some((name, value)) => Ok(Argument {
                    name: name.to_owned(),
                    value: Some(value.to_owned()),
                }),
                None => Ok(Argument {
                    name: word.clone(),
                    value: None,
                }),
            })
            .collect()
    }

    fn sources(&self) -> Result<Sources, Fault> {
        let text = self.arguments("sources and a destination")?;
        let (mut paths, json) = match self.json()? {
            Some(words) => (words, true),
            None => (owned(text), false),
        };
        let destination = paths.pop().unwrap_or_default();
        if paths.is_empty() {
            return Err(self.bad("source... destination"));
        }
        if heredoc::mark(&destination).is_some() {
            return Err(self.fault(ErrorKind::HeredocDestination));
        }
        let mut heredocs = Vec::new();
        paths.retain(|path| {
            let Some(mark) = heredoc::mark(path) else {
                return true;
            };
            // Of two heredocs with one name, both get the body of the last.
            let named = |heredoc: &&Heredoc| heredoc.name == mark.name;
            let last = self.heredocs.iter().rev().find(named);
            let body = last.map_or("", |heredoc| &heredoc.body);
            heredocs.push(with_body(mark, body));
            false
        });
        Ok(Sources {
            paths,
            heredocs,
            destination,
            json,
        })
    }

    fn copy(&self) -> Result<Copy, Fault> {
        let flags = self.flags(&[
            ("from", Kind::Text),
            ("chown", Kind::Text),
            ("chmod", Kind::Text),
            ("link", Kind::Switch),
            ("parents", Kind::Switch),
            ("exclude", Kind::Texts),
        ])?;
        Ok(Copy {
            sources: self.sources()?,
            from: flags.text("from"),
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.switch("link").unwrap_or(false),
            parents: flags.switch("parents").unwrap_or(false),
            exclude: flags.texts("exclude"),
        })
    }

    fn add(&self) -> Result<Add, Fault> {
        let flags = self.flags(&[
            ("chown", Kind::Text),
            ("chmod", Kind::Text),
            ("link", Kind::Switch),
            ("keep-git-dir", Kind::Switch),
            ("checksum", Kind::Text),
            ("unpack", Kind::Switch),
            ("exclude", Kind::Texts),
        ])?;
        Ok(Add {
            sources: self.sources()?,
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.switch("link").unwrap_or(false),
            keep_git_dir: flags.switch("keep-git-dir"),
            checksum: flags.text("checksum"),
            unpack: flags.switch("unpack"),
            exclude: flags.texts("exclude"),
        })
    }

    fn run(self) -> Result<Run, Fault> {
        let flags = self.flags(&[
            ("mount", Kind::Texts),
            ("network", Kind::Text),
            ("security", Kind::Text),
            ("device", Kind::Texts),
        ])?;
        let network = flags.read("network", "`default`, `none` or `host`", |word| {
            [NetworkMode::Default, NetworkMode::None, NetworkMode::Host]
                .into_iter()
                .find(|mode| mode.word() == word)
        })?;
        let security = flags.read("security", "`sandbox` or `insecure`", |word| {
            [Security::Sandbox, Security::Insecure]
                .into_iter()
                .find(|security| security.word() == word)
        })?;
        Ok(Run {
            command: self.command()?,
            mounts: flags
                .texts("mount")
                .iter()
                .map(|text| mount(text))
                .collect(),
            network,
            is_denied: false,
            security,
            devices: flags.texts("device"),
            heredocs: self.heredocs,
        })
    }

    fn shell(&self) -> Result<Vec<String>, Fault> {
        self.text("a JSON array of strings")?;
        self.json()?
            .filter(|words| !words.is_empty())
            .ok_or_else(|| self.bad("[\"program\", \"argument\"]"))
    }

    fn volume(&self) -> Result<Vec<String>, Fault> {
        let text = self.text("a path")?;
        let words = match self.json()? {
            Some(words) => words,
            None => owned(text),
        };
        let volumes: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
        if volumes.is_empty() || volumes.iter().any(String::is_empty) {
            return Err(self.bad("[\"/path\"]"));
        }
        Ok(volumes)
    }

    fn healthcheck(&self) -> Result<Healthcheck, Fault> {
        let flags = self.flags(&[
            ("interval", Kind::Text),
            ("timeout", Kind::Text),
            ("start-period", Kind::Text),
            ("start-interval", Kind::Text),
            ("retries", Kind::Text),
        ])?;
        let text = self.arguments("`CMD command` or `NONE`")?;
        let (kind, rest) = text.split_once(words::is_blank).unwrap_or((text, ""));
        let rest = rest.trim_start_matches(words::is_blank);
        match (kind.to_ascii_uppercase().as_str(), rest) {
            ("NONE", "") => return Ok(Healthcheck::None),
            ("CMD", command) if !command.is_empty() => {}
            _ => return Err(self.bad("CMD command | NONE")),
        }
        let command = match words::json(rest, self.parts.arguments_span)? {
            Some(words) if words.is_empty() => return Err(self.bad("CMD [\"program\"]")),
            Some(words) => Command::Exec(words),
            None => Command::Shell(rest.to_owned()),
        };
        let length = |name| {
            flags
                .read(name, "a duration of at least 1ms, such as `30s`", |text| {
                    duration::parse(text)
                        .filter(|length| length.is_zero() || *length >= Duration::from_millis(1))
                })
                .map(Option::unwrap_or_default)
        };
        Ok(Healthcheck::Check(Check {
            command,
            interval: length("interval")?,
            timeout: length("timeout")?,
            start_period: length("start-period")?,
            start_interval: length("start-interval")?,
            retries: flags
                .read("retries", "a number that is not negative", |text| {
                    text.parse::<i32>()
                        .ok()
                        .and_then(|number| number.try_into().ok())
                })?
                .unwrap_or_default(),
        }))
    }

    fn onbuild(self) -> Result<Onbuild, Fault> {
        self.text("an instruction")?;
        let line = self.line.tail(self.parts.arguments_at);
        let parts = words::split(&line, self.escape)?;
        let trigger = parts.keyword.to_ascii_uppercase();
        if ["ONBUILD", "MAINTAINER", "FROM"].contains(&trigger.as_str()) {
            return Err(self.fault(ErrorKind::BadTrigger(trigger)));
        }
        // The blanks at its end belong to it.
        let mut expression = line.text.clone().into_owned();
        for heredoc in &self.heredocs {
            expression.push('\n');
            expression.push_str(&heredoc.body);
            expression.push_str(&heredoc.name);
        }
        // Whoever begins with the image has to read it.
        let known = keyword(parts.keyword, parts.keyword_span).ok();
        let instruction = known.and_then(|keyword| {
            let reader = Reader {
                line: &line,
                keyword,
                parts: &parts,
                escape: self.escape,
                heredocs: self.heredocs,
            };
            reader.read().ok()
        });
        Ok(Onbuild {
            expression,
            instruction: instruction.map(Box::new),
        })
    }
}

fn owned(text: &str) -> Vec<String> {
    words::plain(text).map(str::to_owned).collect()
}

fn mount(text: &str) -> Mount {
    Mount {
        fields: words::comma_separated(text)
            .into_iter()
            .map(|field| match field.split_once('=') {
                Some((key, value)) => (key.to_ascii_lowercase(), Some(value.to_owned())),
                None => (field.to_ascii_lowercase(), None),
            })
            .collect(),
    }
}
