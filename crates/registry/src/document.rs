//! Indexes and manifests as registries have them: only the fields that lead on, and what tells the two apart.
//!
//! A document is what its media type says, and has nothing of the other kind: one that could be read as both would be
//! another image for somebody else (CVE-2021-41190).

use oci_image::Digest;
use serde::Deserialize;

use crate::error::Error;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What a registry is told that is understood.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// What points to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pointer {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
}

impl Pointer {
    /// Returns the platform that it says, as `os/architecture[/variant]`.
    pub(crate) fn platform(&self) -> Option<String> {
        self.platform.as_ref().map(Platform::text)
    }
}

impl Platform {
    fn text(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let text = parts.map(String::as_str).collect::<Vec<_>>().join("/");
        printable::line(&text).into_owned()
    }
}

/// Returns the platform that a config says, as `os/architecture[/variant]`; nothing if it is no config of an image.
pub(crate) fn platform(config: &[u8]) -> String {
    let config = serde_json::from_slice::<Platform>(config);
    config.map_or_else(|_| String::new(), |config| config.text())
}

/// Tells whether what has the platform `found` is for the platform `wanted`. Those of arm64 are all of its variant v8,
/// whether that is written or not.
pub(crate) fn is_for(found: &str, wanted: &str) -> bool {
    fn usual(platform: &str) -> &str {
        match platform.strip_suffix("/v8") {
            Some(short) if short.ends_with("/arm64") => short,
            _ => platform,
        }
    }
    usual(found) == usual(wanted)
}

/// An index, or a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Index(Vec<Pointer>),
    Manifest {
        config: Pointer,
        layers: Vec<Pointer>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Pointer>>,
    config: Option<Pointer>,
    layers: Option<Vec<Pointer>>,
}

/// What is said of a document by others than itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The media type in what points to it, if something does.
    pub(crate) pointer: Option<&'a str>,
    /// The media type in the header of the answer.
    pub(crate) header: Option<&'a str>,
}

/// Reads a document, of which `what` and `place` are for messages. Returns its media type too.
pub(crate) fn read(
    bytes: &[u8],
    said: Said<'_>,
    what: &str,
    place: &str,
) -> Result<(&'static str, Document), Error> {
    let damaged = |why: String| Error::Damaged {
        what: what.to_owned(),
        place: place.to_owned(),
        why,
    };
    let other = |found: &str| Error::MediaType {
        what: what.to_owned(),
        place: place.to_owned(),
        found: format!("`{}`", printable::line(found)),
    };
    let header = said
        .header
        .map(|header| header.split(';').next().unwrap_or_default().trim());
    let fields: Fields = match serde_json::from_slice(bytes) {
        Ok(fields) => fields,
        // Who is told that it is something else needs no more.
        Err(_) if header.is_some_and(|header| known(header).is_none() && is_other(header)) => {
            return Err(other(header.unwrap_or_default()));
        }
        Err(error) => return Err(damaged(printable::line(&error.to_string()).into_owned())),
    };
    let own = fields.media_type.as_deref();
    let pointer = said.pointer.filter(|pointer| !pointer.is_empty());
    let Some(declared) = own.or(pointer).or(header) else {
        return Err(damaged("it has no media type".to_owned()));
    };
    let declared = known(declared).ok_or_else(|| other(declared))?;
    // A server that knows no media types may say anything else.
    let header = header.filter(|header| known(header).is_some());
    for said in [pointer, header].into_iter().flatten() {
        if said != declared {
            let said = printable::line(said);
            return Err(damaged(format!(
                "its media type is {declared}, and it is given as {said}"
            )));
        }
    }
    if fields.schema_version != Some(2) {
        return Err(damaged("its `schemaVersion` is not 2".to_owned()));
    }
    let is_index = matches!(declared, OCI_INDEX | DOCKER_LIST);
    let document = match (fields.manifests, fields.config, fields.layers) {
        (Some(manifests), None, None) if is_index => Document::Index(manifests),
        (None, Some(config), layers) if !is_index => Document::Manifest {
            config,
            layers: layers.unwrap_or_default(),
        },
        _ => {
            return Err(damaged(format!(
                "it does not have the fields of {declared}, and only those"
            )));
        }
    };
    Ok((declared, document))
}

fn known(media_type: &str) -> Option<&'static str> {
    let all = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
    all.into_iter().find(|known| *known == media_type)
}

/// Tells whether a media type is that of something else in a registry.
fn is_other(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Returns a document with these fields; `P` stands for something that points to a blob.
    fn document(fields: &str) -> String {
        let pointer = format!("{{\"mediaType\":\"x\",\"digest\":\"{DIGEST}\",\"size\":0}}");
        format!("{{\"schemaVersion\":2{fields}}}").replace('P', &pointer)
    }

    fn found(
        text: &str,
        pointer: Option<&str>,
        header: Option<&str>,
    ) -> Result<&'static str, Error> {
        let said = Said { pointer, header };
        read(text.as_bytes(), said, "the manifest", "a.org/b").map(|(media_type, _)| media_type)
    }

    const OCI: Option<&str> = Some(OCI_MANIFEST);

    #[rstest]
    #[case::by_header(",\"config\":P,\"layers\":[P]", None, OCI)]
    #[case::by_header_with_more(
        ",\"config\":P",
        None,
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")
    )]
    #[case::by_pointer(",\"config\":P", OCI, None)]
    #[case::by_itself(
        ",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":P",
        OCI,
        OCI
    )]
    #[case::server_knows_none(",\"config\":P", OCI, Some("application/octet-stream"))]
    fn a_manifest_is_known(
        #[case] fields: &str,
        #[case] pointer: Option<&str>,
        #[case] header: Option<&str>,
    ) {
        assert_eq!(
            found(&document(fields), pointer, header).unwrap(),
            OCI_MANIFEST
        );
    }

    #[rstest]
    #[case::unknown(",\"config\":P", None, None)]
    #[case::both(",\"config\":P,\"manifests\":[P]", None, OCI)]
    #[case::both_index(",\"layers\":[P],\"manifests\":[P]", None, Some(OCI_INDEX))]
    #[case::index_as_manifest(",\"manifests\":[P]", None, OCI)]
    #[case::manifest_as_index(",\"config\":P", None, Some(OCI_INDEX))]
    #[case::neither("", None, OCI)]
    #[case::header_differs(",\"config\":P", OCI, Some(DOCKER_MANIFEST))]
    #[case::pointer_differs(
        ",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":P",
        Some(DOCKER_MANIFEST),
        OCI
    )]
    #[case::pointer_to_another(
        ",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":P",
        Some("a/b"),
        OCI
    )]
    #[case::bad_digest(",\"config\":{\"digest\":\"sha256:../../x\",\"size\":1}", OCI, OCI)]
    #[case::negative(",\"config\":{\"digest\":\"sha256:00\",\"size\":-1}", OCI, OCI)]
    fn a_contradiction_is_refused(
        #[case] fields: &str,
        #[case] pointer: Option<&str>,
        #[case] header: Option<&str>,
    ) {
        let error = found(&document(fields), pointer, header).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }

    #[rstest]
    #[case(
        "{\"schemaVersion\":1,\"name\":\"a\"}",
        "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )]
    #[case(
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.cncf.helm\\u0007\"}",
        OCI_MANIFEST
    )]
    #[case("not JSON", "application/vnd.other")]
    #[case("{}", "text/html")]
    fn what_is_no_image_is_told(#[case] text: &str, #[case] header: &str) {
        let error = found(text, None, Some(header)).unwrap_err();
        assert!(matches!(error, Error::MediaType { .. }), "{error}");
        assert!(!error.to_string().contains('\u{7}'));
    }

    #[rstest]
    #[case("linux/arm64", "linux/arm64", true)]
    #[case("linux/arm64/v8", "linux/arm64", true)]
    #[case("linux/arm64", "linux/arm64/v8", true)]
    #[case("linux/arm64/v9", "linux/arm64", false)]
    #[case("linux/arm/v8", "linux/arm", false)]
    #[case("linux/arm64/v8", "freebsd/arm64", false)]
    #[case("", "linux/arm64", false)]
    fn a_platform_may_be_written_in_two_ways(
        #[case] found: &str,
        #[case] wanted: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_for(found, wanted), expected);
    }

    #[test]
    fn another_version_is_refused() {
        let text = document(",\"config\":P").replace(":2,", ":3,");
        assert!(found(&text, OCI, OCI).is_err());
    }
}
