//! The files: `containers/auth.json` (containers-auth.json(5)) and `.docker/config.json`, which have one grammar.
//!
//! It knows texts, and starts no program.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::secret::Secret;

/// Docker Hub, and what it is called by programs that keep credentials for Docker's client.
const HUB: &str = "docker.io";
const HUB_SERVER: &str = "https://index.docker.io/v1/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

/// An entry of `auths`. All of it may be missing.
#[derive(Deserialize)]
struct AuthEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

/// A program that may have credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What follows `docker-credential-` in its name.
    pub(crate) name: String,
    /// What the server is called there.
    pub(crate) server: String,
}

impl File {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            // The message of a parser may repeat what is there.
            let (line, column) = (error.line(), error.column());
            format!("it is damaged at line {line}, column {column}")
        })
    }

    /// Returns the program that is asked about a host before the file's own entries: the host's own, or that for all.
    pub(crate) fn helper(&self, host: &str) -> Option<Asked> {
        let mut helpers = self.cred_helpers.iter();
        let own = helpers.find(|(key, name)| plain(key) == host && !name.is_empty());
        // Docker's client and Podman have two names for Docker Hub, and each uses its own in all places.
        let (name, is_docker) = match own {
            Some((key, name)) => (name, key != HUB),
            None => (&self.creds_store, true),
        };
        let server = if host == HUB && is_docker {
            HUB_SERVER
        } else {
            host
        };
        (!name.is_empty()).then(|| Asked {
            name: name.clone(),
            server: server.to_owned(),
        })
    }

    /// Returns what the most specific entry has for `host` or `host/name`.
    pub(crate) fn entry(&self, place: &str) -> Result<Option<Secret>, String> {
        for name in names(place) {
            let exact = self.auths.get(name);
            let entry = exact.or_else(|| {
                let mut auths = self.auths.iter();
                auths.find_map(|(key, entry)| (plain(key) == name).then_some(entry))
            });
            if let Some(entry) = entry {
                return entry.read();
            }
        }
        Ok(None)
    }
}

impl AuthEntry {
    fn read(&self) -> Result<Option<Secret>, String> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Secret::Registry(self.registrytoken.clone())));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Secret::Identity(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            // Docker's client leaves an empty entry where a program has what belongs there.
            let is_there = !self.username.is_empty();
            return Ok(is_there.then(|| Secret::Password {
                user: self.username.clone(),
                password: self.password.clone(),
            }));
        }
        let decoded = STANDARD.decode(&self.auth).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        // Docker's client once ended passwords with a zero.
        let pair = decoded.as_deref().map(|pair| pair.trim_end_matches('\0'));
        let (user, password) = pair
            .and_then(|pair| pair.split_once(':'))
            .ok_or("an entry is not the Base64 of a user name and a password")?;
        Ok(Some(Secret::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        }))
    }
}

/// Returns what an entry for a place may be called, the most specific name first.
fn names(place: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(place), |&name| Some(name.rsplit_once('/')?.0))
}

/// Returns a key without what older clients wrote around it.
fn plain(key: &str) -> &str {
    let bare = key.strip_prefix("https://");
    let bare = bare.or_else(|| key.strip_prefix("http://"));
    // A URL's path is that of the protocol, not of a repository.
    let name = bare.map_or(key, |bare| bare.split('/').next().unwrap_or_default());
    match name.trim_end_matches('/') {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const AUTHS: &str = r#"{"auths": {
        "https://index.docker.io/v1/": {"auth": "dTpw"},
        "a.org": {"auth": "dTpw"},
        "a.org/b": {"auth": "djpx"},
        "a.org/b/c": {"auth": "dzpyOnM="},
        "http://b.org": {"username": "u", "password": "p"},
        "c.org": {"registrytoken": "token"},
        "d.org": {},
        "e.org": {"auth": "dTpw", "identitytoken": "other"}
    }}"#;

    fn text(secret: Option<Secret>) -> Option<String> {
        secret.map(|secret| match secret {
            Secret::Password { user, password } => format!("{user} {password}"),
            Secret::Registry(token) => format!("registry {token}"),
            Secret::Identity(token) => format!("identity {token}"),
        })
    }

    #[rstest]
    #[case("docker.io/stagex/a", Some("u p"))]
    #[case("a.org/x", Some("u p"))]
    #[case("a.org/bx", Some("u p"))]
    #[case("a.org/b/x", Some("v q"))]
    #[case("a.org/b/c", Some("w r:s"))]
    #[case("b.org/a", Some("u p"))]
    #[case("c.org/a", Some("registry token"))]
    #[case("d.org/a", None)]
    #[case("e.org", Some("identity other"))]
    #[case("a.org:443/a", None)]
    #[case("f.org/a", None)]
    fn the_most_specific_entry_counts(#[case] place: &str, #[case] expected: Option<&str>) {
        let file = File::read(AUTHS).unwrap();
        let found = text(file.entry(place).unwrap());
        assert_eq!(found.as_deref(), expected);
    }

    const HELPERS: &str = r#"{"credsStore": "all", "credHelpers": {
        "docker.io": "own", "a.org": "own", "b.org": ""}}"#;

    #[rstest]
    #[case(HELPERS, "docker.io", Some(("own", "docker.io")))]
    #[case(HELPERS, "a.org", Some(("own", "a.org")))]
    #[case(HELPERS, "b.org", Some(("all", "b.org")))]
    #[case(HELPERS, "c.org:5000", Some(("all", "c.org:5000")))]
    #[case(r#"{"credsStore": "all"}"#, "docker.io", Some(("all", HUB_SERVER)))]
    #[case(r#"{"credHelpers": {"https://index.docker.io/v1/": "own"}}"#, "docker.io", Some(("own", HUB_SERVER)))]
    #[case(r#"{"credHelpers": {"https://a.org": "own"}}"#, "a.org", Some(("own", "a.org")))]
    #[case(r#"{"credHelpers": {"a.org": "own"}}"#, "b.org", None)]
    fn a_program_is_asked(
        #[case] text: &str,
        #[case] host: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        let asked = File::read(text).unwrap().helper(host);
        let found = asked.as_ref();
        let found = found.map(|asked| (asked.name.as_str(), asked.server.as_str()));
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::no_json("{\"auths\": {\"a.org\": {\"auth\": \"SECRET")]
    #[case::other_shape("{\"auths\": {\"a.org\": \"SECRET\"}}")]
    #[case::no_base64("{\"auths\": {\"a.org\": {\"auth\": \"*SECRET*\"}}}")]
    #[case::no_pair("{\"auths\": {\"a.org\": {\"auth\": \"U0VDUkVU\"}}}")]
    fn what_is_in_a_damaged_file_is_not_told(#[case] text: &str) {
        let read = File::read(text).and_then(|file| file.entry("a.org/b"));
        let told = read.unwrap_err();
        assert!(!told.contains("SECRET") && !told.contains("U0VD"), "{told}");
    }
}
