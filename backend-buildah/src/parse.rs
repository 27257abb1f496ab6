//! Reads what Buildah prints about itself.

use containers_build::{Version, Versions};
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    version: String,
}

/// Reads the answer to [`command::version`](crate::command::version).
pub(crate) fn versions(answer: &[u8]) -> Option<Versions> {
    let Answer { version } = serde_json::from_slice(answer).ok()?;
    Some(Versions {
        client: Version::parse(version)?,
        service: None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(include_bytes!("../tests/samples/buildah-1.28.2/version.json"), "1.28.2", (1, 28))]
    #[case(include_bytes!("../tests/samples/buildah-1.39.3/version.json"), "1.39.3", (1, 39))]
    #[case(include_bytes!("../tests/samples/buildah-1.43.2/version.json"), "1.43.2", (1, 43))]
    #[case(br#"{"version":"1.40.0-dev"}"#, "1.40.0-dev", (1, 40))]
    fn what_is_printed(#[case] answer: &[u8], #[case] text: &str, #[case] number: (u32, u32)) {
        let text = text.to_owned();
        let client = Version { text, number };
        let service = None;
        assert_eq!(versions(answer), Some(Versions { client, service }));
    }

    #[rstest]
    #[case(b"")]
    #[case(b"buildah version 1.28.2")]
    #[case(br#"{"version":"unknown"}"#)]
    fn other_answers(#[case] answer: &[u8]) {
        assert_eq!(versions(answer), None);
    }
}
