//! Names of images and contexts, as Docker's `distribution/reference` reads and shortens them.
//!
//! It asks no registry.

/// Where an image is whose registry is not named, under both its names.
const HUB: [&str; 2] = ["docker.io", "index.docker.io"];

/// What Docker Hub's images belong to that belong to nobody.
const OFFICIAL: &str = "library/";

/// The most bytes of a repository's name with its registry, and of a tag.
const LONGEST: usize = 255;
const LONGEST_TAG: usize = 128;

/// Returns the short form of a name, in which names of the same thing are equal: without the parts that stand for what is
/// meant anyway (`docker.io/`, `library/` and the tag `latest`). Any other tag, a digest, a registry and a port stay.
/// Nothing if it is no name of an image.
pub fn familiar(name: &str) -> Option<String> {
    let (registry, rest) = registry(name);
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (rest, None),
    };
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    let length = registry.unwrap_or(HUB[0]).len() + 1 + repository.len();
    let is_id = name.len() == 64 && name.bytes().all(is_hex);
    let is_name = !is_id
        && length <= LONGEST
        && registry.is_none_or(is_registry)
        && repository.split('/').all(is_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if !is_name {
        return None;
    }
    let own = match (registry, repository.strip_prefix(OFFICIAL)) {
        (None, Some(own)) if !own.contains('/') => own,
        _ => repository,
    };
    let mut familiar = registry.map_or_else(String::new, |registry| format!("{registry}/"));
    familiar.push_str(own);
    if let Some(tag) = tag.filter(|tag| *tag != "latest" || digest.is_some()) {
        familiar.push(':');
        familiar.push_str(tag);
    }
    if let Some(digest) = digest {
        familiar.push('@');
        familiar.push_str(digest);
    }
    Some(familiar)
}

/// Splits a name behind its registry; there is none if that is Docker Hub.
fn registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if HUB.contains(&first) => (None, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.contains(char::is_uppercase) =>
        {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let of_six = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_host = match of_six {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        }
        None => host.split('.').all(|part| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            !part.is_empty()
                && part.bytes().all(inner)
                && !part.starts_with('-')
                && !part.ends_with('-')
        }),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    is_host && port.is_none_or(is_port)
}

/// Tells whether a text can be a part of a repository's name: letters and digits, between which `.`, `_`, `__` and any
/// number of `-` may stand.
fn is_part(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_between = |between: &str| {
        ["", ".", "_", "__"].contains(&between) || between.bytes().all(|b| b == b'-')
    };
    text.starts_with(is_plain) && text.ends_with(is_plain) && text.split(is_plain).all(is_between)
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", _)) => 64,
        Some(("sha384", _)) => 96,
        Some(("sha512", _)) => 128,
        _ => return false,
    };
    let digits = &text["sha256:".len()..];
    digits.len() == length && digits.bytes().all(is_hex)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case("tools", "tools")]
    #[case("tools:latest", "tools")]
    #[case("library/tools", "tools")]
    #[case("docker.io/tools", "tools")]
    #[case("docker.io/library/tools:latest", "tools")]
    #[case("index.docker.io/library/tools", "tools")]
    #[case("tools:1", "tools:1")]
    #[case("tools:5000/anything:else", "tools:5000/anything:else")]
    #[case("localhost/tools:latest", "localhost/tools")]
    #[case("Tools/a", "Tools/a")]
    #[case("[::1]:5000/a", "[::1]:5000/a")]
    #[case("docker.io/stagex/core-a", "stagex/core-a")]
    #[case("library/a/b", "library/a/b")]
    #[case("a.b/c__d/e---f", "a.b/c__d/e---f")]
    fn names_of_one_thing_are_equal(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(familiar(name).as_deref(), Some(expected));
    }

    #[test]
    fn a_digest_stays_and_its_tag_with_it() {
        for (name, expected) in [
            ("docker.io/a", "a"),
            ("a:1", "a:1"),
            ("a:latest", "a:latest"),
        ] {
            let found = familiar(&format!("{name}@{DIGEST}"));
            assert_eq!(found, Some(format!("{expected}@{DIGEST}")));
        }
    }

    #[rstest]
    #[case("")]
    #[case("Tools")]
    #[case("a/B")]
    #[case("name::linux/amd64")]
    #[case("a:")]
    #[case("a@")]
    #[case("a@sha256:0")]
    #[case("a__b___c")]
    #[case("a..b")]
    #[case("a-")]
    #[case("/a")]
    #[case("a//b")]
    #[case("a:b:c")]
    #[case("a:x/y")]
    #[case("-a.b/c")]
    #[case(&DIGEST["sha256:".len()..])]
    fn other_texts_are_no_names(#[case] name: &str) {
        assert_eq!(familiar(name), None);
    }
}
