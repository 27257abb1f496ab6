//! What a plugin says: the messages of the protocol, read strictly. Judges no contents.

use std::collections::BTreeMap;

use backend_api::{Capabilities, ErrorKind, Reason, StepId};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One line of a plugin's standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Message {
    Output {
        line: String,
        #[serde(default)]
        step: Option<StepId>,
    },
    Notice {
        message: String,
    },
    Result(Map<String, Value>),
    Error(Refusal),
    Unavailable(Absence),
}

/// Why a plugin did not do what it was asked.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) output: Option<String>,
    #[serde(default)]
    pub(crate) step: Option<StepId>,
}

/// Why a plugin's engine cannot build here and now.
#[derive(Debug, Deserialize)]
pub(crate) struct Absence {
    pub(crate) reason: Reason,
    pub(crate) version: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The result of a probe.
#[derive(Debug, Deserialize)]
pub(crate) struct Probed {
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) capabilities: Capabilities,
}

/// The result of a build.
#[derive(Debug, Deserialize)]
pub(crate) struct Built {
    pub(crate) reference: String,
    #[serde(default)]
    pub(crate) also_made: Vec<String>,
}

/// The result of an export.
#[derive(Debug, Deserialize)]
pub(crate) struct Exported {
    pub(crate) layers: Vec<Layer>,
}

/// A layer that was exported.
#[derive(Debug, Deserialize)]
pub(crate) struct Layer {
    pub(crate) step: StepId,
    pub(crate) tar: String,
}

/// The result of a removal, of which nothing is to be known.
#[derive(Debug, Deserialize)]
pub(crate) struct Removed {}

/// Reads one line.
pub(crate) fn message(line: &[u8]) -> Result<Message, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("is not UTF-8: {error}"))?;
    serde_json::from_str(text).map_err(|error| format!("is no message: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_later_versions_are_passed_over() {
        let line = br#"{"type":"notice","message":"m","severity":3}"#;
        assert!(matches!(message(line), Ok(Message::Notice { message }) if message == "m"));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for line in [
            "",
            "building ...",
            "{}",
            r#"{"type":"banana"}"#,
            r#"{"type":"notice"}"#,
            r#"{"type":"error","kind":"sad","message":""}"#,
        ] {
            assert!(message(line.as_bytes()).is_err(), "{line}");
        }
    }
}
