//! What a package says of its network: in `package.toml` the stages that keep it in a hermetic build, and in its
//! Containerfile the RUNs that do not deny it themselves.
//!
//! It does not know what a hermetic build is given besides.

use std::collections::BTreeSet;

use containerfile::{Containerfile, Instruction, NetworkMode, Onbuild, Position, Run};

use crate::problem::Problem;

/// A stage whose RUNs keep their network, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkException {
    /// The name of the stage, in lower case.
    pub stage: String,
    /// Why it needs the network.
    pub reason: String,
}

/// What a Containerfile's RUNs say of their network, whatever its target needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// The stages with a RUN that does not deny it itself: names in lower case, empty where there is none.
    pub(crate) open: BTreeSet<String>,
    /// All stages that have a name.
    stages: BTreeSet<String>,
    /// Whether some RUN denies it.
    pub(crate) has_closed: bool,
    /// Whether a build that begins with the image does a RUN that does not deny it.
    pub(crate) has_trigger: bool,
    /// Whether a runtime may refuse something else of it.
    may_be_refused: bool,
}

impl Runs {
    pub(crate) fn of(file: &Containerfile) -> Self {
        let mut runs = Self {
            may_be_refused: file.may_be_refused(),
            ..Self::default()
        };
        for stage in &file.stages {
            let name = stage.name.clone().unwrap_or_default();
            for statement in &stage.statements {
                match &statement.instruction {
                    Instruction::Run(run) if is_closed(run) => runs.has_closed = true,
                    Instruction::Run(_) => _ = runs.open.insert(name.clone()),
                    Instruction::Onbuild(trigger) => {
                        runs.has_trigger |= may_reach(trigger);
                    }
                    _ => {}
                }
            }
            runs.stages.insert(name);
        }
        runs
    }

    /// Tells whether some runtime may refuse something of it.
    pub(crate) fn may_be_refused(&self) -> bool {
        self.may_be_refused || (self.has_closed && !self.open.is_empty())
    }

    /// Returns what is wrong with exceptions, which do not know their file.
    pub(crate) fn problems(
        &self,
        exceptions: &[(NetworkException, Position)],
    ) -> impl Iterator<Item = Problem> {
        exceptions.iter().filter_map(|(exception, position)| {
            let stage = &exception.stage;
            let problem = if !self.stages.contains(stage) || stage.is_empty() {
                let problem = Problem::new(format!("the Containerfile has no stage `{stage}`"));
                problem.hint("name a stage whose RUNs need the network: FROM ... AS NAME")
            } else if self.open.contains(stage) {
                return None;
            } else {
                let message = format!("no RUN of the stage `{stage}` may reach the network");
                Problem::new(message).hint("remove the exception")
            };
            Some(problem.at(position.line, position.column))
        })
    }
}

/// Tells whether a trigger may reach the network: a RUN that is not known to be without one.
fn may_reach(trigger: &Onbuild) -> bool {
    match trigger.instruction.as_deref() {
        Some(Instruction::Run(run)) => !is_closed(run),
        Some(_) => false,
        None => {
            let word = trigger.expression.split_ascii_whitespace().next();
            word.is_some_and(|word| word.eq_ignore_ascii_case("RUN"))
        }
    }
}

fn is_closed(run: &Run) -> bool {
    run.network == Some(NetworkMode::None)
}
