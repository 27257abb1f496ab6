//! Statements of how a package was reproduced that say something else, or that somebody else signed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use documents::{
    Attempt, AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict, DependencyOrigin,
    Predicate, Reproduction, Statement, Version,
};
use openpgp::cert::{Cert, CertBuilder};
use openpgp::serialize::stream::{Message, Signer};
use rstest::rstest;
use sequoia_openpgp as openpgp;
use trust::{Keyring, Reproduced};

use crate::crafted::{builder, made, primary, public};
use crate::material::{NOW, PACKAGE, digest, place};

/// Returns the statements of an attempt that has reproduced the package.
fn statements() -> Vec<Statement> {
    let attempt = Attempt {
        version: Version,
        reproduction: "0123456789abcdef".to_owned(),
        package: PACKAGE.to_owned(),
        platform: None,
        package_version: None,
        key: None,
        profile: "stagex-2026".to_owned(),
        tree: AttemptTree {
            commit: None,
            dirty: false,
        },
        runtime: AttemptRuntime {
            name: "native".to_owned(),
            version: "1".to_owned(),
        },
        machine: AttemptMachine {
            whose: None,
            worker: None,
            kernel: "6".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_vendor: "GenuineIntel".to_owned(),
            cpu_model: String::new(),
            processors: 1,
        },
        stagex: "0.1.0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seconds: 1.5,
        dependencies: DependencyOrigin::Built,
        materials: Vec::new(),
        seeds: Vec::new(),
        rounds: Vec::new(),
        recorded: Some(digest(7)),
        digest: Some(digest(7)),
        verdict: AttemptVerdict::Reproduced,
        failure: None,
        broken_by: None,
        log: None,
    };
    attest::statements(&attempt, "stagex")
}

/// Returns the one that says how the package was reproduced.
fn usual() -> Statement {
    statements().remove(1)
}

fn reproduction(statement: &mut Statement) -> &mut Reproduction {
    let Predicate::Reproduction(found) = &mut statement.predicate else {
        panic!("it says something else");
    };
    found
}

/// Returns the line of a statement that a certificate signs.
fn signed(cert: &Cert, statement: &Statement) -> String {
    let statement = attest::line(statement);
    let mut signature = Vec::new();
    let signer = Signer::new(Message::new(&mut signature), primary(cert)).unwrap();
    let signer = signer.detached().creation_time(made());
    let mut signer = signer.build().unwrap();
    signer
        .write_all(&attest::to_sign(statement.as_bytes()))
        .unwrap();
    signer.finalize().unwrap();
    attest::enclose(statement.as_bytes(), "", &signature)
}

/// Returns what a line says, where a signature by `cert` is believed, and what is wrong with it.
fn said(by: &Cert, line: &str, keys: &[&Cert]) -> (Reproduced, Vec<String>) {
    let mut keyring = Keyring::default();
    for key in keys {
        keyring.add(&public(key)).unwrap();
    }
    let mut said = Reproduced::default();
    let by = by.fingerprint().to_hex().parse().unwrap();
    let wrong = said.add(&keyring, &place(), &by, line, NOW);
    (said, wrong)
}

fn cert(builder: CertBuilder<'static>) -> Cert {
    builder.generate().unwrap().0
}

#[test]
fn what_a_signer_says_of_an_image_counts() {
    let ada = cert(builder("Ada"));
    let (said, wrong) = said(&ada, &signed(&ada, &usual()), &[&ada]);
    assert!(wrong.is_empty(), "{wrong:?}");
    let set = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!(
        (said.cpu_vendors, said.runtimes),
        (set("GenuineIntel"), set("native"))
    );
}

#[rstest]
#[case::another_package(|one: &mut Statement| one.subject[0].name = "core-other".to_owned(), "another image")]
#[case::another_digest(
    |one: &mut Statement| {
        one.subject[0].digest = BTreeMap::from([("sha256".to_owned(), digest(8).hex().to_owned())]);
    },
    "another image"
)]
#[case::another_result(|one: &mut Statement| reproduction(one).digest = digest(8), "another image")]
#[case::two_images(
    |one: &mut Statement| {
        let again = one.subject[0].clone();
        one.subject.push(again);
    },
    "not about one image"
)]
#[case::not_reproduced(
    |one: &mut Statement| reproduction(one).verdict = AttemptVerdict::NotRecorded,
    "that the signer has reproduced"
)]
#[case::by_somebody_else(
    |one: &mut Statement| reproduction(one).machine.whose = Some("Eve".to_owned()),
    "that the signer has reproduced"
)]
#[case::how_it_was_built(|one: &mut Statement| *one = statements().remove(0), "does not say how")]
fn a_statement_that_says_something_else_does_not_count(
    #[case] change: fn(&mut Statement),
    #[case] expected: &str,
) {
    let ada = cert(builder("Ada"));
    let mut statement = usual();
    change(&mut statement);
    let (said, wrong) = said(&ada, &signed(&ada, &statement), &[&ada]);
    assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
    assert_eq!(said, Reproduced::default());
}

#[test]
fn a_statement_of_another_signer_or_of_an_expired_key_does_not_count() {
    let (ada, eve) = (cert(builder("Ada")), cert(builder("Eve")));
    let expired = cert(builder("Dave").set_validity_period(Duration::from_secs(3600)));
    for (by, signer, expected) in [
        (&ada, &eve, "it is signed by"),
        (&expired, &expired, "its key expired"),
    ] {
        let (said, wrong) = said(by, &signed(signer, &usual()), &[&ada, &eve, &expired]);
        assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
        assert_eq!(said, Reproduced::default());
    }
}
