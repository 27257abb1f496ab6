//! The matrix on a terminal: a line for each case that does not hold everywhere, and a line for
//! each column with its counts. It fits eighty columns of text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::State;
use crate::results::{Answer, Results};

/// How long the name of a case may be before it is cut.
const NAME: usize = 56;

/// Returns the table, without colours.
pub fn table(results: &Results) -> String {
    let mut heads: Vec<String> = Vec::new();
    let mut rows: BTreeMap<&str, BTreeMap<String, State>> = BTreeMap::new();
    for answer in &results.answers {
        let head = answer.cell.head();
        if !heads.contains(&head) {
            heads.push(head.clone());
        }
        let row = rows.entry(answer.cell.subject()).or_default();
        row.insert(head, State::of(&answer.verdict));
    }
    let mut text = String::new();
    let all = rows.len();
    rows.retain(|_, row| row.values().any(|state| *state != State::Holds));
    if !rows.is_empty() {
        let letters: Vec<_> = (0..heads.len())
            .map(|place| letter(place).to_string())
            .collect();
        let _ = writeln!(text, "{:NAME$} {}", "", letters.join(" "));
    }
    for (name, row) in &rows {
        let signs = heads
            .iter()
            .map(|head| row.get(head).map_or(" ", |state| state.sign()));
        let signs = signs.collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{:NAME$} {signs}", cut(name));
    }
    let holding = all - rows.len();
    let _ = writeln!(text, "{holding} of {all} cases hold in every column\n");

    let _ = writeln!(text, "{:44} hold  differ  cannot run  fail", "");
    for (place, head) in heads.iter().enumerate() {
        let of_head = |answer: &&Answer| answer.cell.head() == *head;
        let count = |state: State| {
            let answers = results.answers.iter().filter(of_head);
            answers
                .filter(|answer| State::of(&answer.verdict) == state)
                .count()
        };
        let column = results
            .columns
            .iter()
            .find(|column| head.trim_start_matches("oracle-") == column.label.as_str());
        let version = column.and_then(|column| column.version.as_deref());
        let title = format!("{}  {head} {}", letter(place), version.unwrap_or_default());
        let _ = writeln!(
            text,
            "{title:44} {:4}  {:6}  {:10}  {:4}",
            count(State::Holds),
            count(State::Differs),
            count(State::CannotRun),
            count(State::Fails)
        );
    }
    text
}

/// Returns what stands for a column in the head of the table.
fn letter(place: usize) -> char {
    let letters = ('a'..='z').chain('A'..='Z');
    letters.clone().nth(place).unwrap_or('?')
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME - 1).collect();
    kept + "…"
}
