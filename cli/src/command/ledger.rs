//! `stagex ledger`: lists the attempts to reproduce packages, and hands them on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use documents::{Attempt, Signing, Version};
use ledger::Ledger;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place::{self, ToRead};
use crate::render;

pub(super) fn run(context: &Context, arguments: &arguments::Ledger) -> Result<Exit, Failure> {
    let (state, secret) = place::state()?;
    let mut ledger = Ledger::open(&state, &secret)?;
    if let (Some(path), Some(whose)) = (&arguments.import, &arguments.whose) {
        let cannot = |error: &dyn std::error::Error| {
            let hint = "name a file that `stagex ledger --export FILE` wrote".to_owned();
            Failure::new(ErrorKind::Usage, error, Some(hint))
        };
        let text = match place::to_read(&context.directory, path)? {
            ToRead::File(file) => {
                beneath::read_open(&file, beneath::LIST).map_err(|error| cannot(&error))?
            }
            ToRead::Directory(_) => {
                return Err(cannot(&std::io::Error::from(
                    std::io::ErrorKind::IsADirectory,
                )));
            }
        };
        let text = String::from_utf8(text).map_err(|error| cannot(&error))?;
        let imported = ledger.import(ledger::read_export(&text, path)?, whose)?;
        if !context.verbosity.quiet {
            let taken = render::count(imported.taken, "attempt");
            render::note(&format!(
                "taken: {taken}; there already: {}",
                imported.known
            ));
        }
        return Ok(Exit::Success);
    }
    let attempts = selected(ledger.attempts(), arguments);
    let signings = signed(ledger.signings(), arguments);
    if let Some(path) = &arguments.export {
        let text = ledger::export(&attempts);
        let (directory, name) = place::parent(&context.directory, path)?;
        let written = directory.write(&name, text.as_bytes());
        written.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        if !context.verbosity.quiet {
            render::note(&format!(
                "written: {}",
                render::count(attempts.len(), "attempt")
            ));
        }
        return Ok(Exit::Success);
    }
    match context.format {
        Format::Json => render::json(&documents::Ledger {
            version: Version,
            attempts,
            signings,
        }),
        Format::Human => {
            let mut text = String::new();
            for attempt in &attempts {
                list(attempt, &mut text);
            }
            for signing in &signings {
                list_signing(signing, &mut text);
            }
            render::result(text.trim_end());
            if text.is_empty() && !context.verbosity.quiet {
                render::note("there is no such attempt (`stagex reproduce` makes them)");
            }
        }
    }
    Ok(Exit::Success)
}

/// Returns what was signed of the packages that are asked for, unless something is asked for that only attempts have.
fn signed(signings: &[Signing], arguments: &arguments::Ledger) -> Vec<Signing> {
    if arguments.verdict.is_some() || arguments.by.is_some() {
        return Vec::new();
    }
    let named = |signing: &&Signing| {
        arguments.packages.is_empty() || arguments.packages.contains(&signing.package)
    };
    signings.iter().filter(named).cloned().collect()
}

fn list_signing(signing: &Signing, text: &mut String) {
    let name = match &signing.platform {
        Some(platform) => format!("{} {platform}", signing.package),
        None => signing.package.clone(),
    };
    let against = signing.against.as_deref().unwrap_or("not reproduced");
    let why = signing.forced.as_ref();
    let why = why.map_or_else(String::new, |reason| format!(": {against}: {reason}"));
    let line = format!(
        "{} {:<12} {name} {} by {}{why}",
        signing.signed, "signed", signing.digest, signing.certificate,
    );
    let _ = writeln!(text, "{}", printable::line(&line));
}

fn selected(attempts: &[Attempt], arguments: &arguments::Ledger) -> Vec<Attempt> {
    let matches = |attempt: &&Attempt| {
        (arguments.packages.is_empty() || arguments.packages.contains(&attempt.package))
            && arguments
                .verdict
                .is_none_or(|verdict| attempt.verdict == verdict)
            && arguments
                .by
                .as_ref()
                .is_none_or(|by| attempt.runtime.name == *by)
    };
    let found = attempts.iter().filter(matches);
    if !arguments.latest {
        return found.cloned().collect();
    }
    let mut seen = BTreeSet::new();
    let mut latest: Vec<Attempt> = found
        .rev()
        .filter(|attempt| {
            let Attempt {
                package,
                platform,
                runtime,
                machine,
                ..
            } = attempt;
            seen.insert((package, platform, &runtime.name, &machine.whose))
        })
        .cloned()
        .collect();
    latest.reverse();
    latest
}

fn list(attempt: &Attempt, text: &mut String) {
    let name = match &attempt.platform {
        Some(platform) => format!("{} {platform}", attempt.package),
        None => attempt.package.clone(),
    };
    let digest = attempt
        .digest
        .as_ref()
        .map_or_else(String::new, |digest| digest.hex()[..12].to_owned());
    let whose = attempt
        .machine
        .whose
        .as_ref()
        .map_or_else(String::new, |whose| format!(" (by {whose})"));
    let why = match (&attempt.failure, &attempt.broken_by) {
        (Some(failure), _) => format!(": {}", failure.message),
        (None, Some(broken_by)) => format!(": {broken_by} changes it"),
        (None, None) => String::new(),
    };
    let line = format!(
        "{} {:<12} {name} {digest} {} {}{whose}{why}",
        attempt.started,
        attempt.verdict.word(),
        attempt.runtime.name,
        attempt.runtime.version,
    );
    let _ = writeln!(text, "{}", printable::line(&line));
}
