//! An attempt as in-toto statements: its provenance in the words of SLSA, and its reproduction in ours.
//! `docs/attestations.md` says what the URIs mean.

use std::collections::BTreeMap;

use documents::{
    Attempt, BuildDefinition, BuildMetadata, BuildParameters, Builder, Digest, Material,
    MaterialKind, Predicate, Provenance, Reproduction, ResourceDescriptor, RunDetails, Statement,
    Version, rfc3339, seconds_of,
};

use crate::uri::{NAMES, encoded, of_image};

/// The type of each statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The type of the predicate that says what an image was built from.
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// The type of the predicate that says how an image was built again.
pub const REPRODUCTION: &str = "https://stagex.tools/attestation/reproduction/v1";
/// How the parameters of a build are to be understood.
pub const BUILD_TYPE: &str = "https://stagex.tools/attestation/build/v1";

/// Returns the statements about an attempt, its provenance first. An attempt without a digest has no subject, and no
/// statements. `registry` is where the images of dependencies are published.
pub fn statements(attempt: &Attempt, registry: &str) -> Vec<Statement> {
    let Some(digest) = &attempt.digest else {
        return Vec::new();
    };
    let provenance = Predicate::Provenance(Box::new(provenance(attempt, registry)));
    let reproduction = Predicate::Reproduction(Box::new(reproduction(attempt, digest)));
    let predicates = [(PROVENANCE, provenance), (REPRODUCTION, reproduction)];
    let statement = |(kind, predicate): (&str, Predicate)| Statement {
        statement_type: STATEMENT.to_owned(),
        subject: vec![ResourceDescriptor {
            name: attempt.package.clone(),
            digest: sha256(digest),
            annotations: only("platform", attempt.platform.as_deref()),
            ..ResourceDescriptor::default()
        }],
        predicate_type: kind.to_owned(),
        predicate,
    };
    predicates.into_iter().map(statement).collect()
}

/// Returns a statement as one line of JSON, as `.intoto.jsonl` has it.
pub fn line(statement: &Statement) -> String {
    serde_json::to_string(statement).expect("a statement is plain data")
}

fn provenance(attempt: &Attempt, registry: &str) -> Provenance {
    let commit = attempt.tree.commit.as_ref().map(|commit| {
        let dirty = attempt.tree.dirty.then_some("true");
        ResourceDescriptor {
            name: "tree".to_owned(),
            digest: BTreeMap::from([("gitCommit".to_owned(), commit.clone())]),
            annotations: only("dirty", dirty),
            ..ResourceDescriptor::default()
        }
    });
    let materials = attempt
        .materials
        .iter()
        .map(|each| resource(each, registry));
    let started = seconds_of(&attempt.started);
    let finished = started.map(|started| rfc3339(started.saturating_add(whole(attempt.seconds))));
    let runtime = attempt.runtime.engine();
    Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: BuildParameters {
                package: attempt.package.clone(),
                package_version: attempt.package_version.clone(),
                platform: attempt.platform.clone(),
                profile: attempt.profile.clone(),
            },
            resolved_dependencies: commit.into_iter().chain(materials).collect(),
        },
        run_details: RunDetails {
            builder: Builder {
                id: format!("{NAMES}/builder/{}", encoded(runtime)),
                version: BTreeMap::from([
                    ("stagex".to_owned(), attempt.stagex.clone()),
                    (runtime.to_owned(), attempt.runtime.version.clone()),
                ]),
            },
            metadata: BuildMetadata {
                invocation_id: attempt.reproduction.clone(),
                started_on: attempt.started.clone(),
                finished_on: finished,
            },
        },
    }
}

fn reproduction(attempt: &Attempt, digest: &Digest) -> Reproduction {
    Reproduction {
        version: Version,
        reproduction: attempt.reproduction.clone(),
        key: attempt.key.clone(),
        profile: attempt.profile.clone(),
        tree: attempt.tree.clone(),
        runtime: attempt.runtime.clone(),
        machine: attempt.machine.clone(),
        stagex: attempt.stagex.clone(),
        started: attempt.started.clone(),
        seconds: attempt.seconds,
        dependencies: attempt.dependencies,
        seeds: attempt.seeds.clone(),
        rounds: attempt.rounds.clone(),
        recorded: attempt.recorded.clone(),
        digest: digest.clone(),
        verdict: attempt.verdict,
    }
}

fn resource(material: &Material, registry: &str) -> ResourceDescriptor {
    let (kind, uri) = match material.kind {
        MaterialKind::Containerfile => ("containerfile", None),
        MaterialKind::File => ("file", None),
        MaterialKind::Source => ("source", material.mirrors.first().cloned()),
        MaterialKind::Dependency => {
            let image = of_image(registry, &material.name, Some(&material.digest), None);
            ("dependency", Some(image))
        }
    };
    ResourceDescriptor {
        name: material.name.clone(),
        uri,
        digest: sha256(&material.digest),
        annotations: only("kind", Some(kind)),
    }
}

fn sha256(digest: &Digest) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), digest.hex().to_owned())])
}

fn only(name: &str, value: Option<&str>) -> BTreeMap<String, String> {
    let pair = value.map(|value| (name.to_owned(), value.to_owned()));
    pair.into_iter().collect()
}

/// Returns whole seconds. What is no duration is none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a duration that is larger ends where the number does"
)]
fn whole(seconds: f64) -> i64 {
    (seconds.max(0.0).ceil() as i64).min(i64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_below_one_name() {
        for name in [BUILD_TYPE, REPRODUCTION] {
            assert!(name.starts_with(NAMES), "{name}");
        }
    }

    #[test]
    fn the_page_says_what_each_name_means() {
        let page = include_str!("../../../docs/attestations.md");
        for name in [BUILD_TYPE, REPRODUCTION, &format!("{NAMES}/builder/")] {
            assert!(page.contains(name), "docs/attestations.md: {name}");
        }
    }
}
