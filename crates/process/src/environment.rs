//! What a child sees of the caller's environment: a short list that is kept, a few variables
//! that are pinned, and nothing else. The one module here that reads the environment.

use std::collections::BTreeMap;

/// Variables that a child sees as the caller has them.
///
/// Each is needed to find an engine, its configuration, its socket or the network; none of
/// them reaches the inside of a build.
const KEPT: [&str; 12] = [
    "HOME",
    "PATH",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SSH_AUTH_SOCK",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Beginnings of the names of variables that a child sees as the caller has them: the engines'
/// own configuration.
const KEPT_PREFIXES: [&str; 5] = ["DOCKER_", "CONTAINER", "BUILDAH_", "BUILDX_", "STORAGE_"];

/// The proxy variables, which programs look up in either case.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"];

/// The language and the time zone, which are the same for every child.
const PINNED: [(&str, &str); 3] = [("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];

/// Tells whether a child sees the variable `name` as the caller has it.
pub fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
        || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || PROXIES.contains(&name.to_ascii_lowercase().as_str())
}

/// The environment of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Returns what is kept of this process's environment, with the language and the time zone
    /// pinned, so that messages can be parsed and nothing depends on where the user is.
    ///
    /// Variables that are not UTF-8 are left out.
    pub fn pinned() -> Self {
        let kept = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| is_kept(name));
        let mut environment = Self {
            variables: kept.collect(),
        };
        for (name, value) in PINNED {
            environment.set(name, value);
        }
        environment
    }

    /// Sets one variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Removes all variables but these, and but the language and the time zone.
    pub fn keep_only(&mut self, names: &[&str]) {
        self.variables.retain(|name, _| {
            PINNED.iter().any(|(pinned, _)| name == pinned) || names.contains(&name.as_str())
        });
    }

    /// Returns the variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_configuration_is_kept_and_the_rest_is_not() {
        for kept in [
            "HOME",
            "DOCKER_HOST",
            "CONTAINERS_CONF",
            "CONTAINER_HOST",
            "HTTPS_PROXY",
        ] {
            assert!(is_kept(kept), "{kept} must be kept");
        }
        for dropped in [
            "LD_PRELOAD",
            "SOURCE_DATE_EPOCH",
            "LC_TIME",
            "GIT_DIR",
            "EDITOR",
        ] {
            assert!(!is_kept(dropped), "{dropped} must not be kept");
        }
    }

    #[test]
    fn all_but_a_few_can_be_removed() {
        let mut environment = Environment::pinned();
        for name in ["DOCKER_HOST", "XDG_RUNTIME_DIR", "PATH", "HOME"] {
            environment.set(name, "x");
        }
        environment.keep_only(&["PATH", "SHELL"]);
        let names: Vec<&str> = environment.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["LANG", "LC_ALL", "PATH", "TZ"]);
    }

    #[test]
    fn language_and_time_zone_are_pinned() {
        let environment = Environment::pinned();
        let find = |wanted| {
            environment
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, v)| v)
        };
        assert_eq!(find("LC_ALL"), Some("C.UTF-8"));
        assert_eq!(find("TZ"), Some("UTC"));
    }
}
