//! What is in force at a place in a stage: variables, working directory, user and shell.
//!
//! It does not know stages, files or layers.

use std::cell::RefCell;

use crate::budget::{Budget, MOST_VARIABLES};
use crate::error::ErrorKind;
use crate::expand::{self, Rules};
use crate::instruction::{Argument, Heredoc, Instruction, Mount, Pair, Run, Sources};
use crate::port;
use crate::scope::{ImageFacts, Variables};
use crate::signal;

/// Where programs are looked for, in an image that does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What runs a shell form, in an image that does not say.
pub(crate) const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Arguments that steer the frontend, and never reach a command.
const UNSEEN_ARGUMENTS: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// How many names that are not set are told of one instruction.
const MOST_UNSET: usize = 64;

/// What a port takes, in bytes.
const PORT: usize = 64;

/// What is known of an argument outside its stage.
pub(crate) enum ArgumentValue {
    /// The build was given a value: it counts, whatever the declaration says.
    Given(String),
    /// The platform or an `ARG` before the first `FROM` has a value: it counts where the declaration has none.
    Global(String),
    Unknown,
}

/// What is in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Everything that a word can refer to, and a command can see.
    variables: Variables,
    /// The part of it that the image keeps.
    environment: Variables,
    /// Every declaration so far, in order; a name may stand several times.
    arguments: Vec<Argument>,
    working_directory: String,
    pub(crate) user: String,
    shell: Vec<String>,
}

impl State {
    pub(crate) fn scratch() -> Self {
        Self {
            working_directory: "/".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn image(facts: Option<&ImageFacts>) -> Self {
        let Some(facts) = facts else {
            return Self::default();
        };
        Self {
            environment: Variables(facts.environment.clone()),
            working_directory: facts.working_directory.clone(),
            user: facts.user.clone(),
            shell: facts.shell.clone(),
            ..Self::default()
        }
    }

    /// Makes a state that was inherited that of a new stage: what the image keeps is set anew, over arguments with
    /// the same names.
    pub(crate) fn begin_stage(&mut self) {
        if self.environment.get("PATH").is_none() {
            self.environment.set("PATH", DEFAULT_PATH);
        }
        for (name, value) in &self.environment.0 {
            self.variables.set(name, value);
        }
    }

    /// Returns how many bytes an instruction takes for a copy of what is in force, about.
    pub(crate) fn size(&self) -> usize {
        let pair = |(name, value): &(String, String)| 64 + name.len() + value.len();
        let argument = |argument: &Argument| {
            64 + argument.name.len() + argument.value.as_deref().unwrap_or_default().len()
        };
        let variables = self.variables.0.iter().map(pair).sum::<usize>();
        let arguments = self.arguments.iter().map(argument).sum::<usize>();
        let shell = self.shell.iter().map(String::len).sum::<usize>();
        variables + arguments + shell + self.working_directory.len() + self.user.len()
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.variables.0.clone()
    }

    pub(crate) fn shell(&self) -> Vec<String> {
        if self.shell.is_empty() {
            DEFAULT_SHELL.map(str::to_owned).to_vec()
        } else {
            self.shell.clone()
        }
    }

    /// Returns the working directory, which is `/` in an image that does not say.
    pub(crate) fn working_directory(&self) -> String {
        if self.working_directory.is_empty() {
            "/".to_owned()
        } else {
            self.working_directory.clone()
        }
    }

    /// Returns the arguments in scope in the order of their first declaration, with their values.
    pub(crate) fn arguments(&self) -> Vec<(String, String)> {
        let mut arguments = Variables::default();
        for argument in &self.arguments {
            let value = self
                .variables
                .get(&argument.name)
                .or(argument.value.as_deref())
                .unwrap_or_default();
            arguments.set(&argument.name, value);
        }
        arguments.0
    }

    /// Changes the state as an expanded instruction says.
    pub(crate) fn apply(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Env(pairs) => {
                for pair in pairs {
                    self.variables.set(&pair.name, &pair.value);
                    self.environment.set(&pair.name, &pair.value);
                }
            }
            Instruction::Arg(arguments) => {
                for argument in arguments {
                    self.declare(argument);
                }
            }
            Instruction::Shell(words) => self.shell.clone_from(words),
            Instruction::User(user) => self.user.clone_from(user),
            Instruction::Workdir(path) => self.working_directory.clone_from(path),
            _ => {}
        }
    }

    fn declare(&mut self, argument: &Argument) {
        if let Some(value) = &argument.value
            && !UNSEEN_ARGUMENTS.contains(&argument.name.as_str())
        {
            self.variables.set(&argument.name, value);
        }
        self.arguments.push(argument.clone());
    }

    /// Returns an instruction with its variables expanded, and the names of those that nothing sets or declares.
    pub(crate) fn expand(
        &self,
        instruction: &Instruction,
        escape: char,
        budget: &Budget,
        value_of: impl Fn(&str) -> ArgumentValue,
    ) -> Result<(Instruction, Vec<String>), ErrorKind> {
        let unset = RefCell::default();
        let words = Words {
            variables: &self.variables,
            escape,
            budget,
            unset: &unset,
        };
        let more = match instruction {
            Instruction::Env(pairs) => pairs.len(),
            Instruction::Arg(arguments) => arguments.len(),
            _ => 0,
        };
        if self.variables.0.len() + more > MOST_VARIABLES {
            return Err(ErrorKind::TooManyVariables(MOST_VARIABLES));
        }
        let mut instruction = instruction.clone();
        match &mut instruction {
            Instruction::Add(add) => {
                words.optional(&mut add.chown)?;
                words.optional(&mut add.chmod)?;
                words.optional(&mut add.checksum)?;
                words.sources(&mut add.sources)?;
            }
            Instruction::Copy(copy) => {
                words.optional(&mut copy.chown)?;
                words.optional(&mut copy.chmod)?;
                words.sources(&mut copy.sources)?;
                if copy.parents
                    && let Some(path) = copy.sources.paths.iter().find(|path| is_all(path))
                {
                    return Err(ErrorKind::BadArguments {
                        keyword: "COPY",
                        found: path.clone(),
                        expected: "--parents of something in a directory, such as ./*",
                    });
                }
            }
            Instruction::Arg(arguments) => {
                self.expand_arguments(arguments, escape, budget, value_of, &unset)?;
            }
            Instruction::Env(pairs) | Instruction::Label(pairs) => words.pairs(pairs)?,
            Instruction::Expose(ports) => *ports = words.ports(ports)?,
            Instruction::Run(run) => words.mounts(run)?,
            Instruction::StopSignal(word) => {
                words.word(word)?;
                if !signal::is_signal(word) {
                    return Err(ErrorKind::BadSignal(word.clone()));
                }
            }
            Instruction::User(word) => words.word(word)?,
            Instruction::Volume(volumes) => {
                let written = volumes.clone();
                words.all(volumes)?;
                if let Some(blank) = volumes.iter().position(String::is_empty) {
                    return Err(ErrorKind::Blank(written[blank].clone()));
                }
            }
            Instruction::Workdir(path) => {
                words.word(path)?;
                *path = absolute(&self.working_directory, path);
            }
            Instruction::Cmd(_)
            | Instruction::Entrypoint(_)
            | Instruction::Healthcheck(_)
            | Instruction::Maintainer(_)
            | Instruction::Onbuild(_)
            | Instruction::Shell(_) => {}
        }
        let mut undefined = unset.into_inner();
        undefined.retain(|name| !self.arguments.iter().any(|declared| declared.name == *name));
        Ok((instruction, undefined))
    }

    /// Gives arguments their values; each may refer to those before it.
    fn expand_arguments(
        &self,
        arguments: &mut [Argument],
        escape: char,
        budget: &Budget,
        value_of: impl Fn(&str) -> ArgumentValue,
        unset: &RefCell<Vec<String>>,
    ) -> Result<(), ErrorKind> {
        let mut state = self.clone();
        for argument in arguments {
            match (value_of(&argument.name), &mut argument.value) {
                (ArgumentValue::Given(value), _) | (ArgumentValue::Global(value), None) => {
                    budget.take(value.len())?;
                    argument.value = Some(value);
                }
                (_, Some(default)) => Words {
                    variables: &state.variables,
                    escape,
                    budget,
                    unset,
                }
                .word(default)?,
                (ArgumentValue::Unknown, None) => {}
            }
            state.declare(argument);
        }
        Ok(())
    }
}

/// Joins a path to the working directory; an absolute path stays as it is written.
pub(crate) fn absolute(working_directory: &str, path: &str) -> String {
    let parent = if working_directory.is_empty() {
        "/"
    } else {
        working_directory
    };
    if path.is_empty() {
        return parent.to_owned();
    }
    if path.starts_with('/') {
        return path.to_owned();
    }
    clean(&format!("/{parent}/{path}"))
}

/// Tells whether a path with its parents is that of a whole directory, of which nothing is left to be taken.
fn is_all(path: &str) -> bool {
    let pattern = path.split_once("/./").map_or(path, |(_, pattern)| pattern);
    clean(pattern) == "/"
}

/// Returns an absolute path without `.`, `..` and repeated slashes.
pub(crate) fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

struct Words<'state> {
    variables: &'state Variables,
    escape: char,
    budget: &'state Budget,
    /// The names that were looked up and that are not set, each once.
    unset: &'state RefCell<Vec<String>>,
}

impl Words<'_> {
    fn lookup(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| {
            let value = self.value(name);
            let mut unset = self.unset.borrow_mut();
            // Very many names would cost the square of their number.
            if value.is_none()
                && unset.len() < MOST_UNSET
                && !unset.iter().any(|known| known == name)
            {
                unset.push(name.to_owned());
            }
            value
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        // Where too little is left, that is said when the word is done.
        let value = self.variables.get(name)?;
        self.budget.has(value.len()).then(|| value.to_owned())
    }

    fn word(&self, word: &mut String) -> Result<(), ErrorKind> {
        *word = expand::expand(word, Rules::word(self.escape), &self.lookup())?.into_owned();
        self.budget.take(word.len())
    }

    fn optional(&self, word: &mut Option<String>) -> Result<(), ErrorKind> {
        if let Some(text) = word {
            self.word(text)?;
        }
        // A flag that expands to nothing is as if it were not there.
        if word.as_deref() == Some("") {
            *word = None;
        }
        Ok(())
    }

    fn all(&self, words: &mut [String]) -> Result<(), ErrorKind> {
        words.iter_mut().try_for_each(|word| self.word(word))
    }

    fn pairs(&self, pairs: &mut [Pair]) -> Result<(), ErrorKind> {
        pairs.iter_mut().try_for_each(|pair| {
            self.word(&mut pair.name)?;
            self.word(&mut pair.value)
        })
    }

    fn sources(&self, sources: &mut Sources) -> Result<(), ErrorKind> {
        self.all(&mut sources.paths)?;
        self.word(&mut sources.destination)?;
        sources
            .heredocs
            .iter_mut()
            .try_for_each(|heredoc| self.heredoc(heredoc))
    }

    /// Makes the body what the file will hold.
    fn heredoc(&self, heredoc: &mut Heredoc) -> Result<(), ErrorKind> {
        let contents = heredoc.contents();
        heredoc.body = if heredoc.expand {
            expand::expand(&contents, Rules::heredoc_body(), &self.lookup())?.into_owned()
        } else {
            contents
        };
        self.budget.take(heredoc.body.len())?;
        heredoc.expand = false;
        heredoc.strip_tabs = false;
        Ok(())
    }

    fn mounts(&self, run: &mut Run) -> Result<(), ErrorKind> {
        run.mounts
            .iter_mut()
            .flat_map(|mount: &mut Mount| &mut mount.fields)
            .filter_map(|(_, value)| value.as_mut())
            .try_for_each(|value| self.word(value))
    }

    fn ports(&self, words: &[String]) -> Result<Vec<String>, ErrorKind> {
        let mut ports = Vec::new();
        for word in words {
            let lookup = |name: &str| self.value(name);
            for text in expand::words(word, Rules::word(self.escape), &lookup)? {
                let found = port::ports(&text).ok_or(ErrorKind::BadPort(text))?;
                self.budget.take(found.len() * PORT)?;
                ports.extend(found);
            }
        }
        Ok(ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "a", "/a")]
    #[case("/w", "a/../b/", "/w/b")]
    #[case("/w/", "", "/w/")]
    #[case("/w", "/a/", "/a/")]
    #[case("/", "..", "/")]
    fn a_path_is_made_absolute(#[case] parent: &str, #[case] path: &str, #[case] expected: &str) {
        assert_eq!(absolute(parent, path), expected);
    }
}
