//! Two contents that are to be compared, and how deep in archives they are. It does not know how that is done.

use documents::DiffContentKind;

use super::out::Out;
use crate::limits::Limits;

/// How many archives in one another are looked into.
const DEPTH: usize = 4;

/// Two contents that are to be compared.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) name: &'a str,
    pub(super) left: &'a [u8],
    pub(super) right: &'a [u8],
    /// How many archives this is in.
    pub(super) depth: usize,
    pub(super) limits: &'a Limits,
    /// What compares them.
    pub(super) run: fn(Task, &mut Out) -> DiffContentKind,
}

impl<'a> Task<'a> {
    /// Tells whether this is in so many archives that none in it is looked into.
    pub(super) fn is_deep(self) -> bool {
        self.depth >= DEPTH
    }

    /// Compares what is in both under one name.
    pub(super) fn within(self, name: &'a str, left: &'a [u8], right: &'a [u8], out: &mut Out) {
        if left == right {
            return;
        }
        out.enter(name);
        let depth = self.depth + 1;
        let task = Task {
            name,
            left,
            right,
            depth,
            ..self
        };
        (self.run)(task, out);
        out.leave();
    }
}
