//! Parts of URIs: percent-encoding, and package URLs. It knows no package.

use std::fmt::Write as _;

use documents::Digest;

/// What all URIs begin with that this project gives to things. They are names: nothing need be there.
pub(crate) const NAMES: &str = "https://stagex.tools/attestation";

/// Returns a text as a part of a URI: everything but what RFC 3986 calls unreserved is encoded.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the package URL of the image of a package, as the type `oci` has it.
pub(crate) fn of_image(
    registry: &str,
    name: &str,
    digest: Option<&Digest>,
    tag: Option<&str>,
) -> String {
    let mut url = format!("pkg:oci/{}", encoded(name));
    if let Some(digest) = digest {
        let _ = write!(url, "@{}", encoded(digest.as_str()));
    }
    let repository = encoded(&format!("{registry}/stagex/{name}"));
    let _ = write!(url, "?repository_url={repository}");
    if let Some(tag) = tag {
        let _ = write!(url, "&tag={}", encoded(tag));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_package_url() {
        let digest = Digest::sha256(&[0xab; 32]);
        let url = of_image("docker.io", "core-libstdc++", Some(&digest), Some("1.0+a"));
        let hex = "ab".repeat(32);
        assert_eq!(
            url,
            format!(
                "pkg:oci/core-libstdc%2B%2B@sha256%3A{hex}?repository_url=docker.io%2Fstagex%2Fcore-libstdc%2B%2B&tag=1.0%2Ba"
            )
        );
        assert!(!of_image("docker.io", "core-a", None, None).contains('@'));
    }
}
