//! The page: the matrix as a grid, and below it a section for each cell that does not simply
//! hold. It is one file that asks nothing of the network, and reads as well without scripts.
//!
//! Everything that comes from engines is text, and is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::State;
use crate::matrix::Verdict;
use crate::results::{Answer, Results};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Returns the page.
pub(super) fn html(results: &Results) -> String {
    let mut heads: Vec<String> = Vec::new();
    let mut grid: BTreeMap<&str, BTreeMap<String, &Answer>> = BTreeMap::new();
    for answer in &results.answers {
        let head = answer.cell.head();
        if !heads.contains(&head) {
            heads.push(head.clone());
        }
        grid.entry(answer.cell.subject())
            .or_default()
            .insert(head, answer);
    }
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<title>Conformance: one digest on every engine</title>\n");
    let _ = writeln!(page, "<style>\n{STYLE}</style>");
    summary(&mut page, results);
    table(&mut page, results, &heads, &grid);
    details(&mut page, results);
    levelled(&mut page, results);
    engines(&mut page, results);
    let _ = writeln!(page, "<script>\n{SCRIPT}</script>\n</html>");
    page
}

fn summary(page: &mut String, results: &Results) {
    let counts = results.counts();
    let _ = write!(
        page,
        "<header><h1>One digest on every engine</h1>\n<p class=\"lead\">{} cases, {} columns, {} cells \
         in {}{}.</p>\n<ul class=\"counts\">",
        results.subjects.len(),
        results.columns.len(),
        results.answers.len(),
        duration(results.seconds),
        if results.interrupted {
            "; interrupted before the end"
        } else {
            ""
        },
    );
    for (state, count) in [
        (State::Holds, counts.holds),
        (State::Differs, counts.differs),
        (State::CannotRun, counts.cannot_run),
        (State::Fails, counts.fails),
    ] {
        let _ = write!(
            page,
            "<li class=\"{}\"><b>{count}</b> <span class=\"sign\">{}</span> {}</li>",
            state.class(),
            state.sign(),
            state.words()
        );
    }
    page.push_str("</ul>\n<form id=\"filter\" hidden><input type=\"search\" name=\"text\" ");
    page.push_str(
        "placeholder=\"Find a case\" aria-label=\"Find a case\"> <select name=\"state\" ",
    );
    page.push_str("aria-label=\"State\"><option value=\"\">every state</option>");
    for state in [State::Holds, State::Differs, State::CannotRun, State::Fails] {
        let _ = write!(
            page,
            "<option value=\"{}\">{}</option>",
            state.class(),
            state.words()
        );
    }
    page.push_str("</select> <output></output></form></header>\n");
}

fn table(
    page: &mut String,
    results: &Results,
    heads: &[String],
    grid: &BTreeMap<&str, BTreeMap<String, &Answer>>,
) {
    page.push_str("<main><table id=\"matrix\"><thead><tr><th scope=\"col\">case</th>");
    for head in heads {
        let known = results
            .columns
            .iter()
            .find(|column| head.trim_start_matches("oracle-") == column.label.as_str());
        let version = known.and_then(|column| column.version.as_deref());
        let (kind, name) = match head.split_once("oracle-") {
            Some((_, label)) => ("oracle ", label),
            None => ("", head.as_str()),
        };
        let (runtime, generation) = name.split_once('@').unwrap_or((name, ""));
        let _ = write!(
            page,
            "<th scope=\"col\"><span>{kind}{}</span><small>{}</small><small>{}</small></th>",
            escape(runtime),
            escape(generation),
            escape(version.unwrap_or_default()),
        );
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for subject in &results.subjects {
        let _ = write!(
            page,
            "<tr><th scope=\"row\"><code>{}</code><small>{}</small></th>",
            escape(&subject.name),
            escape(&subject.property)
        );
        let answers = grid.get(subject.name.as_str());
        for head in heads {
            match answers.and_then(|answers| answers.get(head)) {
                None => page.push_str("<td></td>"),
                Some(answer) => cell(page, answer),
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n");
}

fn cell(page: &mut String, answer: &Answer) {
    let state = State::of(&answer.verdict);
    let name = escape(&answer.cell.name());
    let title = format!("{name}: {}, {:.1} s", state.words(), answer.seconds);
    let sign = state.sign();
    let class = state.class();
    let _ = match state {
        State::Holds => write!(
            page,
            "<td class=\"{class}\" title=\"{title}\"><span role=\"img\" aria-label=\"{}\">{sign}</span></td>",
            state.words()
        ),
        _ => write!(
            page,
            "<td class=\"{class}\" title=\"{title}\"><a href=\"#{name}\" aria-label=\"{title}\">{sign}</a></td>"
        ),
    };
}

/// Writes a section for each cell that does not simply hold, those that fail first.
fn details(page: &mut String, results: &Results) {
    for state in [State::Fails, State::Differs, State::CannotRun] {
        let answers = results
            .answers
            .iter()
            .filter(|answer| State::of(&answer.verdict) == state);
        let mut answers = answers.peekable();
        if answers.peek().is_none() {
            continue;
        }
        let _ = writeln!(
            page,
            "<section class=\"details\"><h2><span class=\"sign {}\">{}</span> {}</h2>",
            state.class(),
            state.sign(),
            state.title()
        );
        for answer in answers {
            detail(page, answer, state);
        }
        page.push_str("</section>\n");
    }
}

fn detail(page: &mut String, answer: &Answer, state: State) {
    let name = escape(&answer.cell.name());
    let _ = write!(
        page,
        "<article id=\"{name}\" class=\"{}\"><h3><code>{}</code> {}</h3>",
        state.class(),
        escape(answer.cell.subject()),
        escape(&answer.cell.head())
    );
    let _ = match &answer.verdict {
        Verdict::Holds => Ok(()),
        Verdict::CannotRun { reason } => write!(page, "<p>{}</p>", escape(reason)),
        Verdict::Differs { why, avoid } => {
            let avoid = if avoid.is_empty() {
                String::new()
            } else {
                format!("<p><b>Avoid</b>: {}</p>", escape(avoid))
            };
            write!(page, "<p>{}</p>{avoid}", escape(why))
        }
        Verdict::Fails(failing) => {
            if let Some(contrast) = &failing.contrast {
                let _ = write!(
                    page,
                    "<table class=\"contrast\"><caption>{}</caption><tr><th scope=\"col\">expected</th>\
                     <th scope=\"col\">found</th></tr><tr><td><pre>{}</pre></td><td><pre>{}</pre></td></tr></table>",
                    escape(&contrast.place),
                    escape(&contrast.expected),
                    escape(&contrast.found)
                );
            }
            write!(page, "<pre>{}</pre>", escape(&failing.message))
        }
    };
    page.push_str("</article>\n");
}

fn levelled(page: &mut String, results: &Results) {
    if results.levelled.is_empty() {
        return;
    }
    page.push_str("<section><h2>Levelled differences</h2><table class=\"facts\"><thead><tr>");
    for head in ["what differs", "how it is levelled", "case"] {
        let _ = write!(page, "<th scope=\"col\">{head}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for each in &results.levelled {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            escape(&each.what),
            escape(&each.how),
            escape(&each.case)
        );
    }
    page.push_str("</tbody></table></section>\n");
}

fn engines(page: &mut String, results: &Results) {
    page.push_str("<section><h2>Engines</h2><table class=\"facts\"><thead><tr>");
    for head in ["column", "version", "program", ""] {
        let _ = write!(page, "<th scope=\"col\">{head}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for column in &results.columns {
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            escape(column.label.as_str()),
            escape(column.version.as_deref().unwrap_or("-")),
            escape(column.program.as_ref().map_or("-", |path| path.as_str())),
            escape(column.absence.as_deref().unwrap_or("ready"))
        );
    }
    page.push_str("</tbody></table></section></main>\n");
}

/// Returns text as it stands in a page, in an element or between double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Controls are no text of a page; what they are is seen instead.
            order if !(printable::is_printable(order) || matches!(order, '\n' | '\t')) => {
                escaped.extend(order.escape_default());
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} seconds")
    } else {
        format!("{:.0} minutes", seconds / 60.0)
    }
}
