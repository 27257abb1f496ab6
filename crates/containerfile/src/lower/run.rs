//! Writing a `RUN`: as an array of the words that it runs, or with its heredocs where the engine knows them.
//!
//! It does not know the other instructions.

use super::options::Notice;
use super::stage::{Writer, with_bodies};
use super::text;
use crate::build::Step;
use crate::error::{ErrorKind, Fault};
use crate::instruction::{Command, Instruction, Mount, NetworkMode, Run};
use crate::state::DEFAULT_SHELL;

/// Where a script lies while it runs, as with `BuildKit`: it finds that in `$0`.
const SCRIPT_DIRECTORY: &str = "/dev/pipes";

impl Writer<'_> {
    pub(super) fn run(&mut self, step: &Step, written: &Run) -> Result<String, Fault> {
        // That it is denied the network stands in no file.
        let is_denied = matches!(&step.instruction, Instruction::Run(run) if run.is_denied);
        let network = is_denied.then_some(NetworkMode::None).or(written.network);
        let network = self.network(step, network)?;
        let mut mounts = self.mounts(step)?;
        let command = if self.needs_exec_form(step, written) {
            self.exec_form(step, &mut mounts)?
        } else {
            with_bodies(command_text(written), &written.heredocs)
        };
        let mut words = vec!["RUN".to_owned()];
        words.extend(
            mounts
                .iter()
                .map(|mount| Self::flag("mount", &fields(mount))),
        );
        words.extend(network.map(|mode| Self::flag("network", mode.word())));
        // What else it could ask for is refused, or what it has anyhow.
        words.push(command);
        Ok(words.join(" "))
    }

    /// Tells whether a `RUN` must be written as an array: for its heredocs, or for its shell, which some engines forget
    /// because the usual format of images has no place for it.
    fn needs_exec_form(&self, step: &Step, written: &Run) -> bool {
        if matches!(written.command, Command::Exec(_)) {
            return false;
        }
        // What the shell is given is said by nobody else.
        if !self.options.dialect.heredocs || written.heredocs.is_empty() {
            return true;
        }
        let is_script = step
            .invocation()
            .is_some_and(|invocation| invocation.script.is_some());
        step.shell != DEFAULT_SHELL && !is_script
    }

    /// Returns the flag that is left, where the dialect may have none.
    fn network(
        &mut self,
        step: &Step,
        mode: Option<NetworkMode>,
    ) -> Result<Option<NetworkMode>, Fault> {
        match mode {
            _ if self.options.dialect.run_network => Ok(mode),
            None | Some(NetworkMode::Default) => Ok(None),
            Some(NetworkMode::None) if self.options.offline => {
                self.lowered
                    .notices
                    .push(Notice::NetworkOfBuild { step: step.id });
                Ok(None)
            }
            Some(mode) => Err(Self::fault(step, ErrorKind::NetworkOfRun(mode.word()))),
        }
    }

    /// Writes what a `RUN` with heredocs runs as an array.
    fn exec_form(&mut self, step: &Step, mounts: &mut Vec<Mount>) -> Result<String, Fault> {
        let Some(invocation) = step.invocation() else {
            return Ok(String::new());
        };
        let mut words = invocation.words;
        if let Some(script) = invocation.script {
            if !self.options.dialect.script_mounts {
                return Err(Self::fault(step, ErrorKind::ScriptOfRun(script.name)));
            }
            let path = self.side_contents(step, &script.name, script.contents, 0o755)?;
            let directory = path.trim_end_matches(&script.name).trim_end_matches('/');
            mounts.push(script_mount(&self.options.side_context, directory));
            // The script's path is the last word, behind the shell's.
            words.pop();
            words.push(format!("{SCRIPT_DIRECTORY}/{}", script.name));
        }
        Ok(text::script(&words, text::ESCAPE))
    }
}

fn script_mount(side_context: &str, directory: &str) -> Mount {
    let field = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    Mount {
        fields: vec![
            field("type", "bind"),
            field("from", side_context),
            field("source", &format!("/{directory}")),
            field("target", SCRIPT_DIRECTORY),
        ],
    }
}

/// Writes the fields of a mount as CSV.
fn fields(mount: &Mount) -> String {
    let fields: Vec<_> = mount
        .fields
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        })
        .map(|field| {
            if field.contains([',', '"']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field
            }
        })
        .collect();
    fields.join(",")
}

fn command_text(run: &Run) -> String {
    match &run.command {
        Command::Shell(text) => text.clone(),
        Command::Exec(words) => text::arguments(words, true),
    }
}
