//! What a Containerfile refers to: its own stages, images and named contexts.
//!
//! It does not know where an image comes from.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::budget::{Budget, LONGEST_NAME, MOST_VARIABLES};
use crate::containerfile::{Containerfile, Replaced, Stage};
use crate::error::{Error, ErrorKind, Fault};
use crate::expand::{self, ExpansionError, Rules};
use crate::instruction::Instruction;
use crate::name;
use crate::scope::{Scope, Variables};
use crate::span::Span;
use crate::statement::Statement;

/// A stage by its number in the file, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub usize);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// An empty file system.
    Scratch,
    /// A stage of the same file.
    Stage(StageId),
    /// Something from outside: an image, or a context that the build is given by name.
    Image(String),
}

/// How a file uses something from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// `FROM`.
    Base,
    /// `COPY --from`.
    Copy,
    /// `RUN --mount=from=`.
    Mount,
}

/// Something from outside that a file uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name as written, with its variables expanded.
    pub name: String,
    /// How it is used.
    pub kind: ReferenceKind,
    /// In which stage.
    pub stage: StageId,
    /// Where it stands: the name in `FROM`, or the whole flag.
    pub span: Span,
}

/// A word of a `FROM` in which variables can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromWord {
    /// The stage that begins there.
    pub stage: StageId,
    /// Whether it is the value of `--platform`, and not the name of the image.
    pub is_platform: bool,
    /// What it expands to.
    pub value: String,
    /// The variables in it that have a value.
    pub defined: Vec<String>,
    /// The variables in it that are declared nowhere.
    pub undeclared: Vec<String>,
}

impl Containerfile {
    /// Returns the words of every `FROM` that have something to expand, in file order.
    pub fn from_words(&self, scope: &Scope) -> Result<Vec<FromWord>, Error> {
        let words = self.all_from_words(scope);
        words.map_err(|fault| Error::new(&self.source, fault))
    }

    fn all_from_words(&self, scope: &Scope) -> Result<Vec<FromWord>, Fault> {
        let rules = Rules::word(self.escape);
        let is_plain = |word: &str| expand::stands_for_itself(word, rules);
        let words = self.stages.iter().enumerate().flat_map(|(number, stage)| {
            let platform = stage.platform.as_deref().map(|word| (true, word));
            let words = platform
                .into_iter()
                .chain([(false, stage.base.value.as_str())]);
            let words = words.filter(|(_, word)| !is_plain(word));
            words.map(move |(is_platform, word)| (StageId(number), is_platform, word))
        });
        let mut found = Vec::new();
        let mut globals = None;
        for (stage, is_platform, word) in words {
            let globals = match &globals {
                Some(globals) => globals,
                None => globals.insert(self.global_arguments(scope)?),
            };
            let names = RefCell::new(Vec::new());
            let lookup = |name: &str| {
                names.borrow_mut().push(name.to_owned());
                globals.get(name).map(str::to_owned)
            };
            let value = expand::expand(word, rules, &lookup)
                .map_err(|error| Fault::new(error, self.stages[stage.0].span))?
                .into_owned();
            let (defined, unset): (Vec<_>, Vec<_>) = names
                .into_inner()
                .into_iter()
                .partition(|name| globals.get(name).is_some());
            let is_declared = |name: &String| {
                let mut declared = self.arguments.iter().flat_map(|arguments| &arguments.value);
                declared.any(|argument| argument.name == *name)
            };
            found.push(FromWord {
                stage,
                is_platform,
                value,
                defined,
                undeclared: unset
                    .into_iter()
                    .filter(|name| !is_declared(name))
                    .collect(),
            });
        }
        Ok(found)
    }

    /// Returns everything from outside that any stage refers to, in file order, whatever the target needs.
    pub fn references(&self, scope: &Scope) -> Result<Vec<Reference>, Error> {
        self.all_references(scope)
            .map_err(|fault| Error::new(&self.source, fault))
    }

    fn all_references(&self, scope: &Scope) -> Result<Vec<Reference>, Fault> {
        // Usually no name has a variable in it, and then none is needed.
        let rules = Rules::word(self.escape);
        let plain = |stage: &Stage| expand::stands_for_itself(&stage.base.value, rules);
        let globals = if self.arguments.is_empty() && self.stages.iter().all(plain) {
            Variables::default()
        } else {
            self.global_arguments(scope)?
        };
        let mut references = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let stage_id = StageId(number);
            if let Base::Image(name) = self.base(stage_id, &globals)? {
                references.push(Reference {
                    name,
                    kind: ReferenceKind::Base,
                    stage: stage_id,
                    span: stage.base.span,
                });
            }
            for statement in &stage.statements {
                for used in self.uses(statement, &statement.instruction)? {
                    if let Base::Image(name) = used.base {
                        references.push(Reference {
                            name,
                            kind: used.kind,
                            stage: stage_id,
                            span: used.span,
                        });
                    }
                }
            }
        }
        Ok(references)
    }

    /// Returns the platform's arguments, and those before the first `FROM`.
    pub(crate) fn global_arguments(&self, scope: &Scope) -> Result<Variables, Fault> {
        let mut globals = platform_arguments(scope, self);
        let budget = Budget::new();
        for arguments in &self.arguments {
            let wrong = |kind: ErrorKind| Fault::new(kind, arguments.span);
            for argument in &arguments.value {
                if globals.0.len() > MOST_VARIABLES {
                    return Err(wrong(ErrorKind::TooManyVariables(MOST_VARIABLES)));
                }
                let value = match (scope.build_arg(&argument.name), &argument.value) {
                    (Some(given), _) => Some(given.to_owned()),
                    (None, Some(default)) => {
                        let value = self.expand(default, &globals, arguments.span)?;
                        budget.take(value.len()).map_err(wrong)?;
                        Some(value.into_owned())
                    }
                    (None, None) => None,
                };
                if let Some(value) = value {
                    globals.set(&argument.name, &value);
                }
            }
        }
        Ok(globals)
    }

    pub(crate) fn expand<'word>(
        &self,
        word: &'word str,
        variables: &Variables,
        span: Span,
    ) -> Result<Cow<'word, str>, Fault> {
        let lookup = |name: &str| variables.get(name).map(str::to_owned);
        expand::expand(word, Rules::word(self.escape), &lookup)
            .map_err(|error| Fault::new(error, span))
    }

    /// Returns what a stage begins with: an earlier stage where one has the name.
    pub(crate) fn base(&self, stage: StageId, globals: &Variables) -> Result<Base, Fault> {
        let written = &self.stages[stage.0].base;
        let name = self.expand(&written.value, globals, written.span)?;
        if name.is_empty() {
            let kind = ErrorKind::Blank(written.value.clone());
            return Err(Fault::new(kind, written.span));
        }
        if name.len() > LONGEST_NAME {
            let kind = ExpansionError::TooLong(LONGEST_NAME);
            return Err(Fault::new(kind, written.span));
        }
        let earlier = self.stages[..stage.0]
            .iter()
            .rposition(|other| other.name.as_deref() == Some(&name));
        match earlier {
            Some(number) => Ok(Base::Stage(StageId(number))),
            None => match self.context_named(&name) {
                Some(context) => Ok(Base::Image(context.to_owned())),
                None => scratch_or_image(&name, written.span),
            },
        }
    }

    /// Lets contexts take the place of the stages that have their names: `context` returns one for a stage's name, as it
    /// is given.
    pub fn replace_stages(&mut self, context: impl Fn(&str) -> Option<String>) {
        for stage in &mut self.stages {
            let Some(context) = stage.name.as_deref().and_then(&context) else {
                continue;
            };
            let name = stage.name.take();
            stage.replaced = name.map(|name| Replaced { name, context });
        }
    }

    /// Returns what stands for a stage.
    fn stage_or_context(&self, number: usize) -> Base {
        match &self.stages[number].replaced {
            Some(replaced) => Base::Image(replaced.context.clone()),
            None => Base::Stage(StageId(number)),
        }
    }

    /// Returns what an instruction takes files from, besides the build's context.
    pub(crate) fn uses(
        &self,
        statement: &Statement,
        instruction: &Instruction,
    ) -> Result<Vec<Use>, Fault> {
        let flag = |name: &str, index: usize| {
            statement
                .flags
                .iter()
                .filter(|flag| flag.value == name)
                .nth(index)
                .map_or(statement.span, |flag| flag.span)
        };
        match instruction {
            Instruction::Copy(copy) => match &copy.from {
                Some(name) => {
                    let span = flag("from", 0);
                    Ok(vec![Use {
                        base: self.copy_source(name, span)?,
                        kind: ReferenceKind::Copy,
                        span,
                    }])
                }
                None => Ok(Vec::new()),
            },
            Instruction::Run(run) => run
                .mounts
                .iter()
                .enumerate()
                .filter_map(|(index, mount)| Some((mount.from()?, flag("mount", index))))
                .map(|(name, span)| {
                    Ok(Use {
                        base: self.mount_source(name, span)?,
                        kind: ReferenceKind::Mount,
                        span,
                    })
                })
                .collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the last stage with a name, in any case of letters.
    pub(crate) fn stage_named(&self, name: &str) -> Option<StageId> {
        let name = if name.contains(char::is_uppercase) {
            Cow::Owned(name.to_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        self.stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&name))
            .map(StageId)
    }

    fn copy_source(&self, name: &str, span: Span) -> Result<Base, Fault> {
        // A number is a stage of this file and nothing else.
        if name.parse::<i64>().is_ok() {
            return match name.parse::<usize>() {
                Ok(number) if number < self.stages.len() => Ok(self.stage_or_context(number)),
                _ => Err(self.no_such_number(name, span)),
            };
        }
        let expanded = self.expand(name, &Variables::default(), span)?;
        if expanded != name {
            return Err(Fault::new(
                ErrorKind::VariableInReference(name.to_owned()),
                span,
            ));
        }
        self.named(name, span)
    }

    fn mount_source(&self, name: &str, span: Span) -> Result<Base, Fault> {
        // Mounts take names only; a number would be looked for as an image.
        if name.parse::<i64>().is_ok() {
            return Err(self.no_such_number(name, span));
        }
        if name.contains('$') {
            return Err(Fault::new(
                ErrorKind::VariableInReference(name.to_owned()),
                span,
            ));
        }
        self.named(name, span)
    }

    fn named(&self, name: &str, span: Span) -> Result<Base, Fault> {
        match (self.stage_named(name), self.context_named(name)) {
            (Some(stage), _) => Ok(Base::Stage(stage)),
            (None, Some(context)) => Ok(Base::Image(context.to_owned())),
            (None, None) => scratch_or_image(name, span),
        }
    }

    /// Returns the context that stands for a stage of a name, in any case of letters.
    pub(crate) fn context_named(&self, name: &str) -> Option<&str> {
        let name = name.to_lowercase();
        let mut replaced = self
            .stages
            .iter()
            .filter_map(|stage| stage.replaced.as_ref());
        let found = replaced.rfind(|replaced| replaced.name == name)?;
        Some(&found.context)
    }

    fn no_such_number(&self, number: &str, span: Span) -> Fault {
        let kind = ErrorKind::UnknownStageNumber {
            number: number.to_owned(),
            count: self.stages.len(),
        };
        Fault::new(kind, span)
    }
}

/// Returns what a name stands for that is no stage's.
fn scratch_or_image(name: &str, span: Span) -> Result<Base, Fault> {
    if name == "scratch" {
        return Ok(Base::Scratch);
    }
    if name::familiar(name).is_none() {
        return Err(Fault::new(ErrorKind::BadReference(name.to_owned()), span));
    }
    Ok(Base::Image(name.to_owned()))
}

/// One use of files from elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) base: Base,
    pub(crate) kind: ReferenceKind,
    pub(crate) span: Span,
}

/// Returns the arguments that every build has; a build argument with the same name replaces them.
fn platform_arguments(scope: &Scope, file: &Containerfile) -> Variables {
    let last = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target = scope.target.as_deref().or(last).unwrap_or("default");
    let build = &scope.build_platform;
    let platform = &scope.platform;
    let mut variables = Variables::default();
    for (name, value) in [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", build.variant.clone().unwrap_or_default()),
        ("TARGETPLATFORM", platform.to_string()),
        ("TARGETOS", platform.os.clone()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", platform.architecture.clone()),
        (
            "TARGETVARIANT",
            platform.variant.clone().unwrap_or_default(),
        ),
        ("TARGETSTAGE", target.to_owned()),
    ] {
        variables.set(name, scope.build_arg(name).unwrap_or(&value));
    }
    variables
}
