//! One type for each instruction, as it is written or with its variables expanded.
//!
//! It does not know how instructions are read, or what they do to an image.

use std::time::Duration;

/// An instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Copies files in, and unpacks local archives.
    Add(Add),
    /// Declares build arguments.
    Arg(Vec<Argument>),
    /// Sets the default arguments of the image.
    Cmd(Command),
    /// Copies files in.
    Copy(Copy),
    /// Sets the program of the image.
    Entrypoint(Command),
    /// Sets environment variables.
    Env(Vec<Pair>),
    /// Names ports; as words, sorted.
    Expose(Vec<String>),
    /// Sets the health check.
    Healthcheck(Healthcheck),
    /// Sets labels.
    Label(Vec<Pair>),
    /// Sets the author.
    Maintainer(String),
    /// Keeps an instruction for builds on top of this image.
    Onbuild(Onbuild),
    /// Runs a command.
    Run(Run),
    /// Sets the shell of all later shell forms.
    Shell(Vec<String>),
    /// Sets the signal that ends a container.
    StopSignal(String),
    /// Sets the user.
    User(String),
    /// Names volumes.
    Volume(Vec<String>),
    /// Changes the working directory, and makes it.
    Workdir(String),
}

impl Instruction {
    /// Tells whether it shows in the image's config and history, and neither in a file nor in what a
    /// later instruction does.
    pub fn is_only_in_config(&self) -> bool {
        matches!(
            self,
            Self::Cmd(_)
                | Self::Entrypoint(_)
                | Self::Expose(_)
                | Self::Healthcheck(_)
                | Self::Label(_)
                | Self::Maintainer(_)
                | Self::StopSignal(_)
                | Self::Volume(_)
        )
    }

    /// Tells whether it makes its files in a file system of their own, which is then put on what is there: `--link`. As in
    /// `BuildKit`, it is ignored beside `--chmod`.
    pub fn is_linked(&self) -> bool {
        match self {
            Self::Copy(copy) => copy.link && copy.chmod.is_none(),
            Self::Add(add) => add.link && add.chmod.is_none(),
            _ => false,
        }
    }

    /// Returns the keyword in capitals.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The text before the first `=`.
    pub name: String,
    /// The text after it.
    pub value: String,
}

/// A build argument's declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The name.
    pub name: String,
    /// The default, where the declaration has one. In a resolved step: the value, where it has one.
    pub value: Option<String>,
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A JSON array: the words as they are.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

impl Command {
    /// Returns the words to run; a shell form is put behind the words of `shell`.
    pub fn words(&self, shell: &[String]) -> Vec<String> {
        match self {
            Self::Exec(words) => words.clone(),
            Self::Shell(text) => shell.iter().chain([text]).cloned().collect(),
        }
    }
}

/// A heredoc: `<<NAME`, the lines up to `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The name without quotes.
    pub name: String,
    /// `<<-`: tabs at the beginning of lines do not count.
    pub strip_tabs: bool,
    /// Variables in the body are expanded: the name is not quoted. Only for `COPY` and `ADD`.
    pub expand: bool,
    /// The lines, each with its end; with their tabs, also under `<<-`.
    pub body: String,
}

impl Heredoc {
    /// Returns the body, without leading tabs under `<<-`.
    pub fn contents(&self) -> String {
        if !self.strip_tabs {
            return self.body.clone();
        }
        self.body
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

/// The sources and the destination of a `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Paths and patterns, in order.
    pub paths: Vec<String>,
    /// Heredocs, in order; they are copied after the paths.
    pub heredocs: Vec<Heredoc>,
    /// The last word.
    pub destination: String,
    /// The words were written as a JSON array.
    pub json: bool,
}

impl Sources {
    /// Tells whether they can go to nothing but a directory, to every engine.
    pub fn go_to_a_directory(&self) -> bool {
        let destination = &self.destination;
        destination.ends_with('/') || destination == "." || destination.ends_with("/.")
    }

    /// Tells whether there are several, of which the last one stays if they go to a file.
    pub fn are_several(&self) -> bool {
        self.paths.len() + self.heredocs.len() > 1
    }
}

/// `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// What is copied, and where to.
    pub sources: Sources,
    /// `--from`: a stage, its number, an image or a named context.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, each time that it stands.
    pub exclude: Vec<String>,
}

/// `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// What is added, and where to.
    pub sources: Sources,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--keep-git-dir`, where it stands.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--unpack`, where it stands.
    pub unpack: Option<bool>,
    /// `--exclude`, each time that it stands.
    pub exclude: Vec<String>,
}

/// Tells whether a source of an `ADD` is on the network.
pub fn is_remote(path: &str) -> bool {
    let starts = ["http://", "https://", "git://", "git@", "ssh://"];
    starts.iter().any(|start| path.starts_with(start))
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command. Where there are heredocs, their marks stand in its text.
    pub command: Command,
    /// The heredocs of the command, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, each time that it stands.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Option<NetworkMode>,
    /// Whether that does not stand there, but was said by whoever builds.
    pub is_denied: bool,
    /// `--security`.
    pub security: Option<Security>,
    /// `--device`, each time that it stands.
    pub devices: Vec<String>,
}

/// A mount of one `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `key=value` or `key`, with the keys in lower case.
    pub fields: Vec<(String, Option<String>)>,
}

impl Mount {
    /// Returns the value of a field.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Returns where the mount comes from: a stage, an image or a named context.
    pub fn from(&self) -> Option<&str> {
        self.get("from").filter(|from| !from.is_empty())
    }
}

/// The network of one `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkMode {
    /// What the engine gives.
    Default,
    /// None at all.
    None,
    /// That of the host.
    Host,
}

impl NetworkMode {
    /// Returns the word that stands for it in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::None => "none",
            Self::Host => "host",
        }
    }
}

/// The confinement of one `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// As any other.
    Sandbox,
    /// With all privileges.
    Insecure,
}

impl Security {
    /// Returns the word that stands for it in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Insecure => "insecure",
        }
    }
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`.
    None,
    /// `HEALTHCHECK CMD`.
    Check(Check),
}

/// How health is checked; zero where nothing is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The command; a shell form is not put behind the shell's words.
    pub command: Command,
    /// `--interval`.
    pub interval: Duration,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--start-period`.
    pub start_period: Duration,
    /// `--start-interval`.
    pub start_interval: Duration,
    /// `--retries`.
    pub retries: u32,
}

/// `ONBUILD`. What it says is not read before somebody begins with the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger as a text: what follows `ONBUILD`, with heredoc bodies.
    pub expression: String,
    /// The same, read, as far as it is known here what it says.
    pub instruction: Option<Box<Instruction>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_are_stripped_from_every_line() {
        let heredoc = Heredoc {
            name: "EOF".to_owned(),
            strip_tabs: true,
            expand: true,
            body: "\ta\n\t\tb \t c\n d\n\n".to_owned(),
        };
        assert_eq!(heredoc.contents(), "a\nb \t c\n d\n\n");
    }

    #[test]
    fn the_last_of_two_mount_fields_counts() {
        let mount = Mount {
            fields: vec![
                ("from".to_owned(), Some("a".to_owned())),
                ("from".to_owned(), Some("b".to_owned())),
                ("ro".to_owned(), None),
            ],
        };
        assert_eq!(mount.from(), Some("b"));
        assert_eq!(mount.get("ro"), None);
    }
}
