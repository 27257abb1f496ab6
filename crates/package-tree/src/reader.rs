//! Reads typed values out of a TOML table, and notes everything that is not as it should be,
//! with its place. Knows TOML, not what the keys mean.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use containerfile::Position;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::near::did_you_mean;
use crate::problem::Problem;

/// The most outputs, sources, or mirrors of a source, that a package has: everything that is planned
/// has a multiple of them in memory.
pub(crate) const MOST: usize = 1024;

/// How many problems of one file are said.
pub(crate) const MOST_PROBLEMS: usize = 20;

/// A TOML file while it is read.
pub(crate) struct Reader<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// How many problems there are besides.
    unsaid: Cell<usize>,
    /// It is no TOML: what else could be said of it follows from that.
    is_broken: Cell<bool>,
}

/// A value and where it stands.
pub(crate) struct Placed<T> {
    pub value: T,
    pub place: Range<usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            problems: RefCell::default(),
            unsaid: Cell::default(),
            is_broken: Cell::default(),
        }
    }

    /// Returns where a place begins that is given in bytes.
    pub(crate) fn position(&self, place: &Range<usize>) -> Position {
        Position::in_source(self.text, place.start)
    }

    /// Notes a problem at a place, given in bytes.
    pub(crate) fn problem(
        &self,
        place: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        if self.is_broken.get() {
            return;
        }
        if self.problems.borrow().len() >= MOST_PROBLEMS {
            self.unsaid.set(self.unsaid.get() + 1);
            return;
        }
        let position = self.position(place);
        let mut problem = Problem::new(message).at(position.line, position.column);
        problem.hint = hint;
        self.problems.borrow_mut().push(problem);
    }

    /// Returns what was noted, in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.position);
        if let more @ 1.. = self.unsaid.get() {
            problems.push(Problem::new(format!("has {more} more problems")));
        }
        problems
    }

    /// Reads the whole file as a table, as far as it can be.
    pub(crate) fn document(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let is_broken = !errors.is_empty();
        for error in errors {
            let end = self.text.len();
            let place = error.span().unwrap_or(end..end);
            self.problem(&place, format!("TOML: {}", error.message()), None);
        }
        self.is_broken.set(is_broken);
        table
    }

    /// Notes every key of `table` that is not among `known`.
    pub(crate) fn only(&self, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let expected = known.join(", ");
                let hint = did_you_mean(name, known.iter().copied());
                let message = format!("unknown key `{name}`, expected one of {expected}");
                self.problem(&key.span(), message, hint);
            }
        }
    }

    /// Returns the table under `key`, if there is one.
    pub(crate) fn table<'t>(
        &self,
        table: &'t DeTable<'a>,
        key: &str,
    ) -> Option<Placed<&'t DeTable<'a>>> {
        let value = table.get(key)?;
        match value.get_ref() {
            DeValue::Table(inner) => Some(Placed {
                value: inner,
                place: value.span(),
            }),
            _ => self.wrong(key, "a table", value),
        }
    }

    /// Returns the text under `key`, if there is any.
    pub(crate) fn text(&self, table: &DeTable<'a>, key: &str) -> Option<Placed<String>> {
        let value = table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Placed {
                value: text.to_string(),
                place: value.span(),
            }),
            _ => self.wrong(key, "a string", value),
        }
    }

    /// Returns the texts under `key`; none if there is no such key.
    pub(crate) fn texts(&self, table: &DeTable<'a>, key: &str) -> Vec<Placed<String>> {
        let Some(value) = table.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong::<()>(key, "an array of strings", value);
            return Vec::new();
        };
        if array.len() > MOST {
            self.problem(&value.span(), format!("more than {MOST} {key}"), None);
            return Vec::new();
        }
        let text = |item: &Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::String(text) => Some(Placed {
                value: text.to_string(),
                place: item.span(),
            }),
            _ => self.wrong(key, "a string", item),
        };
        array.iter().filter_map(text).collect()
    }

    /// Returns the tables in the array under `key`; none if there is no such key.
    pub(crate) fn tables<'t>(
        &self,
        table: &'t DeTable<'a>,
        key: &str,
    ) -> Vec<Placed<&'t DeTable<'a>>> {
        let Some(value) = table.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong::<()>(key, "an array of tables", value);
            return Vec::new();
        };
        if array.len() > MOST {
            self.problem(&value.span(), format!("more than {MOST} {key}"), None);
            return Vec::new();
        }
        let inner = |item: &'t Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(inner) => Some(Placed {
                value: inner,
                place: item.span(),
            }),
            _ => self.wrong(key, "a table", item),
        };
        array.iter().filter_map(inner).collect()
    }

    /// Returns the text under `key`, and notes its absence.
    pub(crate) fn required(
        &self,
        table: &Placed<&DeTable<'a>>,
        key: &str,
    ) -> Option<Placed<String>> {
        if table.value.get(key).is_none() {
            self.problem(&table.place, format!("`{key}` is missing"), None);
        }
        self.text(table.value, key)
    }

    fn wrong<T>(&self, key: &str, expected: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(
            &value.span(),
            format!("`{key}` is {found}, expected {expected}"),
            None,
        );
        None
    }
}
