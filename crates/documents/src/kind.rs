//! The kinds of errors, each with the exit code of a command that ends with it.
//!
//! This is the one table of exit codes: `docs/exit-codes.md` says the same for people.

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong. Callers decide by it: the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// A package could not be built, for a reason of its own: an instruction failed, a source is
    /// missing, the engine cannot do what its Containerfile asks for.
    Package,
    /// The command line is wrong, or names something that is not there.
    Usage,
    /// The package tree is wrong: `package.toml`, a Containerfile, a dependency, a line in `digests/`.
    Tree,
    /// No runtime that was asked for is ready.
    NoRuntime,
    /// The operating system or an engine refused something that has nothing to do with a package.
    Environment,
    /// The same, but it may pass by itself: a daemon that does not answer, a file that was changed
    /// while it was read.
    Transient,
    /// A digest is not the recorded one.
    Differs,
    /// There was nothing to compare.
    NotCompared,
    /// A signature or a quorum does not hold.
    NotVerified,
    /// The user interrupted it.
    Interrupted,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Package,
        Self::Usage,
        Self::Tree,
        Self::NoRuntime,
        Self::Environment,
        Self::Transient,
        Self::Differs,
        Self::NotCompared,
        Self::NotVerified,
        Self::Interrupted,
    ];

    /// Returns the exit code of a command that ends with an error of this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Package => 1,
            Self::Usage => 2,
            Self::Tree => 3,
            Self::NoRuntime => 4,
            Self::Environment | Self::Transient => 5,
            Self::Differs => 6,
            Self::NotCompared => 7,
            Self::NotVerified => 8,
            Self::Interrupted => 130,
        }
    }

    /// Tells whether the same command may succeed if it is run again, and nothing is changed before.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Transient)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ErrorKind;

    #[test]
    fn the_table_for_people_has_the_same_codes() {
        let table = include_str!("../../../docs/exit-codes.md");
        let codes = table.lines().filter_map(|line| {
            let (code, _) = line.strip_prefix("| ")?.split_once(" |")?;
            code.parse().ok()
        });
        let documented: BTreeSet<u8> = codes.collect();
        let success = [0];
        let kinds = ErrorKind::ALL.map(ErrorKind::exit_code);
        let known = success.into_iter().chain(kinds).collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn only_what_is_transient_may_pass() {
        let may_pass = ErrorKind::ALL.into_iter().filter(|kind| kind.may_pass());
        assert_eq!(may_pass.collect::<Vec<_>>(), [ErrorKind::Transient]);
    }
}
