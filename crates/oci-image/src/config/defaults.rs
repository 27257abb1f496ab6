//! What each instruction does to the defaults that an image gives its containers.
//!
//! It does not know history, layers or times.

use std::time::Duration;

use containerfile::{Healthcheck, Instruction, Step};

use super::document::{Defaults, Document, Health, Nothing};
use super::history;

/// Where programs are looked for, in an image that does not say.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the config of nothing.
pub(super) fn scratch() -> Document {
    Document {
        config: Defaults {
            env: vec![DEFAULT_PATH.to_owned()],
            working_dir: "/".to_owned(),
            ..Defaults::default()
        },
        ..Document::default()
    }
}

/// Changes what was inherited at the beginning of a stage: there is always a PATH, and triggers have been run.
pub(super) fn begin_stage(config: &mut Defaults) {
    if !config
        .env
        .iter()
        .any(|variable| variable.starts_with("PATH="))
    {
        config.env.push(DEFAULT_PATH.to_owned());
    }
    config.on_build.clear();
}

/// Changes the config as a step says; `has_cmd` tells whether a `CMD` came earlier in the same stage.
pub(super) fn apply(document: &mut Document, step: &Step, has_cmd: &mut bool) {
    let config = &mut document.config;
    match &step.instruction {
        Instruction::Cmd(command) => {
            config.cmd = command.words(&step.shell);
            config.args_escaped = true;
            *has_cmd = true;
        }
        Instruction::Entrypoint(command) => {
            config.entrypoint = command.words(&step.shell);
            // The arguments of a base were for its own program.
            if !*has_cmd {
                config.cmd.clear();
            }
        }
        Instruction::Env(pairs) => {
            for pair in pairs {
                set_variable(&mut config.env, &pair.name, &pair.value);
            }
        }
        Instruction::Expose(ports) => config
            .exposed_ports
            .extend(ports.iter().map(|port| (port.clone(), Nothing {}))),
        Instruction::Healthcheck(check) => config.healthcheck = Some(health(check)),
        Instruction::Label(pairs) => config.labels.extend(
            pairs
                .iter()
                .map(|pair| (pair.name.clone(), pair.value.clone())),
        ),
        Instruction::Maintainer(name) => document.author.clone_from(name),
        Instruction::Onbuild(onbuild) => config.on_build.push(onbuild.expression.clone()),
        Instruction::Shell(words) => config.shell.clone_from(words),
        Instruction::StopSignal(signal) => config.stop_signal.clone_from(signal),
        Instruction::User(user) => config.user.clone_from(user),
        Instruction::Volume(volumes) => config
            .volumes
            .extend(volumes.iter().map(|path| (path.clone(), Nothing {}))),
        Instruction::Workdir(path) => config.working_dir.clone_from(path),
        Instruction::Add(_) | Instruction::Arg(_) | Instruction::Copy(_) | Instruction::Run(_) => {}
    }
}

/// Sets a variable in its place, or at the end.
fn set_variable(variables: &mut Vec<String>, name: &str, value: &str) {
    let variable = format!("{name}={value}");
    let old = variables
        .iter_mut()
        .find(|old| old.split('=').next() == Some(name));
    match old {
        Some(old) => *old = variable,
        None => variables.push(variable),
    }
}

fn health(check: &Healthcheck) -> Health {
    let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let test = history::test(check);
    match check {
        Healthcheck::None => Health {
            test,
            ..Health::default()
        },
        Healthcheck::Check(check) => Health {
            test,
            interval: nanoseconds(check.interval),
            timeout: nanoseconds(check.timeout),
            start_period: nanoseconds(check.start_period),
            start_interval: nanoseconds(check.start_interval),
            retries: u64::from(check.retries),
        },
    }
}
