//! The matrix as a picture, for a page that shows images but runs nothing, such as a README:
//! a row for each package, a column for each runtime, and in each cell the digest of the image.
//!
//! It is SVG text made from the results alone. It knows no files, and asks nothing of the network.

use std::fmt::Write as _;

use super::State;
use super::page::escape;
use crate::matrix::{Cell, Verdict};
use crate::results::{Answer, Results};

/// How many hexadecimal digits of a digest are shown.
const DIGITS: usize = 12;
/// The width of one character of the monospaced text, in pixels, rounded up.
const CHARACTER: usize = 8;
const COLUMN: usize = 132;
const ROW: usize = 34;
const HEAD: usize = 100;
const MARGIN: usize = 20;
/// Column heads longer than this are cut, since nothing else in SVG keeps them apart.
const HEAD_CHARACTERS: usize = 17;

/// What a picture is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// A light page.
    Light,
    /// A dark page.
    Dark,
}

/// The colours of a theme: those of the page.
struct Colours {
    page: &'static str,
    ink: &'static str,
    soft: &'static str,
    line: &'static str,
}

impl Theme {
    fn colours(self) -> Colours {
        match self {
            Self::Light => Colours {
                page: "#ffffff",
                ink: "#1d2126",
                soft: "#68707a",
                line: "#e3e6ea",
            },
            Self::Dark => Colours {
                page: "#14171a",
                ink: "#dfe3e8",
                soft: "#939ca7",
                line: "#2b3138",
            },
        }
    }

    /// Returns the colours of a cell: of its text, and behind it.
    fn cell(self, state: State) -> (&'static str, &'static str) {
        match (self, state) {
            (Self::Light, State::Holds) => ("#1a7f4b", "#eef8f2"),
            (Self::Light, State::Differs) => ("#9a6400", "#fff4da"),
            (Self::Light, State::Fails) => ("#b3261e", "#fdeceb"),
            (Self::Light, State::CannotRun) => ("#68707a", "#f6f7f9"),
            (Self::Dark, State::Holds) => ("#57c98c", "#15251c"),
            (Self::Dark, State::Differs) => ("#e6b450", "#2f2714"),
            (Self::Dark, State::Fails) => ("#ff8a80", "#3a1b19"),
            (Self::Dark, State::CannotRun) => ("#939ca7", "#1b1f24"),
        }
    }
}

/// Returns the picture of all cells that are about one runtime.
///
/// A cell that holds shows the digest that is recorded for the package, since that is what its image
/// has. Every other cell shows its sign.
pub(super) fn svg(results: &Results, theme: Theme) -> String {
    let mut columns: Vec<String> = Vec::new();
    for answer in &results.answers {
        let head = answer.cell.head();
        if is_shown(answer) && !columns.contains(&head) {
            columns.push(head);
        }
    }
    let longest = results
        .subjects
        .iter()
        .map(|subject| subject.name.chars().count())
        .max();
    let names = MARGIN + longest.unwrap_or_default() * CHARACTER + MARGIN;
    let width = names + columns.len() * COLUMN + MARGIN;
    let height = HEAD + results.subjects.len() * ROW + MARGIN;
    let Colours {
        page, ink, soft, ..
    } = theme.colours();

    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">The image digest of each package, by runtime</title>\n\
         <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', monospace; fill: {ink} }} \
         .head {{ font: 600 14px system-ui, sans-serif }} .soft {{ fill: {soft} }} \
         .middle {{ text-anchor: middle }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{page}\"/>\n\
         <text class=\"head\" x=\"{MARGIN}\" y=\"32\">One image digest, whichever runtime builds</text>\n"
    );
    for (place, column) in columns.iter().enumerate() {
        head(&mut picture, results, column, names + place * COLUMN);
    }
    for (place, subject) in results.subjects.iter().enumerate() {
        let top = HEAD + place * ROW;
        row(
            &mut picture,
            (results, theme),
            &columns,
            &subject.name,
            (names, top),
        );
    }
    picture.push_str("</svg>\n");
    picture
}

/// Whether a cell is one of a runtime or an oracle, and not of all of them.
fn is_shown(answer: &Answer) -> bool {
    !matches!(answer.cell, Cell::Agreement { .. })
}

/// Writes the name of a column and the version of its engine.
fn head(picture: &mut String, results: &Results, column: &str, left: usize) {
    let label = column.trim_start_matches("oracle-");
    let known = results
        .columns
        .iter()
        .find(|each| each.label.as_str() == label);
    let version = known.and_then(|each| each.version.as_deref());
    let middle = left + COLUMN / 2;
    let _ = writeln!(
        picture,
        "<text class=\"head middle\" x=\"{middle}\" y=\"68\">{}</text>\
         <text class=\"soft middle\" x=\"{middle}\" y=\"86\">{}</text>",
        escape(&cut(column)),
        escape(&cut(version.unwrap_or_default())),
    );
}

/// Writes the row of one package.
fn row(
    picture: &mut String,
    (results, theme): (&Results, Theme),
    columns: &[String],
    subject: &str,
    (names, top): (usize, usize),
) {
    let line = theme.colours().line;
    let base = top + ROW / 2 + 5;
    let right = names + columns.len() * COLUMN;
    let _ = writeln!(
        picture,
        "<path stroke=\"{line}\" d=\"M{MARGIN} {top}H{right}\"/>\
         <text x=\"{MARGIN}\" y=\"{base}\">{}</text>",
        escape(subject)
    );
    for (place, column) in columns.iter().enumerate() {
        let mut of_row = results.answers.iter().filter(|answer| is_shown(answer));
        let Some(answer) =
            of_row.find(|answer| answer.cell.subject() == subject && answer.cell.head() == *column)
        else {
            continue;
        };
        let state = State::of(&answer.verdict);
        let (text, back) = theme.cell(state);
        let (left, middle) = (
            names + place * COLUMN + 4,
            names + place * COLUMN + COLUMN / 2,
        );
        let (width, height, top) = (COLUMN - 8, ROW - 8, top + 4);
        let _ = writeln!(
            picture,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"{back}\"/>\
             <text class=\"middle\" x=\"{middle}\" y=\"{base}\" style=\"fill: {text}\">{}</text>",
            escape(&shown(results, answer)),
        );
    }
}

/// Returns what a cell shows: the digest that its image has, or a sign.
fn shown(results: &Results, answer: &Answer) -> String {
    let recorded = results.recorded.get(answer.cell.subject());
    match (&answer.verdict, recorded) {
        (Verdict::Holds, Some(digest)) => digest.hex().chars().take(DIGITS).collect(),
        (verdict, _) => State::of(verdict).sign().to_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(HEAD_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Label;
    use crate::recorded::Recorded;
    use crate::results::ColumnFacts;
    use crate::suite::Subject;

    const HOSTILE: &str = "<script>&\"";

    fn label(name: &str) -> Label {
        name.parse().unwrap()
    }

    /// One package on two runtimes: it holds on `native`, and `podman` is not here.
    fn sample() -> Results {
        let column = |name: &str| ColumnFacts {
            label: label(name),
            version: Some(HOSTILE.to_owned()),
            program: None,
            absence: None,
        };
        let answer = |cell: Cell, verdict| Answer {
            cell,
            verdict,
            seconds: 1.0,
        };
        let cell = |name: &str| Cell::Recorded {
            subject: "core-a".to_owned(),
            column: label(name),
        };
        let absent = Verdict::CannotRun {
            reason: "podman is not here".to_owned(),
        };
        let agreement = Cell::Agreement {
            subject: "core-a".to_owned(),
        };
        let mut recorded = Recorded::default();
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        recorded.set("core-a", digest.parse().unwrap());
        Results {
            columns: vec![column("native"), column("podman")],
            subjects: vec![Subject {
                name: "core-a".to_owned(),
                property: String::new(),
                output: "core-a".to_owned(),
                has_seeds: false,
            }],
            answers: vec![
                answer(cell("native"), Verdict::Holds),
                answer(cell("podman"), absent),
                answer(agreement, Verdict::Holds),
            ],
            recorded,
            levelled: Vec::new(),
            seconds: 1.0,
            interrupted: false,
        }
    }

    #[test]
    fn only_a_cell_that_holds_shows_the_digest() {
        let picture = svg(&sample(), Theme::Light);
        assert_eq!(picture.matches(">0123456789ab<").count(), 1);
        assert_eq!(picture.matches(">–<").count(), 1);
        assert!(!picture.contains("agreement"));
    }

    #[test]
    fn a_cell_without_a_recorded_digest_shows_no_digest() {
        let mut results = sample();
        results.recorded = Recorded::default();
        let picture = svg(&results, Theme::Light);
        assert_eq!(picture.matches(">✓<").count(), 1);
    }

    #[test]
    fn themes_differ_in_colours_only() {
        let colourless = |theme| {
            let picture = svg(&sample(), theme);
            let parts = picture.split('#').enumerate();
            let text = |(place, part): (usize, &str)| {
                part.chars().skip(if place == 0 { 0 } else { 6 }).collect()
            };
            parts.map(text).collect::<Vec<String>>()
        };
        assert_eq!(colourless(Theme::Light), colourless(Theme::Dark));
        assert_ne!(svg(&sample(), Theme::Light), svg(&sample(), Theme::Dark));
    }

    #[test]
    fn text_of_an_engine_is_escaped() {
        let picture = svg(&sample(), Theme::Dark);
        assert!(!picture.contains("<script>"));
        assert!(picture.contains("&lt;script&gt;&amp;&quot;"));
    }
}
