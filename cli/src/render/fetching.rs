//! What happens while sources are fetched: on a terminal a bar for each file and one in total, plain lines
//! elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fetch::{Event, How, Listener, Wanted};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

/// How often running times are drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// One line for each thing that happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// Whether to tell also what merely takes its course.
    pub(super) verbose: bool,
}

impl Listener for Lines {
    fn hear(&self, event: Event<'_>) {
        if let Some(line) = self.line(&event) {
            super::streams::note(&line);
        }
    }
}

impl Lines {
    fn line(self, event: &Event<'_>) -> Option<String> {
        match event {
            Event::Done {
                how: How::Present, ..
            } if !self.verbose => None,
            event => said(event).map(|(source, text)| format!("{source}: {text}")),
        }
    }
}

/// Says what happens to a source, without its name; nothing of what merely goes on.
pub(crate) fn said<'a>(event: &Event<'a>) -> Option<(&'a Wanted, String)> {
    Some(match *event {
        Event::Waiting { source } => (source, "another stagex is fetching it; waiting".to_owned()),
        Event::Asked { source, mirror } => (source, mirror.to_owned()),
        Event::Sends {
            source,
            from,
            length,
        } if from > 0 => {
            let of =
                length.map_or_else(String::new, |length| format!(" of {}", HumanBytes(length)));
            (
                source,
                format!("continuing behind {}{of}", HumanBytes(from)),
            )
        }
        Event::Again {
            source,
            mirror,
            why,
            pause,
        } => {
            let seconds = pause.as_secs_f64();
            (
                source,
                format!("{mirror}: {why}; trying again in {seconds:.1} s"),
            )
        }
        Event::Failed {
            source,
            mirror,
            why,
        } => (source, format!("{mirror}: {why}")),
        Event::Done { source, how } => {
            let text = match how {
                How::Fetched { bytes, .. } => format!("fetched, {}", HumanBytes(*bytes)),
                How::Stored => "taken from the store".to_owned(),
                How::Present => "already there".to_owned(),
            };
            (source, text)
        }
        Event::Notice { source, message } => (source, format!("notice: {message}")),
        // Why is said at the end, with all mirrors.
        Event::Unfetched { source } => (&source.wanted, "not fetched".to_owned()),
        _ => return None,
    })
}

/// Shows what happens on a terminal.
#[derive(Debug)]
pub(super) struct Bars {
    lines: Lines,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: ProgressBar,
    bytes: u64,
    running: BTreeMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new(lines: Lines) -> Self {
        let screen = MultiProgress::new();
        let total = ProgressBar::new(0).with_style(style("{pos}/{len} {bar:30} {elapsed} {msg}"));
        Self {
            lines,
            state: Mutex::new(State {
                total: screen.add(total),
                bytes: 0,
                running: BTreeMap::new(),
            }),
            screen,
        }
    }

    /// Returns the bar of a source that is being fetched.
    fn bar<'a>(&self, state: &'a mut State, source: &Wanted) -> &'a ProgressBar {
        let State { total, running, .. } = state;
        running
            .entry(source.source.hash.clone())
            .or_insert_with(|| {
                let bar = ProgressBar::new_spinner()
                    .with_prefix(printable::line(&source.to_string()).into_owned())
                    .with_style(style("{spinner} {elapsed:>4} {prefix} {wide_msg:.dim}"));
                let bar = self.screen.insert_before(total, bar);
                bar.enable_steady_tick(TICK);
                bar
            })
    }
}

/// Returns a style. The templates are constants of this file.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}

impl Listener for Bars {
    fn hear(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match &event {
            Event::Began { sources } => {
                state.total.set_length(*sources as u64);
                state.total.enable_steady_tick(TICK);
            }
            Event::Asked { source, mirror } => {
                let bar = self.bar(state, source);
                bar.set_style(style("{spinner} {elapsed:>4} {prefix} {wide_msg:.dim}"));
                bar.set_message(printable::line(mirror).into_owned());
            }
            Event::Sends {
                source,
                from,
                length,
            } => {
                let bar = self.bar(state, source);
                bar.set_style(match length {
                    Some(_) => style(
                        "{spinner} {elapsed:>4} {prefix} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
                    ),
                    None => style("{spinner} {elapsed:>4} {prefix} {bytes} {bytes_per_sec}"),
                });
                if let Some(length) = length {
                    bar.set_length(*length);
                }
                bar.set_position(*from);
                bar.reset_eta();
            }
            Event::Arrived { source, bytes } => {
                self.bar(state, source).inc(*bytes);
                state.bytes += bytes;
                state.total.set_message(HumanBytes(state.bytes).to_string());
            }
            Event::Done { source, .. } => {
                self.end(state, source);
            }
            Event::Unfetched { source } => self.end(state, &source.wanted),
            _ => {}
        }
        if !matches!(event, Event::Asked { .. } | Event::Done { .. })
            && let Some(line) = self.lines.line(&event)
        {
            // The screen may be gone, as when the terminal was closed: then nobody can be told.
            let _ = self.screen.println(printable::lines(&line));
        }
    }
}

impl Bars {
    fn end(&self, state: &mut State, source: &Wanted) {
        if let Some(bar) = state.running.remove(&source.source.hash) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        state.total.inc(1);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.screen.clear();
    }
}
