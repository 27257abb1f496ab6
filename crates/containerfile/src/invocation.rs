//! What a `RUN` really runs: its words, once heredocs and the shell are taken into account.
//!
//! It does not know how an engine starts a command.

use crate::build::Step;
use crate::heredoc;
use crate::instruction::{Command, Instruction, Run};

/// Where the frontend puts a script for the time of one `RUN`.
const SCRIPT_DIRECTORY: &str = "/dev/pipes";

/// The command of a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// The file that the command is, where it is a heredoc that begins with `#!`.
    pub script: Option<Script>,
}

/// A file that exists for the time of one `RUN`, as `/dev/pipes/NAME` with mode 0755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The heredoc's name.
    pub name: String,
    /// The file's bytes.
    pub contents: String,
}

impl Step {
    /// Returns the command that this step runs; nothing where it is no `RUN`.
    pub fn invocation(&self) -> Option<Invocation> {
        match &self.instruction {
            Instruction::Run(run) => Some(invocation(run, &self.shell)),
            _ => None,
        }
    }
}

fn invocation(run: &Run, shell: &[String]) -> Invocation {
    let (text, first) = match (&run.command, run.heredocs.first()) {
        (Command::Shell(text), Some(first)) => (text, first),
        (command, _) => {
            return Invocation {
                words: command.words(shell),
                script: None,
            };
        }
    };
    if heredoc::mark(text).is_none() {
        // The shell reads these heredocs itself: it gets the text as it stands in the file.
        let mut text = text.clone();
        for heredoc in &run.heredocs {
            text.push('\n');
            text.push_str(&heredoc.body);
            text.push_str(&heredoc.name);
        }
        return Invocation {
            words: Command::Shell(text).words(shell),
            script: None,
        };
    }
    let contents = first.contents();
    // What is behind tabs is no interpreter, though they are taken away.
    if first.body.starts_with("#!") {
        return Invocation {
            words: shell
                .iter()
                .cloned()
                .chain([format!("{SCRIPT_DIRECTORY}/{}", first.name)])
                .collect(),
            script: Some(Script {
                name: first.name.clone(),
                contents,
            }),
        };
    }
    Invocation {
        words: Command::Shell(contents).words(shell),
        script: None,
    }
}
