//! The name of an image that is in no tree: its repository and its tag, which are part of its bytes.
//!
//! It does not know what the image is.

use std::str::FromStr;

/// What a name stands for whose registry is not said: that registry itself.
const USUAL: &str = "docker.io/";

/// The name of an image, without a registry: a canonical image has the same bytes wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// The repository, such as `stagex/core-musl`.
    pub repository: String,
    /// The tag: `latest` unless said.
    pub tag: String,
}

/// A text that is no name of a canonical image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be the name of a canonical image: expected a repository without a registry, and a \
     tag, such as stagex/core-musl:1.2.5"
)]
pub struct InvalidName(String);

impl FromStr for ImageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bare = text.strip_prefix(USUAL).unwrap_or(text);
        let (repository, tag) = bare.rsplit_once(':').unwrap_or((bare, "latest"));
        let first = repository.split_once('/').map(|(first, _)| first);
        let of_registry =
            first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost");
        if of_registry || !repository.split('/').all(is_part) || !crate::name::is_tag(tag) {
            return Err(InvalidName(text.to_owned()));
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

/// Tells whether a text can be a part of a repository's name.
fn is_part(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("stagex/core-a:1.0", "stagex/core-a", "1.0")]
    #[case("docker.io/stagex/core-a:1.0", "stagex/core-a", "1.0")]
    #[case("stagex/core-a", "stagex/core-a", "latest")]
    #[case("a", "a", "latest")]
    fn a_name_is_a_repository_and_a_tag(
        #[case] text: &str,
        #[case] repository: &str,
        #[case] tag: &str,
    ) {
        let name: ImageName = text.parse().unwrap();
        assert_eq!(
            (name.repository.as_str(), name.tag.as_str()),
            (repository, tag)
        );
    }

    #[rstest]
    #[case("registry.example/stagex/core-a:1")]
    #[case("localhost/core-a")]
    #[case("Stagex/core-a:1")]
    #[case("stagex//core-a:1")]
    #[case("stagex/core-a:-1")]
    #[case("")]
    fn other_names_are_refused(#[case] text: &str) {
        assert!(text.parse::<ImageName>().is_err());
    }
}
