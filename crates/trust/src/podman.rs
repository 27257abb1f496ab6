//! The nearest that Podman, Buildah and Skopeo can be told: their `policy.json`, and the file for `registries.d`.
//!
//! One requirement there names several keys, of which any is enough; several requirements must all be met. Nothing
//! counts, so that only two policies can be said exactly: one of all people, and all of them. Where some people are
//! left out, all of the others is nearest as long as they are not more than are needed. It knows these formats, and
//! not what programs do with them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::diversity::Diversity;
use crate::fingerprint::Fingerprint;
use crate::keyring::Keyring;
use crate::payload::Registry;
use crate::policy::{Member, Policy};

/// Where an image is whose name has no host.
const DEFAULT_HOST: &str = "docker.io";

/// A `policy.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodmanPolicy {
    default: [Requirement; 1],
    transports: BTreeMap<&'static str, BTreeMap<String, Vec<Requirement>>>,
}

/// What an image must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Requirement {
    /// Nothing is enough.
    Reject,
    /// A signature by one of these keys.
    #[serde(rename_all = "camelCase")]
    SignedBy {
        key_type: &'static str,
        key_data: String,
        signed_identity: Identity,
    },
}

/// What a signature must be of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Identity {
    /// The same repository, and the same tag where one is asked for.
    MatchRepoDigestOrExact,
}

/// How Podman's policy differs from ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It cannot count.
    #[error(
        "Podman cannot count: it takes an image that one of {people} people has signed, where {threshold} are needed"
    )]
    OneOf {
        /// How many are needed.
        threshold: u32,
        /// How many there are.
        people: usize,
    },
    /// There are too few people whom it can be told of.
    #[error("only {people} are asked for, where {threshold} are needed")]
    TooFew {
        /// How many are needed.
        threshold: u32,
        /// How many there are.
        people: usize,
    },
    /// It knows no statements.
    #[error("Podman does not look at what those who signed say of their machines")]
    Diversity,
    /// It knows no releases.
    #[error("Podman does not look at which release an image is of, nor at how old that is")]
    Releases,
    /// It would let somebody sign everything.
    #[error(
        "{0} is left out, who may sign only some packages: Podman cannot restrict a person to packages"
    )]
    LeftOut(String),
    /// A certificate is not there.
    #[error(
        "{certificate} of {person} is left out: it is not in the keyring, or cannot be exported from it"
    )]
    Missing {
        /// The certificate.
        certificate: Fingerprint,
        /// Whose it is.
        person: String,
    },
}

/// Nobody is left whom Podman could be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody is left whom Podman could be told of")]
pub struct NobodyLeft;

/// Returns the `policy.json` that comes nearest to a policy, and how it differs.
///
/// # Errors
///
/// It would let nobody sign.
pub fn podman_policy(
    policy: &Policy,
    keyring: &Keyring,
) -> Result<(PodmanPolicy, Vec<Difference>), NobodyLeft> {
    let mut differences = Vec::new();
    if policy.diversity != Diversity::default() {
        differences.push(Difference::Diversity);
    }
    if policy.releases.is_some() {
        differences.push(Difference::Releases);
    }
    let mut people: Vec<Vec<u8>> = Vec::new();
    for member in policy.people().iter().filter(|member| !member.machine) {
        if !member.packages.is_empty() {
            differences.push(Difference::LeftOut(member.name.clone()));
            continue;
        }
        let certificates = certificates(member, keyring, &mut differences);
        if !certificates.is_empty() {
            people.push(certificates);
        }
    }
    if people.is_empty() {
        return Err(NobodyLeft);
    }
    let (threshold, count) = (policy.threshold.get(), people.len());
    let needed = threshold as usize;
    if count < needed {
        differences.push(Difference::TooFew {
            threshold,
            people: count,
        });
    } else if 1 < needed && needed < count {
        differences.push(Difference::OneOf {
            threshold,
            people: count,
        });
    }
    let requirements = if count <= needed {
        people.iter().map(|one| signed_by(one)).collect()
    } else {
        vec![signed_by(&people.concat())]
    };
    let images = BTreeMap::from([(repository(&policy.registry), requirements)]);
    let podman = PodmanPolicy {
        default: [Requirement::Reject],
        transports: BTreeMap::from([("docker", images)]),
    };
    Ok((podman, differences))
}

/// Returns a file for `registries.d`, which says where signatures lie. `base` is the address of a server, or that of a
/// directory (`file:///`), and has no quotation mark and no backslash in it.
pub fn podman_registries(registry: &Registry, base: &str) -> String {
    let base = base.trim_end_matches('/');
    // Podman leaves out the host where it looks for a signature.
    let host = host(registry).map_or_else(String::new, |host| format!("/{host}"));
    let repository = repository(registry);
    format!("docker:\n  {repository}:\n    lookaside: \"{base}{host}\"\n")
}

fn certificates(member: &Member, keyring: &Keyring, differences: &mut Vec<Difference>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for certificate in &member.certificates {
        match keyring.export(certificate) {
            Some(exported) => bytes.extend(exported),
            None => differences.push(Difference::Missing {
                certificate: certificate.clone(),
                person: member.name.clone(),
            }),
        }
    }
    bytes
}

fn signed_by(certificates: &[u8]) -> Requirement {
    Requirement::SignedBy {
        key_type: "GPGKeys",
        key_data: STANDARD.encode(certificates),
        signed_identity: Identity::MatchRepoDigestOrExact,
    }
}

/// Returns the host that a registry names, by the rule of the names of images.
fn host(registry: &Registry) -> Option<&str> {
    let first = registry.as_str().split('/').next()?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

fn repository(registry: &Registry) -> String {
    match host(registry) {
        Some(_) => registry.to_string(),
        None => format!("{DEFAULT_HOST}/{registry}"),
    }
}
