//! What happens while a matrix is asked: on a terminal the cells that are being asked and a bar,
//! plain lines elsewhere.

use std::time::Duration;

use conformance::{Answer, Progress, Verdict};
use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Verbosity;

/// How often the time is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// Shows which cells are asked, and their answers.
#[derive(Debug)]
pub(crate) enum Cells {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere: a line for each answer.
    Lines,
    /// Not at all.
    Quiet,
}

impl Cells {
    /// Makes what the user wants to see of so many cells.
    pub(crate) fn new(verbosity: Verbosity, count: usize) -> Self {
        if verbosity.quiet {
            return Self::Quiet;
        }
        if !super::is_screen() {
            return Self::Lines;
        }
        let style = ProgressStyle::with_template("{pos}/{len} {bar:30} {elapsed} {wide_msg}")
            .expect("the template is well-formed");
        let bar = ProgressBar::new(count as u64).with_style(style);
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// Shows one thing that happens.
    pub(crate) fn hear(&self, progress: Progress<'_>) {
        match (self, progress) {
            (Self::Bar(bar), Progress::Asked(cell)) => {
                bar.set_message(printable::line(&cell.name()).into_owned());
            }
            (Self::Bar(bar), Progress::Answered(answer)) => {
                if !matches!(answer.verdict, Verdict::Holds) {
                    bar.println(printable::line(&line(answer)));
                }
                bar.inc(1);
            }
            (Self::Lines, Progress::Answered(answer)) => super::note(&line(answer)),
            (Self::Lines, Progress::Asked(_)) | (Self::Quiet, _) => {}
        }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(answer: &Answer) -> String {
    let state = match &answer.verdict {
        Verdict::Holds => "holds",
        Verdict::Differs { .. } => "differs, listed",
        Verdict::Fails(_) => "FAILS",
        Verdict::CannotRun { .. } => "cannot run",
    };
    format!(
        "{:6.1} s  {state:15}  {}",
        answer.seconds,
        answer.cell.name()
    )
}
