//! What the history says of each step.
//!
//! It does not know the rest of the config. The texts are those of `BuildKit` 0.26.

use containerfile::{Add, Check, Command, Copy, Healthcheck, Instruction, Pair, Sources, Step};

use super::go_text;

/// Returns the text of a step; nothing where it has no entry.
pub(super) fn created_by(step: &Step) -> Option<String> {
    Some(match &step.instruction {
        Instruction::Add(add) => added(add),
        Instruction::Arg(arguments) => {
            let words: Vec<_> = arguments
                .iter()
                .map(|argument| match &argument.value {
                    Some(value) => format!("{}={value}", argument.name),
                    None => argument.name.clone(),
                })
                .collect();
            format!("ARG {}", words.join(" "))
        }
        Instruction::Cmd(command) => format!("CMD {}", words(command, step)),
        Instruction::Copy(copy) => copied(copy),
        Instruction::Entrypoint(command) => format!("ENTRYPOINT {}", words(command, step)),
        Instruction::Env(pairs) => named("ENV", pairs),
        Instruction::Expose(ports) => format!("EXPOSE {}", go_text::list(ports)),
        Instruction::Healthcheck(check) => health(check),
        Instruction::Label(pairs) => named("LABEL", pairs),
        Instruction::Maintainer(name) => format!("MAINTAINER {name}"),
        Instruction::Onbuild(_) => return None,
        Instruction::Run(_) => ran(step),
        Instruction::Shell(words) => format!("SHELL {}", go_text::list(words)),
        Instruction::StopSignal(signal) => format!("STOPSIGNAL {signal}"),
        Instruction::User(user) => format!("USER {user}"),
        Instruction::Volume(volumes) => format!("VOLUME {}", go_text::list(volumes)),
        Instruction::Workdir(path) => format!("WORKDIR {path}"),
    })
}

fn words(command: &Command, step: &Step) -> String {
    go_text::quoted_list(&command.words(&step.shell))
}

fn named(keyword: &str, pairs: &[Pair]) -> String {
    let words: Vec<_> = pairs
        .iter()
        .map(|pair| format!("{}={}", pair.name, pair.value))
        .collect();
    format!("{keyword} {}", words.join(" "))
}

fn copied(copy: &Copy) -> String {
    let parents = copy.parents.then(|| "--parents".to_owned());
    let flags = parents
        .into_iter()
        .chain(ownership(copy.chown.as_deref(), copy.chmod.as_deref()));
    transferred("COPY", flags, &copy.sources)
}

fn added(add: &Add) -> String {
    let flags = ownership(add.chown.as_deref(), add.chmod.as_deref());
    transferred("ADD", flags, &add.sources)
}

fn ownership(chown: Option<&str>, chmod: Option<&str>) -> impl Iterator<Item = String> {
    let chown = chown.map(|value| format!("--chown={value}"));
    let chmod = chmod.map(|value| format!("--chmod={value}"));
    [chown, chmod].into_iter().flatten()
}

fn transferred(keyword: &str, flags: impl Iterator<Item = String>, sources: &Sources) -> String {
    let heredocs = sources
        .heredocs
        .iter()
        .map(|heredoc| format!("<<{}", heredoc.name));
    let words: Vec<_> = std::iter::once(keyword.to_owned())
        .chain(flags)
        .chain(sources.paths.iter().cloned())
        .chain(heredocs)
        .chain([sources.destination.clone(), "# buildkit".to_owned()])
        .collect();
    words.join(" ")
}

/// A command, with the build arguments that it sees in front.
fn ran(step: &Step) -> String {
    let mut words = vec!["RUN".to_owned()];
    if !step.arguments.is_empty() {
        words.push(format!("|{}", step.arguments.len()));
    }
    words.extend(
        step.arguments
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    words.extend(
        step.invocation()
            .into_iter()
            .flat_map(|invocation| invocation.words),
    );
    words.push("# buildkit".to_owned());
    words.join(" ")
}

/// A check, as Go prints a pointer to a struct with `%q`.
fn health(check: &Healthcheck) -> String {
    let test = test(check);
    let (durations, retries) = match check {
        Healthcheck::None => ([std::time::Duration::ZERO; 4], 0),
        Healthcheck::Check(check) => (
            [
                check.interval,
                check.timeout,
                check.start_period,
                check.start_interval,
            ],
            check.retries,
        ),
    };
    let durations = durations.map(|length| go_text::quoted(&go_text::duration(length)));
    format!(
        "HEALTHCHECK &{{{} {} {}}}",
        go_text::quoted_list(&test),
        durations.join(" "),
        go_text::quoted_number(retries)
    )
}

/// Returns the words of a check, the first of which says what the others are.
pub(super) fn test(check: &Healthcheck) -> Vec<String> {
    let (kind, words) = match check {
        Healthcheck::None => ("NONE", Vec::new()),
        Healthcheck::Check(Check {
            command: Command::Exec(words),
            ..
        }) => ("CMD", words.clone()),
        Healthcheck::Check(Check {
            command: Command::Shell(text),
            ..
        }) => ("CMD-SHELL", vec![text.clone()]),
    };
    std::iter::once(kind.to_owned()).chain(words).collect()
}
