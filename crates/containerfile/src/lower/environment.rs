//! What a `RUN` finds in its environment: written right before it, as an engine will have it, whatever the `ARG`s and `ENV`s of
//! the file say.
//!
//! A name is set by `ENV` where the image has it, or any stage that this one stands on, and otherwise by `ARG`: never by both in one
//! chain of stages, since engines do not agree which of them counts.

use std::collections::{BTreeMap, BTreeSet};

use super::literal;
use super::text::ESCAPE;
use crate::build::{Build, ResolvedStage, Step};
use crate::error::ErrorKind;
use crate::instruction::{Argument, Instruction, Pair};
use crate::reference::{Base, StageId};

/// The proxies that there are build arguments for.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];

/// What an engine has been told in a stage so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// The variables that `ENV` has set, in the image too.
    variables: BTreeMap<String, String>,
    /// The arguments that this stage declares.
    arguments: BTreeMap<String, String>,
    /// The values of the platform's arguments, and of those before the first `FROM`: an engine may have them by itself,
    /// and not believe an `ARG` that says another.
    global: BTreeMap<String, String>,
    /// The names that `ENV`s set in this stage, or in one that it stands on.
    set: BTreeSet<String>,
}

impl Environment {
    /// Begins a stage, with what the stage that it stands on has.
    pub(super) fn of(
        build: &Build,
        stage: &ResolvedStage,
        earlier: &BTreeMap<StageId, Self>,
    ) -> Self {
        let base = match &stage.base {
            Base::Stage(id) => earlier.get(id).cloned(),
            Base::Scratch | Base::Image(_) => None,
        };
        let mut environment = base.unwrap_or_else(|| {
            let first = stage.steps.first();
            let variables = first.map(|step| step.environment.iter().cloned());
            Self {
                variables: variables.into_iter().flatten().collect(),
                global: build.global_arguments.iter().cloned().collect(),
                ..Self::default()
            }
        });
        environment.arguments.clear();
        let set = stage
            .steps
            .iter()
            .filter_map(|step| match &step.instruction {
                Instruction::Env(pairs) => Some(pairs),
                _ => None,
            });
        environment
            .set
            .extend(set.flatten().map(|pair| pair.name.clone()));
        environment
    }

    /// Returns the instructions that give a `RUN` its environment. `given` are the build arguments.
    ///
    /// # Errors
    ///
    /// No instruction can say it.
    pub(super) fn before(
        &mut self,
        step: &Step,
        given: &[(String, String)],
    ) -> Result<Vec<String>, ErrorKind> {
        let mut lines = Vec::new();
        let has = |name: &str| step.environment.iter().any(|(own, _)| own == name);
        if let Some(name) = self.variables.keys().find(|name| !has(name)) {
            return Err(ErrorKind::VariableStays(name.clone()));
        }
        let mut proxies = proxies(given);
        proxies.retain(|(name, _)| !has(name));
        for (name, value) in step.environment.iter().chain(&proxies) {
            let is_argument = step.arguments.iter().any(|(argument, _)| argument == name)
                || proxies.iter().any(|(proxy, _)| proxy == name);
            let own = self.global.get(name).is_none_or(|own| own == value);
            let is_variable = self.variables.contains_key(name)
                || self.set.contains(name)
                || !is_argument
                || !own;
            let told = if is_variable {
                &mut self.variables
            } else {
                &mut self.arguments
            };
            if told.get(name) == Some(value) {
                continue;
            }
            told.insert(name.clone(), value.clone());
            let (name, value) = (name.clone(), value.clone());
            let instruction = if is_variable {
                Instruction::Env(vec![Pair {
                    name: name.clone(),
                    value,
                }])
            } else {
                // What no line can say has been given as a build argument.
                let is_given = given.contains(&(name.clone(), value.clone()));
                let is_said = !value.contains('\n') || !is_given;
                Instruction::Arg(vec![Argument {
                    name: name.clone(),
                    value: is_said.then_some(value),
                }])
            };
            let line = literal::written_out(&instruction, ESCAPE);
            lines.push(line.ok_or(ErrorKind::VariableOfLines(name))?);
        }
        Ok(lines)
    }
}

/// Returns the variables of the proxies that were given as build arguments: a `RUN` finds them in capitals and in small
/// letters, whether or not it declares them.
fn proxies(given: &[(String, String)]) -> Vec<(String, String)> {
    let value = |proxy: &str| {
        let mut given = given.iter().rev();
        let (_, value) = given.find(|(name, _)| name.eq_ignore_ascii_case(proxy))?;
        Some(value.clone()).filter(|value| !value.is_empty())
    };
    let variables = PROXIES.into_iter().filter_map(|proxy| {
        let value = value(proxy)?;
        Some([proxy.to_ascii_uppercase(), proxy.to_owned()].map(|name| (name, value.clone())))
    });
    variables.flatten().collect()
}
