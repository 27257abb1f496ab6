//! What the evaluation of one file may take. A few lines can ask for more memory than there is:
//! `ENV a=$b$b` and `ENV b=$a$a`, again and again.
//!
//! It counts bytes, and does not know what they are.

use std::cell::Cell;

use crate::error::ErrorKind;

/// The most bytes that the evaluation of one file takes: what its words expand to and look up, and the
/// variables that each of its instructions sees.
const MOST_BYTES: usize = 256 << 20;

/// The most stages that a file has.
pub(crate) const MOST_STAGES: usize = 1000;

/// The most variables that are in force at one place.
pub(crate) const MOST_VARIABLES: usize = 10_000;

/// The longest name of an image, a context or a stage, in bytes.
pub(crate) const LONGEST_NAME: usize = 4096;

/// How much is left for the evaluation of a file.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Cell::new(MOST_BYTES))
    }

    /// Takes as many bytes; tells whether as many were left.
    pub(crate) fn has(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or_default());
        left.is_some_and(|left| left > 0)
    }

    /// Takes as many bytes.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), ErrorKind> {
        if self.has(bytes) {
            Ok(())
        } else {
            Err(ErrorKind::TooMuch(MOST_BYTES >> 20))
        }
    }
}
