//! What happens, one line each: for logs, pipes and `-v`.

use engine::{Event, Listener};

use super::printable;

/// Prints one line for each thing that happens.
#[derive(Debug)]
pub(super) struct Plain {
    /// Whether to print the engines' output too.
    pub(super) output: bool,
}

impl Listener for Plain {
    fn hear(&self, event: Event) {
        if let Some(line) = line(&event, self.output) {
            super::note(&line);
        }
    }
}

/// Returns the line for an event, if it has one.
pub(super) fn line(event: &Event, output: bool) -> Option<String> {
    Some(match event {
        Event::Waiting { process } => {
            let which = process.map_or_else(String::new, |id| format!(", process {id}"));
            format!("waiting for another stagex that builds in this tree{which}")
        }
        Event::Began { packages, runtime } => {
            let noun = if *packages == 1 {
                "package"
            } else {
                "packages"
            };
            format!("{packages} {noun}, built with {runtime}")
        }
        Event::Started { package, .. } => format!("{package}: building"),
        Event::Output { package, line } if output => {
            format!("{package}: {}", printable(line))
        }
        Event::Notice { package, message } => {
            format!("{package}: notice: {}", printable(message))
        }
        Event::Built {
            package,
            digest,
            duration,
        } => {
            format!(
                "{package}: built in {:.1} s, {}",
                duration.as_secs_f64(),
                digest.hex()
            )
        }
        Event::Failed { package, message } => format!("{package}: failed: {message}"),
        Event::Skipped { package } => format!("{package}: not built"),
        Event::Fresh { package, digest } => format!("{package}: up to date, {}", digest.hex()),
        _ => return None,
    })
}
