//! The policy: who counts, by which certificates, for what, and how many of them are needed.
//!
//! It knows a file of TOML. It does not know where that comes from, nor keys.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use package_tree::{NoPattern, matches};
use serde::Deserialize;

use crate::diversity::Diversity;
use crate::fingerprint::Fingerprint;
use crate::payload::{InvalidName, Registry};
use crate::release_number::Releases;
use crate::ssh::SshKey;

/// The most bytes that a person's name has.
const LONGEST_NAME: usize = 128;

/// Who counts, and how many are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where images are published, as signatures say it.
    pub registry: Registry,
    /// How many people must have signed.
    pub threshold: NonZero<u32>,
    /// What the reference in a signature must be.
    pub reference: Reference,
    /// How different the machines have to be on which those who signed have reproduced a package.
    pub diversity: Diversity,
    /// What release the tree has to be, if it has to be one.
    pub releases: Option<Releases>,
    people: Vec<Member>,
    /// Whose each certificate is, as a place among the people.
    owners: BTreeMap<Fingerprint, usize>,
    ssh_owners: BTreeMap<SshKey, usize>,
}

/// Somebody who may sign.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name.
    pub name: String,
    /// The certificates.
    pub certificates: Vec<Fingerprint>,
    /// The SSH keys, which sign commits and no packages.
    #[serde(default)]
    pub ssh: Vec<SshKey>,
    /// Patterns of the packages that may be signed; all if there are none.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Whether it is a machine, which never counts.
    #[serde(default)]
    pub machine: bool,
}

/// What the reference in a signature must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The registry, the package, and its version.
    #[default]
    Exact,
    /// The registry and the package.
    Repository,
}

/// Why there is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// It is not TOML, or has something else in it.
    #[error("{}{message}", at(*line))]
    Text {
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// The registry is none.
    #[error(transparent)]
    Registry(#[from] InvalidName),
    /// Nobody is needed.
    #[error("the threshold is 0, so that nobody would have to sign")]
    NoThreshold,
    /// It can never be reached.
    #[error("the threshold is {threshold}, and there are {people} people who count")]
    Unreachable {
        /// The threshold.
        threshold: u32,
        /// How many people count.
        people: usize,
    },
    /// A name is none.
    #[error(
        "`{0}` is not a name: expected 1 to {LONGEST_NAME} bytes that can be printed, and no blank around them"
    )]
    Name(String),
    /// Two have a name.
    #[error("two people are called {0}")]
    SameName(String),
    /// Somebody has no certificate.
    #[error("{0} has no certificate")]
    NoCertificate(String),
    /// A certificate stands there twice.
    #[error("the certificate {certificate} is that of {one} and of {other}")]
    SharedCertificate {
        /// The certificate.
        certificate: Fingerprint,
        /// Whose it is.
        one: String,
        /// Whose it is as well.
        other: String,
    },
    /// An SSH key stands there twice.
    #[error("the SSH key {key} is that of {one} and of {other}")]
    SharedSshKey {
        /// The fingerprint of the key.
        key: String,
        /// Whose it is.
        one: String,
        /// Whose it is as well.
        other: String,
    },
    /// A pattern is none.
    #[error("`{0}` is not a pattern of packages")]
    Pattern(String),
}

/// What a file can say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    registry: Option<String>,
    threshold: Option<u32>,
    #[serde(default)]
    reference: Reference,
    #[serde(default)]
    diversity: Diversity,
    releases: Option<Releases>,
    #[serde(default)]
    people: Vec<Member>,
}

impl Policy {
    /// Where `StageX` publishes.
    pub const DEFAULT_REGISTRY: &str = "stagex";

    /// How many people must have signed where nobody says.
    pub const DEFAULT_THRESHOLD: NonZero<u32> = NonZero::new(2).expect("it is not 0");

    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// It is none, or can never hold.
    pub fn read(text: &str) -> Result<Self, InvalidPolicy> {
        let file: File = toml::from_str(text).map_err(|error| InvalidPolicy::Text {
            line: error
                .span()
                .map(|span| 1 + text[..span.start].matches('\n').count()),
            message: error.message().to_owned(),
        })?;
        let registry = file
            .registry
            .as_deref()
            .unwrap_or(Self::DEFAULT_REGISTRY)
            .parse()?;
        let threshold = file.threshold.unwrap_or(Self::DEFAULT_THRESHOLD.get());
        let policy = Self::new(registry, threshold, file.reference, file.people)?;
        Ok(Self {
            diversity: file.diversity,
            releases: file.releases,
            ..policy
        })
    }

    /// Returns the same policy with another threshold.
    ///
    /// # Errors
    ///
    /// It can never hold.
    pub fn with_threshold(self, threshold: u32) -> Result<Self, InvalidPolicy> {
        let threshold = reachable(threshold, &self.people)?;
        Ok(Self { threshold, ..self })
    }

    /// Returns the policy that each of these certificates is that of somebody else, who may sign everything.
    ///
    /// # Errors
    ///
    /// It can never hold.
    pub fn of_certificates<'a>(
        registry: Option<Registry>,
        threshold: Option<u32>,
        certificates: impl IntoIterator<Item = &'a Fingerprint>,
    ) -> Result<Self, InvalidPolicy> {
        let registry = registry.map_or_else(|| Self::DEFAULT_REGISTRY.parse(), Ok)?;
        let people = certificates.into_iter().map(|certificate| Member {
            name: certificate.to_string(),
            certificates: vec![certificate.clone()],
            ssh: Vec::new(),
            packages: Vec::new(),
            machine: false,
        });
        let threshold = threshold.unwrap_or(Self::DEFAULT_THRESHOLD.get());
        Self::new(registry, threshold, Reference::Exact, people.collect())
    }

    fn new(
        registry: Registry,
        threshold: u32,
        reference: Reference,
        people: Vec<Member>,
    ) -> Result<Self, InvalidPolicy> {
        let mut owners: BTreeMap<Fingerprint, usize> = BTreeMap::new();
        let mut ssh_owners: BTreeMap<SshKey, usize> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (place, member) in people.iter().enumerate() {
            let name = &member.name;
            let is_name = (1..=LONGEST_NAME).contains(&name.len())
                && name.trim() == name
                && name.chars().all(printable::is_printable);
            if !is_name {
                return Err(InvalidPolicy::Name(name.clone()));
            }
            if !names.insert(name.to_lowercase()) {
                return Err(InvalidPolicy::SameName(name.clone()));
            }
            if member.certificates.is_empty() {
                return Err(InvalidPolicy::NoCertificate(name.clone()));
            }
            for certificate in &member.certificates {
                if let Some(other) = owners.insert(certificate.clone(), place) {
                    return Err(InvalidPolicy::SharedCertificate {
                        certificate: certificate.clone(),
                        one: people[other].name.clone(),
                        other: name.clone(),
                    });
                }
            }
            for key in &member.ssh {
                if let Some(other) = ssh_owners.insert(key.clone(), place) {
                    return Err(InvalidPolicy::SharedSshKey {
                        key: key.to_string(),
                        one: people[other].name.clone(),
                        other: name.clone(),
                    });
                }
            }
            for pattern in &member.packages {
                matches(pattern, "core-a")
                    .map_err(|NoPattern| InvalidPolicy::Pattern(pattern.clone()))?;
            }
        }
        Ok(Self {
            registry,
            threshold: reachable(threshold, &people)?,
            reference,
            diversity: Diversity::default(),
            releases: None,
            people,
            owners,
            ssh_owners,
        })
    }

    /// Returns everybody who may sign.
    pub fn people(&self) -> &[Member] {
        &self.people
    }

    /// Returns whose a certificate is.
    pub fn owner(&self, certificate: &Fingerprint) -> Option<&Member> {
        Some(&self.people[*self.owners.get(certificate)?])
    }

    /// Returns whose an SSH key is.
    pub fn ssh_owner(&self, key: &SshKey) -> Option<&Member> {
        Some(&self.people[*self.ssh_owners.get(key)?])
    }

    /// Returns what somebody agrees to who agrees to it, in one line: the same of two that mean the same, and of no
    /// others. Names are for people only.
    pub fn statement(&self) -> String {
        let mut people: Vec<String> = self.people.iter().map(Member::statement).collect();
        people.sort_unstable();
        let reference = match self.reference {
            Reference::Exact => "exact",
            Reference::Repository => "repository",
        };
        let Diversity {
            cpu_vendors,
            runtimes,
        } = self.diversity;
        let diversity = if self.diversity == Diversity::default() {
            String::new()
        } else {
            format!("cpu-vendors={cpu_vendors} runtimes={runtimes} ")
        };
        let releases = self
            .releases
            .as_ref()
            .map_or_else(String::new, |releases| format!("{} ", releases.statement()));
        format!(
            "{} {} {reference} {diversity}{releases}{}",
            self.registry,
            self.threshold,
            people.join(" ")
        )
    }
}

impl Member {
    /// Tells whether a package may be signed.
    pub fn may_sign(&self, package: &str) -> bool {
        let mut packages = self.packages.iter();
        self.packages.is_empty() || packages.any(|pattern| matches(pattern, package) == Ok(true))
    }

    fn statement(&self) -> String {
        let mut certificates: Vec<_> = self.certificates.iter().map(Fingerprint::as_str).collect();
        certificates.sort_unstable();
        let mut packages: Vec<String> = self
            .packages
            .iter()
            .map(|pattern| format!("{pattern:?}"))
            .collect();
        packages.sort_unstable();
        let mut ssh: Vec<String> = self.ssh.iter().map(|key| format!(",{key}")).collect();
        ssh.sort_unstable();
        let machine = if self.machine { "machine:" } else { "" };
        let certificates = certificates.join(",");
        format!(
            "{machine}{certificates}{}{}",
            ssh.concat(),
            packages.concat()
        )
    }
}

/// Returns a threshold that these people can reach.
fn reachable(threshold: u32, people: &[Member]) -> Result<NonZero<u32>, InvalidPolicy> {
    let count = people.iter().filter(|member| !member.machine).count();
    let needed = NonZero::new(threshold).ok_or(InvalidPolicy::NoThreshold)?;
    if count < threshold as usize {
        return Err(InvalidPolicy::Unreachable {
            threshold,
            people: count,
        });
    }
    Ok(needed)
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    /// One of RSA, of 1024 bits.
    const SMALL: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDAoku1cF+sWUbx/bm3CrbT2t9FqqBZcLJ9rzRHAHF9GppTglNkb6eB3PLeFji7L7z/LJ25DNfJSmG8BPapQ1a7auluVpQQdQ8m8LtqnpMTqC4iVE9b1UKFSrN2uvdFg/Ta6J6lh91EnDA7aiwFK/XuPQGMHRU5a2/eh3QjPEb8Jw==";

    fn good() -> String {
        format!(
            "threshold = 2\n\n[[people]]\nname = \"One\"\ncertificates = [\"{ONE}\"]\n\n\
             [[people]]\nname = \"Two\"\ncertificates = [\"{TWO}\"]\npackages = [\"core-*\"]\n"
        )
    }

    #[test]
    fn a_policy_says_who_counts() {
        let policy = Policy::read(&good()).unwrap();
        assert_eq!(
            (policy.registry.as_str(), policy.threshold.get()),
            ("stagex", 2)
        );
        assert_eq!(policy.reference, Reference::Exact);
        let [one, two] = [ONE, TWO].map(|digits| policy.owner(&digits.parse().unwrap()).unwrap());
        assert_eq!((one.name.as_str(), two.name.as_str()), ("One", "Two"));
        assert!(one.may_sign("user-vim") && two.may_sign("core-musl") && !two.may_sign("user-vim"));
    }

    #[test]
    fn another_threshold_changes_nothing_else() {
        let policy = || Policy::read(&good()).unwrap();
        let one = policy().with_threshold(1).unwrap();
        assert_eq!(one.threshold.get(), 1);
        assert_eq!(one.with_threshold(2).unwrap(), policy());
        for (threshold, expected) in [
            (0, "nobody would have to sign"),
            (3, "the threshold is 3, and there are 2 people"),
        ] {
            let error = policy().with_threshold(threshold).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[rstest]
    #[case::nobody_is_needed("threshold = 2", "threshold = 0", "nobody would have to sign")]
    #[case::more_than_there_are("threshold = 2", "threshold = 3", "there are 2 people")]
    #[case::machines_do_not_count(
        "name = \"Two\"",
        "name = \"Two\"\nmachine = true",
        "there are 1 people"
    )]
    #[case::a_certificate_of_two(TWO, ONE, "of One and of Two")]
    #[case::an_ssh_key_of_two(
        "packages = [\"core-*\"]",
        &format!("ssh = [\"{SSH}\", \"{SSH} again\"]"),
        "is that of Two and of Two"
    )]
    #[case::no_ssh_key("packages = [", "ssh = [", "is not a public SSH key")]
    #[case::an_ssh_key_that_is_too_small(
        "packages = [\"core-*\"]",
        &format!("ssh = [\"{SMALL}\"]"),
        "expected Ed25519"
    )]
    #[case::part_of_a_fingerprint(ONE, "11111111", "is not a fingerprint")]
    #[case::no_certificate(
        "[\"1111111111111111111111111111111111111111\"]",
        "[]",
        "One has no certificate"
    )]
    #[case::two_of_a_name("\"Two\"", "\"one\"", "two people are called one")]
    #[case::no_name("\"Two\"", "\"\"", "is not a name")]
    #[case::an_order_to_a_terminal("\"Two\"", "\"T\\u001bwo\"", "is not a name")]
    #[case::an_unknown_key("threshold", "treshold", "line 1: unknown field")]
    #[case::an_unknown_key_of_a_person("packages", "package", "line 10: unknown field")]
    #[case::no_pattern("core-*", "core-[", "is not a pattern")]
    #[case::no_registry("threshold", "registry = \"../x\"\nthreshold", "is not where images")]
    #[case::a_negative_threshold("= 2", "= -2", "line 1: ")]
    #[case::no_release(
        "= 2",
        "= 2\n[releases]\nlowest = \"newest\"",
        "is not the number of a release"
    )]
    #[case::no_age("= 2", "= 2\n[releases]\nlongest-age = 0", "line 3: ")]
    #[case::an_unknown_key_of_releases(
        "= 2",
        "= 2\n[releases]\nlongest_age = 1",
        "line 3: unknown field"
    )]
    fn a_policy_that_says_anything_else_is_refused(
        #[case] part: &str,
        #[case] instead: &str,
        #[case] expected: &str,
    ) {
        let text = good().replacen(part, instead, 1);
        assert_ne!(text, good());
        let error = Policy::read(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn policies_that_mean_the_same_have_one_statement_and_others_another() {
        let statement = |text: &str| Policy::read(text).unwrap().statement();
        let three = "4444444444444444444444444444444444444444";
        let good =
            || good() + &format!("\n[[people]]\nname = \"Three\"\ncertificates = [\"{three}\"]\n");
        let usual = statement(&good());
        assert_eq!(statement(&good().replace("One", "Uno")), usual);
        assert_eq!(
            statement(&format!("registry = \"stagex\"\n{}", good())),
            usual
        );
        for (part, instead) in [
            ("threshold = 2", "threshold = 1"),
            ("threshold = 2", "threshold = 2\nreference = \"repository\""),
            (
                "threshold = 2",
                "threshold = 2\nregistry = \"quay.io/stagex\"",
            ),
            (
                "threshold = 2",
                "threshold = 2\n[diversity]\ncpu-vendors = 2",
            ),
            ("threshold = 2", "threshold = 2\n[diversity]\nruntimes = 2"),
            ("threshold = 2", "threshold = 2\n[releases]"),
            (
                "threshold = 2",
                "threshold = 2\n[releases]\nlowest = \"2026.03.0\"",
            ),
            (
                "threshold = 2",
                "threshold = 2\n[releases]\nlongest-age = 90",
            ),
            ("name = \"Two\"", "name = \"Two\"\nmachine = true"),
            ("core-*", "*"),
            ("packages = [\"core-*\"]", ""),
            ("[\"core-*\"]", "[\"core-*\", \"user-*\"]"),
            ("packages", &format!("ssh = [\"{SSH}\"]\npackages")),
            (TWO, "3333333333333333333333333333333333333333"),
        ] {
            let other = good().replace(part, instead);
            assert_ne!(other, good(), "{instead}");
            assert_ne!(statement(&other), usual, "{instead}");
        }
    }
}
