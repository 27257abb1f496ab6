//! How a registry wants to be told who is asking: its headers `WWW-Authenticate` (RFC 9110, section 11.6.1).
//!
//! It knows texts. What they name is asked, or not, elsewhere.

use std::collections::BTreeMap;

/// The most bytes of a header that are read.
const LONGEST: usize = 8192;

/// How a registry wants to be told who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By a token, which another server gives.
    Bearer {
        /// The URL of that server.
        realm: String,
        /// What the registry calls itself there.
        service: Option<String>,
    },
    /// By a user name and a password.
    Basic,
}

impl Challenge {
    /// Returns the one that is answered: the first that asks for a token, or else for a password.
    pub(crate) fn of(headers: &[String]) -> Option<Self> {
        let all = headers.iter().filter(|header| header.len() <= LONGEST);
        let all: Vec<_> = all.flat_map(|header| read(header)).collect();
        let of = |scheme: &str| {
            all.iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(scheme))
        };
        if let Some((_, values)) = of("bearer")
            && let Some(realm) = values.get("realm")
        {
            return Some(Self::Bearer {
                realm: realm.clone(),
                service: values.get("service").cloned(),
            });
        }
        of("basic").map(|_| Self::Basic)
    }
}

/// Reads the challenges of a header, as far as they are well formed.
fn read(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            return found;
        }
        let after = after.trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=') else {
            found.push((name.to_owned(), BTreeMap::new()));
            rest = after;
            continue;
        };
        let value = value.trim_start_matches([' ', '\t']);
        let Some((value, after)) = quoted(value).or_else(|| {
            let (value, after) = token(value);
            (!value.is_empty()).then(|| (value.to_owned(), after))
        }) else {
            return found;
        };
        let Some((_, values)) = found.last_mut() else {
            return found;
        };
        values.entry(name.to_ascii_lowercase()).or_insert(value);
        rest = after;
    }
}

/// Splits a token off.
fn token(text: &str) -> (&str, &str) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_token(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Splits a text in quotation marks off.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inner[place + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        }
    }

    #[rstest]
    #[case::docker_hub(
        &["Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\""],
        Some(bearer("https://auth.docker.io/token", Some("registry.docker.io")))
    )]
    #[case::other_writing(&["bearer  Realm = \"https://a/\\\"b\" , service=c"], Some(bearer("https://a/\"b", Some("c"))))]
    #[case::basic(&["Basic realm=\"basic-realm\""], Some(Challenge::Basic))]
    #[case::both_in_one(&["Basic realm=\"x\", Bearer realm=\"https://a\""], Some(bearer("https://a", None)))]
    #[case::both(&["Basic realm=\"x\"", "Bearer realm=\"https://a\""], Some(bearer("https://a", None)))]
    #[case::token_without_a_place(&["Bearer service=\"x\""], None)]
    #[case::no_end(&["Bearer realm=\"https://a"], None)]
    #[case::value_without_a_scheme(&["realm=\"https://a\""], None)]
    #[case::others(&["Negotiate", "Digest realm=\"x\""], None)]
    #[case::empty(&[""], None)]
    #[case::garbage(&["\"\"\",,,===\\"], None)]
    fn a_challenge_is_read(#[case] headers: &[&str], #[case] expected: Option<Challenge>) {
        let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
        assert_eq!(Challenge::of(&headers), expected);
    }

    #[test]
    fn a_header_too_long_is_not_read() {
        let long = format!("Basic realm=\"{}\"", "x".repeat(LONGEST));
        assert_eq!(Challenge::of(&[long]), None);
    }
}
