//! Why credentials cannot be read.

use camino::Utf8PathBuf;

/// A file with credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used for the credentials of {host}: {why}")]
pub struct Error {
    /// The file.
    pub path: Utf8PathBuf,
    /// Whose credentials were looked for.
    pub host: String,
    /// Why not; nothing that the file says.
    pub why: String,
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        "log in again (`podman login`, `docker login`), or set REGISTRY_AUTH_FILE to another file"
    }
}
