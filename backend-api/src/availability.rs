//! The answer to "can this engine build here and now?"

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;

/// Whether an engine can build here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready(Ready),
    /// It cannot.
    Unavailable(Unavailable),
}

impl Availability {
    /// Returns what is known of a ready engine, or why it is not ready.
    pub fn ready(&self) -> Result<&Ready, &Unavailable> {
        match self {
            Self::Ready(ready) => Ok(ready),
            Self::Unavailable(unavailable) => Err(unavailable),
        }
    }
}

/// An engine that can build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The program that drives it, as an absolute path.
    pub program: Utf8PathBuf,
    /// The engine's version, as it prints it: `20.10.24+dfsg1`.
    pub version: String,
    /// What was found and picked beside the version, as (name, value): builder, store,
    /// isolation. For people, but for [`engine`](Self::engine).
    pub details: Vec<(String, String)>,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl Ready {
    /// Returns which engine this drives, where its backend says so because it has another name:
    /// the detail `engine`. What is known to differ in that engine may differ here too.
    pub fn engine(&self) -> Option<&str> {
        let mut engines = self.details.iter().filter(|(name, _)| name == "engine");
        engines.next().map(|(_, value)| value.as_str())
    }
}

/// An engine that cannot build here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Why not.
    pub reason: Reason,
    /// The program that was found, if one was.
    pub program: Option<Utf8PathBuf>,
    /// The version that was found, if it could be asked.
    pub version: Option<String>,
    /// One sentence that says what was tried and what came of it.
    pub message: String,
    /// What the user can do about it, in one sentence.
    pub hint: String,
}

/// Why an engine cannot build here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// There is no such program.
    NotFound,
    /// The program is there, but cannot be executed, or fails before it does anything.
    WillNotRun,
    /// The engine is older than the oldest that is supported.
    TooOld,
    /// The program runs, but its daemon does not answer.
    DaemonUnreachable,
    /// The user may not use the engine.
    PermissionDenied,
    /// The engine lacks a part that building needs.
    Incomplete,
}
