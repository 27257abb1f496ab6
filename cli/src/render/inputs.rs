//! What happens while generated inputs are tried: on a terminal a bar, plain lines elsewhere.

use std::time::Duration;

use conformance::{Event, Plan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Verbosity;

/// How often the time is drawn anew.
const TICK: Duration = Duration::from_millis(200);
/// After how many inputs there is a line, where there is no bar.
const LINE: u64 = 50;

/// Shows how many inputs were tried, and what differs.
#[derive(Debug)]
pub(crate) enum Inputs {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere.
    Lines,
    /// Not at all.
    Quiet,
}

impl Inputs {
    /// Makes what the user wants to see of a plan.
    pub(crate) fn new(verbosity: Verbosity, plan: &Plan) -> Self {
        if verbosity.quiet {
            return Self::Quiet;
        }
        if !super::is_screen() {
            return Self::Lines;
        }
        let template = match plan.number {
            Some(_) => "{pos}/{len} {bar:30} {elapsed} {wide_msg}",
            None => "{pos} {spinner} {elapsed} {wide_msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = match plan.number {
            Some(number) => ProgressBar::new(number),
            None => ProgressBar::no_length(),
        };
        let bar = bar.with_style(style);
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// Shows one thing that happens.
    pub(crate) fn hear(&self, event: Event<'_>) {
        let line = match event {
            Event::Tried(count) => {
                match self {
                    Self::Bar(bar) => bar.set_position(count),
                    Self::Lines if count.is_multiple_of(LINE) => {
                        super::note(&format!("{count} inputs tried"));
                    }
                    Self::Lines | Self::Quiet => {}
                }
                return;
            }
            Event::Reducing(seed, kind) => format!("seed {seed} differs, making it small: {kind}"),
            Event::Found(finding) => {
                let directory = finding.directory.as_ref();
                let place = directory.map_or("nowhere", |directory| directory.as_str());
                format!("seed {} made small: {place}", finding.seed)
            }
        };
        match self {
            Self::Bar(bar) => bar.println(printable::line(&line)),
            Self::Lines => super::note(&line),
            Self::Quiet => {}
        }
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
