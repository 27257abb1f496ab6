//! What was found of a step.
//!
//! It does not know the steps.

use documents::ReleaseBy;

use crate::exit::ErrorKind;
use crate::failure::Failure;

/// The words of a command.
pub(super) type Words = Vec<String>;

/// What was found of a step.
pub(super) enum StepState {
    /// It is done. A line for people says how.
    Done(String),
    /// It is not.
    Open(Open),
}

/// A step that is not done.
pub(super) struct Open {
    /// A line for people.
    pub(super) found: String,
    /// What keeps it from being done.
    pub(super) problems: Vec<String>,
    pub(super) hints: Vec<String>,
    /// Who can do it.
    pub(super) by: ReleaseBy,
    /// What it can be done with.
    pub(super) commands: Vec<Words>,
    pub(super) kind: ErrorKind,
}

impl Open {
    /// A step that is left to do.
    pub(super) fn new(by: ReleaseBy, kind: ErrorKind, found: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            problems: Vec::new(),
            hints: Vec::new(),
            by,
            commands: Vec::new(),
            kind,
        }
    }

    /// A step that cannot be looked at.
    pub(super) fn failed(failure: Failure) -> Self {
        let mut open = Self::new(ReleaseBy::You, failure.kind(), "it cannot be looked at");
        for (problem, hint) in failure.into_problems() {
            open.problems.push(problem);
            open.hints.extend(hint);
        }
        open
    }

    pub(super) fn problems(mut self, problems: Vec<String>) -> Self {
        self.problems = problems;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(super) fn command(mut self, words: Words) -> Self {
        self.commands.push(words);
        self
    }

    pub(super) fn found(self) -> StepState {
        StepState::Open(self)
    }
}

/// Returns a command as a shell takes it.
pub(super) fn shell(words: &[String]) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@,+%".contains(letter);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_of_a_command_as_they_are() {
        let words = ["git", "-C", "a b", "", "it's", "$HOME", "x*"].map(str::to_owned);
        assert_eq!(shell(&words), r"git -C 'a b' '' 'it'\''s' '$HOME' 'x*'");
    }
}
