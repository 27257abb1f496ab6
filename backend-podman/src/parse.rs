//! Reads what Podman prints about itself.

use containers_build::{Version, Versions};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    client: Side,
    server: Option<Side>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Side {
    version: String,
}

/// Reads the answer to [`command::version`](crate::command::version).
pub(crate) fn versions(answer: &[u8]) -> Option<Versions> {
    let Answer { client, server } = serde_json::from_slice(answer).ok()?;
    let service = match server {
        Some(side) => Some(Version::parse(side.version)?),
        None => None,
    };
    Some(Versions {
        client: Version::parse(client.version)?,
        service,
    })
}

/// Tells whether a failed command has found no service where its connection leads.
pub(crate) fn is_unreachable(stderr: &str) -> bool {
    stderr.contains("Cannot connect to Podman") || stderr.contains("unable to connect to Podman")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(include_bytes!("../tests/samples/podman-4.3.1/version.json"), "4.3.1", (4, 3))]
    #[case(include_bytes!("../tests/samples/podman-5.4.2/version.json"), "5.4.2", (5, 4))]
    #[case(include_bytes!("../tests/samples/podman-5.8.6/version.json"), "5.8.6", (5, 8))]
    #[case(br#"{"Client":{"Version":"6.0.0-rc1"}}"#, "6.0.0-rc1", (6, 0))]
    fn what_is_printed(#[case] answer: &[u8], #[case] text: &str, #[case] number: (u32, u32)) {
        let text = text.to_owned();
        let client = Version { text, number };
        let service = None;
        assert_eq!(versions(answer), Some(Versions { client, service }));
    }

    #[test]
    fn a_service_has_a_version_of_its_own() {
        let answer = br#"{"Client":{"Version":"5.4.2"},"Server":{"Version":"4.3.1"}}"#;
        let versions = versions(answer).unwrap();
        assert_eq!(versions.client.number, (5, 4));
        assert_eq!(versions.builder().text, "4.3.1");
    }

    #[test]
    fn a_service_that_does_not_answer() {
        let said = include_str!("../tests/samples/podman-4.3.1/unreachable.txt");
        assert!(is_unreachable(said));
        assert!(!is_unreachable("Error: statfs: permission denied"));
    }

    #[rstest]
    #[case(b"")]
    #[case(b"podman version 4.3.1")]
    #[case(br#"{"Server":{"Version":"4.3.1"}}"#)]
    #[case(br#"{"Client":{"Version":"unknown"}}"#)]
    fn other_answers(#[case] answer: &[u8]) {
        assert_eq!(versions(answer), None);
    }
}
