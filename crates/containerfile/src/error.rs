//! What can be wrong with a Containerfile, and where.
//!
//! It does not know how errors are printed.

use crate::expand::ExpansionError;
use crate::span::{Position, Span};

/// An error at a place in a Containerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}", position = format_args!("{}:{}", .position.line, .position.column))]
pub struct Error {
    /// What is wrong, and what was expected.
    pub kind: ErrorKind,
    /// Where, in bytes.
    pub span: Span,
    /// Where, in lines and columns.
    pub position: Position,
}

impl Error {
    pub(crate) fn new(source: &str, fault: Fault) -> Self {
        Self {
            position: Position::in_source(source, fault.span.start),
            kind: fault.kind,
            span: fault.span,
        }
    }

    /// Returns what the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

/// An error before its line and column are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) span: Span,
}

impl Fault {
    pub(crate) fn new(kind: impl Into<ErrorKind>, span: Span) -> Self {
        Self {
            kind: kind.into(),
            span,
        }
    }
}

/// The kinds of errors, each with what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// No instruction at all.
    #[error("the file has no instructions; expected at least `FROM`")]
    Empty,
    /// A parser directive stands twice.
    #[error("the directive `{0}` is given twice")]
    RepeatedDirective(String),
    /// `# escape=` with anything but a backslash or a backtick.
    #[error("`{0}` cannot be the escape character; expected `\\` or a backtick")]
    BadEscapeDirective(String),
    /// A keyword that is no instruction.
    #[error("unknown instruction `{keyword}`")]
    UnknownInstruction {
        /// What stands there.
        keyword: String,
        /// The instruction with the most similar name.
        nearest: Option<String>,
    },
    /// An instruction before the first `FROM`.
    #[error("`{0}` before the first `FROM`; only `ARG` is allowed there")]
    BeforeFirstStage(&'static str),
    /// An instruction without arguments.
    #[error("`{keyword}` without arguments, expected {expected}")]
    MissingArguments {
        /// The instruction.
        keyword: &'static str,
        /// Its arguments.
        expected: &'static str,
    },
    /// An instruction with arguments of the wrong shape.
    #[error("`{keyword} {found}`, expected `{keyword} {expected}`")]
    BadArguments {
        /// The instruction.
        keyword: &'static str,
        /// The arguments as they stand.
        found: String,
        /// The arguments that it takes.
        expected: &'static str,
    },
    /// A JSON array with something in it that is no string.
    #[error("an array contains something other than a string")]
    NotStrings,
    /// A flag that the instruction does not have.
    #[error("`{keyword}` has no option `--{flag}`; expected one of {expected}")]
    UnknownFlag {
        /// The instruction.
        keyword: &'static str,
        /// The flag.
        flag: String,
        /// The flags that it has.
        expected: String,
    },
    /// A flag stands twice.
    #[error("the option `--{0}` is given twice")]
    RepeatedFlag(String),
    /// A flag without a value, or with a value that it cannot have.
    #[error("the option `--{flag}` has the value `{value}`; expected {expected}")]
    BadFlag {
        /// The flag.
        flag: String,
        /// Its value.
        value: String,
        /// The values that it takes.
        expected: &'static str,
    },
    /// A heredoc whose end is missing.
    #[error("the heredoc `{0}` does not end; expected a line with only `{0}`")]
    UnterminatedHeredoc(String),
    /// A flag that ends within a character, as its bytes are read.
    #[error("a flag ends within a character that is not ASCII, and what follows is not UTF-8")]
    SplitCharacter,
    /// A heredoc as the destination of a copy.
    #[error("the destination is a heredoc; expected a path")]
    HeredocDestination,
    /// Several sources, and a destination that is a directory to some engines only.
    #[error("several sources for the destination `{0}`; expected a `/` at its end")]
    DirectoryWithoutSlash(String),
    /// A stage's name with characters that it cannot have.
    #[error(
        "`{0}` is not a valid name for a stage, expected a letter, then letters and digits, between which a `.`, `_` or \
         `-` may stand"
    )]
    BadStageName(String),
    /// `ONBUILD` with an instruction that cannot be a trigger.
    #[error("`ONBUILD {0}` is not allowed; expected another instruction")]
    BadTrigger(String),
    /// A word that cannot be expanded.
    #[error(transparent)]
    Expansion(#[from] ExpansionError),
    /// A name that expanded to nothing.
    #[error("`{0}` expands to nothing; expected a value")]
    Blank(String),
    /// A variable where none can be.
    #[error("`{0}` contains a variable; expected the name of a stage, an image or a context")]
    VariableInReference(String),
    /// A name that neither an image nor a context can have.
    #[error(
        "`{0}` is not a valid name of an image or a context, expected [REGISTRY/]NAME[:TAG][@DIGEST] in lower case"
    )]
    BadReference(String),
    /// A field that a mount does not have.
    #[error(
        "`--mount` has no field `{0}`, expected one of type, from, source, target, ro, rw, id, sharing, mode, uid, \
         gid, size, required, env"
    )]
    MountField(String),
    /// A value of a mount that engines read in different ways.
    #[error(
        "`{0}` cannot stand in a field of `--mount`: engines take commas, quotation marks, backslashes, blanks and \
         `$` for more than text"
    )]
    MountValue(String),
    /// A type that a mount does not have.
    #[error("`--mount=type={0}` does not exist; expected bind, cache, tmpfs, secret or ssh")]
    MountType(String),
    /// A mount that says neither that it can be written to nor that it cannot.
    #[error("`{0}` of a `--mount` is neither true nor false")]
    MountTruth(String),
    /// A mount that an engine would look for among the machine's own files.
    #[error(
        "this engine cannot be asked for a `--mount` {0}: it might reach the machine's own files"
    )]
    MountOfRun(String),
    /// A platform that cannot be read.
    #[error(
        "`{0}` is not a valid platform, expected `os/architecture` or `os/architecture/variant`"
    )]
    BadPlatform(String),
    /// A port that cannot be read.
    #[error(
        "`{0}` is not a valid port, expected `port`, `first-last` or either with `/tcp`, `/udp` or `/sctp`"
    )]
    BadPort(String),
    /// A signal that cannot be read.
    #[error(
        "`{0}` is not a valid signal, expected a name such as `TERM` or `SIGTERM`, or a number other than 0"
    )]
    BadSignal(String),
    /// A copy of heredocs and of other files at once, for an engine without heredocs.
    #[error(
        "heredocs and other sources in one copy, which this engine cannot do; expected one of the two"
    )]
    MixedSources,
    /// A heredoc whose name cannot be that of a file, for an engine without heredocs.
    #[error(
        "the heredoc `{0}`, which this engine needs as a file; expected a name of letters, digits, `.`, `_`, `-` and `+`"
    )]
    UnusualHeredocName(String),
    /// A variable that a `RUN` must not find is in its environment already.
    #[error("the variable `{0}` is set by an earlier stage, and no instruction unsets it")]
    VariableStays(String),
    /// A variable of several lines, which no instruction can set.
    #[error("the variable `{0}` has several lines, which no engine can be given")]
    VariableOfLines(String),
    /// An argument of several lines.
    #[error("an argument has several lines, which no engine can be given")]
    TextOfLines,
    /// A network for one `RUN`, on an engine that has it for whole builds only.
    #[error(
        "`RUN --network={0}` is not possible: this engine has no option for the network of one RUN"
    )]
    NetworkOfRun(&'static str),
    /// What an engine does not know, or does otherwise than `BuildKit`.
    #[error("this runtime cannot do `{what}`{why}")]
    Unsupported {
        /// What stands there.
        what: String,
        /// What it does instead, or where the limit is.
        why: &'static str,
        /// What can be done about it.
        hint: &'static str,
    },
    /// A secret, or an agent of SSH, that must be there.
    #[error("a RUN requires `--mount=type={0}`, and builds are given none")]
    SecretOfRun(String),
    /// A heredoc that is a script with an interpreter, on an engine that cannot run it.
    #[error(
        "the heredoc `{0}` begins with `#!`, expected commands for the shell: this runtime cannot mount it below /dev, where BuildKit has it"
    )]
    ScriptOfRun(String),
    /// A target that does not exist.
    #[error("no stage is called `{name}`")]
    UnknownTarget {
        /// The name.
        name: String,
        /// The stages with the most similar names.
        nearest: Vec<String>,
    },
    /// A stage number that does not exist.
    #[error("there is no stage {number}, expected a number below {count}")]
    UnknownStageNumber {
        /// The number.
        number: String,
        /// How many stages there are.
        count: usize,
    },
    /// More stages than a file can have.
    #[error("more than {0} stages, which is the limit")]
    TooManyStages(usize),
    /// More variables than can be in force.
    #[error("more than {0} variables in scope at one place, which is the limit")]
    TooManyVariables(usize),
    /// A file whose evaluation takes too much memory.
    #[error("the file expands to more than {0} MiB, the limit for all its instructions together")]
    TooMuch(usize),
    /// A stage that needs itself.
    #[error("stage `{0}` depends on itself")]
    SelfReference(String),
    /// A stage that is used before it is built.
    #[error("stage `{used}` is used in stage `{user}`, which comes before it")]
    UsedBeforeBuilt {
        /// The stage that is used.
        used: String,
        /// The stage that uses it.
        user: String,
    },
}

impl ErrorKind {
    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownInstruction {
                nearest: Some(nearest),
                ..
            } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownTarget { nearest, .. } if !nearest.is_empty() => {
                Some(format!("the nearest names: {}", nearest.join(", ")))
            }
            Self::UnterminatedHeredoc(_) => Some(
                "only `<<-` allows tabs before the last line, and nothing may follow the name"
                    .to_owned(),
            ),
            Self::VariableOfLines(name) => Some(format!(
                "give it with --build-arg {name}=VALUE and declare it with `ARG {name}`, or write the lines in the RUN"
            )),
            Self::MountValue(_) => Some("give it a value without them".to_owned()),
            Self::MountOfRun(_) => Some(
                "copy what it needs with COPY, or build with another runtime: native, docker, or Podman 5.4 and \
                 Buildah 1.39 or later (see `stagex runtimes`)"
                    .to_owned(),
            ),
            Self::VariableInReference(_) => Some(
                "name it with `FROM ${variable} AS name` before the first use, and use that name"
                    .to_owned(),
            ),
            Self::UsedBeforeBuilt { used, .. } => Some(format!("move stage `{used}` up")),
            Self::DirectoryWithoutSlash(destination) => Some(format!(
                "with Docker each source becomes `{destination}` in turn, if that is not a directory yet; \
                 write `{destination}/`"
            )),
            Self::TooMuch(_) | Self::Expansion(ExpansionError::TooLong(_)) => Some(
                "a variable that holds others grows with each of them: look for one that is set from \
                 itself"
                    .to_owned(),
            ),
            Self::Unsupported { hint, .. } => Some((*hint).to_owned()),
            Self::SecretOfRun(_) => Some("leave out `required`, or what needs it".to_owned()),
            Self::MixedSources => Some("split it into two COPY instructions".to_owned()),
            Self::NetworkOfRun("none") => {
                Some("build offline, or with an engine that has networks for each RUN".to_owned())
            }
            Self::NetworkOfRun(_) => {
                Some("use an engine that has networks for each RUN".to_owned())
            }
            Self::ScriptOfRun(name) => Some(format!(
                "copy it with `COPY --chmod=755 <<{name} /path`, and run that"
            )),
            Self::BeforeFirstStage(_) => Some("begin with `FROM image AS name`".to_owned()),
            _ => None,
        }
    }
}
