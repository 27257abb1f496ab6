//! Variables of make on the command line, `NAME=VALUE`, with the meaning that StageX's Makefile
//! gives them. Each is another spelling of a flag.

use camino::{Utf8Path, Utf8PathBuf};
use runtimes::Choice;

use crate::arguments::{Arguments, Command, Global, Make};
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::options::Progress;

/// The variables that are taken.
const KNOWN: [&str; 6] = [
    "BUILDER", "CHECK", "NOCACHE", "PLATFORM", "PROGRESS", "REGISTRY",
];

/// What cannot be taken of a variable: one sentence, and what to do.
type Problem = (String, Option<String>);

/// Takes the variables out of the targets of `make`, and sets the flags that they stand for.
pub(crate) fn apply(arguments: &mut Arguments) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    let Command::Make(make) = command else {
        return Ok(());
    };
    let words = std::mem::take(&mut make.targets);
    let mut problems = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => {
                problems.extend(set(global, make, name, value.trim()).err());
            }
            None => make.targets.push(word),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::of(ErrorKind::Usage, problems))
    }
}

fn set(global: &mut Global, make: &mut Make, name: &str, value: &str) -> Result<(), Problem> {
    match name {
        "NOCACHE" => make.no_cache |= switch(name, value)?,
        "CHECK" => make.check |= switch(name, value)?,
        "PLATFORM" => make.building.platform = Some(value.to_owned()),
        "PROGRESS" => match value {
            "auto" | "tty" => make.building.progress = Progress::Auto,
            "plain" => make.building.progress = Progress::Plain,
            "quiet" => global.quiet = true,
            _ => return Err(unexpected(name, value, "auto, plain, tty or quiet")),
        },
        "BUILDER" => set_builder(global, value)?,
        "REGISTRY" => {
            if !global.quiet {
                crate::render::note("REGISTRY is ignored: it does not affect what is built");
            }
        }
        _ => return Err(refused(name)),
    }
    Ok(())
}

fn switch(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "1" => Ok(true),
        "0" | "" => Ok(false),
        _ => Err(unexpected(name, value, "0 or 1")),
    }
}

/// Takes an engine's name or program: `podman`, `/usr/bin/docker`, `docker buildx`.
fn set_builder(global: &mut Global, value: &str) -> Result<(), Problem> {
    let program = value.strip_suffix(" buildx").unwrap_or(value);
    let path = Utf8Path::new(program);
    let name = path.file_name().unwrap_or_default();
    if !runtimes::NAMES.contains(&name) {
        let names = runtimes::NAMES.join(", ");
        let expected = format!("the name or the program of an engine: {names}");
        return Err(unexpected("BUILDER", value, &expected));
    }
    match global.runtimes.first() {
        Some(Choice::Named(chosen)) if chosen != name => {
            let message = format!("BUILDER={value} and --runtime {chosen} name different runtimes");
            return Err((message, Some("leave one of them out".to_owned())));
        }
        _ => global.runtimes = vec![Choice::Named(name.to_owned())],
    }
    if path != name {
        global
            .engines
            .push((name.to_owned(), Utf8PathBuf::from(path)));
    }
    Ok(())
}

fn unexpected(name: &str, value: &str, expected: &str) -> Problem {
    (format!("{name}={value}: expected {expected}"), None)
}

fn refused(name: &str) -> Problem {
    let hint = match name {
        "EXTRA_ARGS" => {
            "options of an engine would change the image, or have no effect: use --no-cache, \
             --offline, --platform or --engine"
        }
        "STAGES" => "name the stages as targets: stagex make core user",
        "REGISTRY_USERNAME" | "RELEASE" | "SIGNATURES" => {
            "leave it out: it is for publishing, and does not affect what is built"
        }
        "IMPORT" => "name the package: stagex make import-core-musl",
        _ => {
            return (
                format!("there is no variable `{name}`"),
                Some(format!("the variables are {}", KNOWN.join(", "))),
            );
        }
    };
    (
        format!("the variable {name} is not supported"),
        Some(hint.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn parsed(words: &[&str]) -> Result<(Global, Make), Failure> {
        let words = ["stagex", "make"].iter().chain(words);
        let mut arguments = Arguments::try_parse_from(words).unwrap();
        apply(&mut arguments)?;
        let Command::Make(make) = arguments.command else {
            panic!("it is make that was parsed");
        };
        Ok((arguments.global, make))
    }

    #[test]
    fn variables_are_flags_and_the_rest_are_targets() {
        let words = [
            "core",
            "NOCACHE=1",
            "CHECK=0",
            "PLATFORM=linux/386",
            "PROGRESS=plain",
        ];
        let (_, make) = parsed(&words).unwrap();
        assert_eq!(make.targets, ["core"]);
        assert!(make.no_cache && !make.check);
        assert_eq!(make.building.platform.as_deref(), Some("linux/386"));
        assert_eq!(make.building.progress, Progress::Plain);
    }

    #[test]
    fn a_builder_is_an_engine_or_its_program() {
        for (value, name, program) in [
            ("podman", "podman", None),
            ("docker buildx", "docker", None),
            ("/opt/bin/buildah", "buildah", Some("/opt/bin/buildah")),
        ] {
            let (global, _) = parsed(&[&format!("BUILDER={value}")]).unwrap();
            assert_eq!(global.runtimes, [Choice::Named(name.to_owned())]);
            let programs: Vec<_> = global
                .engines
                .iter()
                .map(|(_, path)| path.as_str())
                .collect();
            assert_eq!(programs, program.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        for word in [
            "EXTRA_ARGS=--squash",
            "NOCACHE=yes",
            "PROGRESS=fancy",
            "BUILDER=kaniko",
            "PLATFROM=linux/386",
        ] {
            assert!(parsed(&[word]).is_err(), "{word}");
        }
        assert!(parsed(&["--runtime", "docker", "BUILDER=podman"]).is_err());
    }
}
