//! Why a package is built, in `make`'s documents and in its messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of an input that is another package.
pub const DEPENDENCY: &str = "dependency";

/// A reason to build a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// There is no record of a build.
    NeverBuilt,
    /// There is a record, but not one that this user has written at this place.
    Unproven,
    /// Its image in `out/` is gone, or not whole.
    Gone,
    /// It was asked for without any cache.
    Asked,
    /// It was made from something else.
    Changed {
        /// What kind of input: `file`, `program`, `directory`, `symlink`, `argument`, `source`,
        /// `seed`, `dependency`, `platforms`, `target`, `output`, or `network` for that of the RUNs.
        input: String,
        /// Its name.
        name: String,
        /// What it was: a value, or a hash. None if it was not there.
        before: Option<String>,
        /// What it is. None if it is gone.
        now: Option<String>,
    },
    /// It was made from something else, and nobody wrote down from what.
    Unrecorded,
    /// What it needs is built again, and may come out as something else.
    Needs {
        /// The full name of what it needs.
        package: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, name, before, now) = match self {
            Self::NeverBuilt => return f.write_str("it was never built here"),
            Self::Unproven => {
                return f.write_str(
                    "its record was made elsewhere, by another user, or by an older stagex",
                );
            }
            Self::Gone => return f.write_str("its image in out/ is missing or incomplete"),
            Self::Asked => return f.write_str("it was requested without caches"),
            Self::Unrecorded => {
                return f.write_str("its inputs changed (the last build did not record them)");
            }
            Self::Needs { package } => {
                return write!(f, "{package}, which it needs, is built again");
            }
            Self::Changed {
                input,
                name,
                before,
                now,
            } => (input.as_str(), name, before.as_deref(), now.as_deref()),
        };
        let what = match input {
            "argument" => format!("build argument {name}"),
            "platforms" => "its list of platforms".to_owned(),
            "target" => "its target".to_owned(),
            "output" => "its version".to_owned(),
            "network" => "the network of its RUNs".to_owned(),
            "order" => return f.write_str("the order of its build arguments changed"),
            _ => format!("{input} {name}"),
        };
        let is_value = matches!(
            input,
            "argument" | "platforms" | "target" | "output" | "symlink" | "network"
        );
        match (before, now) {
            (Some(before), Some(now)) if is_value => write!(f, "{what} was `{before}`, is `{now}`"),
            (_, Some(now)) if before.is_none() && is_value => write!(f, "{what} is new: `{now}`"),
            (Some(_), Some(_)) if input == DEPENDENCY => write!(f, "{name} is another image"),
            (Some(_), Some(_)) => write!(f, "{what} changed"),
            (None, Some(_)) => write!(f, "{what} is new"),
            (_, None) => write!(f, "{what} is gone"),
        }
    }
}
