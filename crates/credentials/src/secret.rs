//! What a user is known by, and where that was found.

use std::fmt;

use camino::Utf8PathBuf;

/// What a user is known by. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A user name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token for the registry itself.
    Registry(String),
    /// A token that the registry's token server gives others for.
    Identity(String),
}

/// Credentials, and where they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What the user is known by.
    pub secret: Secret,
    /// Where it was found.
    pub origin: Origin,
}

/// Where credentials were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file that has them, or that names the program which has.
    pub path: Utf8PathBuf,
    /// The program.
    pub helper: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.helper {
            Some(helper) => write!(f, "`{helper}` ({})", self.path),
            None => self.path.fmt(f),
        }
    }
}
