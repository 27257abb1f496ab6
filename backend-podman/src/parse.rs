//! Reads what Podman prints about itself.

use serde::{Deserialize, Serialize};

/// A version of Podman, by which its features are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// As it is printed: `4.3.1`.
    pub(crate) text: String,
    /// Its first two numbers.
    pub(crate) number: (u32, u32),
}

/// What Podman says of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    /// That of the program.
    pub(crate) client: Version,
    /// That of the service that builds, if the program does not do it itself.
    pub(crate) service: Option<Version>,
}

impl Versions {
    /// Returns the version of what builds.
    pub(crate) fn builder(&self) -> &Version {
        self.service.as_ref().unwrap_or(&self.client)
    }
}

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
pub(crate) fn version(answer: &[u8]) -> Option<Versions> {
    let Answer { client, server } = serde_json::from_slice(answer).ok()?;
    let service = match server {
        Some(side) => Some(number(side.version)?),
        None => None,
    };
    Some(Versions {
        client: number(client.version)?,
        service,
    })
}

fn number(text: String) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some(Version {
            number: (major, minor),
            text,
        }),
        _ => None,
    }
}

/// Tells whether a failed command has found no service where its connection leads.
pub(crate) fn is_unreachable(stderr: &str) -> bool {
    stderr.contains("Cannot connect to Podman") || stderr.contains("unable to connect to Podman")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backend_api::{Stage, Step, StepId, StepKind};
    use containers_build::Progress;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(include_bytes!("../tests/samples/podman-4.3.1/version.json"), "4.3.1", (4, 3))]
    #[case(include_bytes!("../tests/samples/podman-5.4.2/version.json"), "5.4.2", (5, 4))]
    #[case(include_bytes!("../tests/samples/podman-5.8.6/version.json"), "5.8.6", (5, 8))]
    #[case(br#"{"Client":{"Version":"6.0.0-rc1"}}"#, "6.0.0-rc1", (6, 0))]
    fn versions(#[case] answer: &[u8], #[case] text: &str, #[case] number: (u32, u32)) {
        let text = text.to_owned();
        let client = Version { text, number };
        let service = None;
        assert_eq!(version(answer), Some(Versions { client, service }));
    }

    #[test]
    fn a_service_has_a_version_of_its_own() {
        let answer = br#"{"Client":{"Version":"5.4.2"},"Server":{"Version":"4.3.1"}}"#;
        let versions = version(answer).unwrap();
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
        assert_eq!(version(answer), None);
    }

    #[rstest]
    #[case(include_str!("../tests/samples/podman-4.3.1/build.txt"))]
    #[case(include_str!("../tests/samples/podman-5.4.2/build.txt"))]
    #[case(include_str!("../tests/samples/podman-5.8.6/build.txt"))]
    fn lines_of_a_build(#[case] output: &str) {
        let place = |stage, index| StepId { stage, index };
        let stage = |places: &[(usize, usize)]| Stage {
            name: None,
            begins_with_image: false,
            steps: places
                .iter()
                .map(|&(stage, index)| Step {
                    id: place(stage, index),
                    kind: StepKind::Run,
                })
                .collect(),
        };
        let stages = [
            stage(&[(0, 0), (0, 2)]),
            stage(&[(1, 0)]),
            stage(&[(2, 1), (2, 2)]),
        ];
        let mut progress = Progress::new(&stages);
        let steps_of: BTreeMap<&str, _> = output
            .lines()
            .map(|line| (line, progress.step_of(line)))
            .collect();
        assert_eq!(steps_of["in the first stage"], Some(place(0, 2)));
        assert_eq!(steps_of["[3/3] STEP 2/4: WORKDIR /work"], None);
        let copy = "[3/3] STEP 3/4: COPY --from=side /side /work/side";
        assert_eq!(steps_of[copy], Some(place(2, 1)));
        assert_eq!(steps_of["in the last stage"], Some(place(2, 2)));
    }
}
