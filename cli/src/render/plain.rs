//! What happens, one line each: for logs, pipes and `-v`.

use build::{Event, Listener};
use documents::Reason;

use super::words::count;

/// Prints one line for each thing that happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    /// Whether to print the engines' output too.
    pub(super) output: bool,
    /// Whether to say why each package is built.
    pub(super) reasons: bool,
}

impl Listener for Plain {
    fn hear(&self, event: Event) {
        if let Some(line) = self.line(&event) {
            super::streams::note(&line);
        }
    }
}

impl Plain {
    /// Tells whether to say why a package is built: where somebody asked, and where nothing that
    /// anybody could have changed is the reason.
    pub(super) fn says_why(self, reasons: &[Reason]) -> bool {
        self.reasons || reasons.contains(&Reason::Unproven)
    }

    /// Returns the line for an event, if it has one.
    pub(super) fn line(self, event: &Event) -> Option<String> {
        match event {
            Event::Output { .. } if !self.output => None,
            Event::Started { package, reasons } if self.says_why(reasons) => {
                Some(because(package, "building", reasons))
            }
            _ => line(event),
        }
    }
}

/// Returns why something becomes of a package, one reason in each line after the first.
pub(crate) fn because(package: &str, what: &str, reasons: &[Reason]) -> String {
    let reason = |reason: &Reason| format!("\n  {}", printable::line(&reason.to_string()));
    let reasons: String = reasons.iter().map(reason).collect();
    format!("{package}: {what}, since{reasons}")
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Waiting { process } => {
            let which = process.map_or_else(String::new, |id| format!(", process {id}"));
            format!("waiting for another stagex that is building in this tree{which}")
        }
        Event::Cleaning => "moved everything that was built aside; removing it".to_owned(),
        Event::Began { packages, runtime } => {
            format!("{}, with {runtime}", count(*packages, "package"))
        }
        Event::Started { package, .. } => format!("{package}: building"),
        Event::Seed {
            package,
            seed,
            number,
            count,
        } => format!("{package}: from the seed `{seed}` ({number} of {count})"),
        Event::Output { package, line } => {
            format!("{package}: {}", printable::line(line))
        }
        Event::Notice { package, message } => {
            format!("{package}: notice: {}", printable::line(message))
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
        // Why is said at the end, with the last lines of its log.
        Event::Failed { package, .. } => format!("{package}: failed"),
        Event::Skipped { package } => format!("{package}: not built"),
        Event::Fresh { package, digest } => format!("{package}: up to date, {}", digest.hex()),
        _ => return None,
    })
}
