//! Signatures that gpg makes, and what attackers do with them: whether they count, and toward what.
//!
//! Each case that is named in `docs/trust.md` is a test here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; gpg is started here only"
)]

mod crafted;
mod evidence;
mod gpg;
mod material;
mod page;
mod podman;
mod server;
mod statements;

use std::collections::BTreeMap;

use documents::SignatureRefusal;
use trust::{InvalidKeyring, Judgement, Keyring, Policy, Refusal, Wanted, judge, verify};

use material::{MATERIAL, Material, NOW, TAG, payload, place};

/// Judges signatures as `signature-1` and so on.
fn judged(keyring: &Keyring, policy: &Policy, signatures: &[&[u8]]) -> Judgement {
    let signatures: Vec<_> = (1..)
        .zip(signatures.iter().map(|bytes| bytes.to_vec()))
        .collect();
    let place = place();
    judge(
        policy,
        keyring,
        Wanted {
            place: &place,
            tag: Some(TAG),
            signatures: &signatures,
            seen: &BTreeMap::new(),
        },
        NOW,
    )
}

fn usual(signatures: &[&[u8]]) -> Judgement {
    judged(&MATERIAL.keyring(), &MATERIAL.policy(), signatures)
}

/// Returns why each signature does not count.
fn refusals(judgement: &Judgement) -> Vec<Option<SignatureRefusal>> {
    let each = judgement.signatures.iter();
    each.map(|one| one.refusal.as_ref().map(Refusal::kind))
        .collect()
}

/// Asserts that a signature that stands beside Bob's good one does not count, and why.
fn refused(signature: &[u8], why: SignatureRefusal) {
    let judgement = usual(&[&MATERIAL.bob.signature, signature]);
    assert_eq!(refusals(&judgement), [None, Some(why)], "{judgement:?}");
    assert_eq!(
        (judgement.people, judgement.missing),
        (vec!["Bob".to_owned()], 1)
    );
}

/// Asserts that a signature does not hold, and that this is said.
fn bad(signature: &[u8], expected: &str) {
    refused(signature, SignatureRefusal::Bad);
    let said = verify(&MATERIAL.keyring(), signature, NOW)
        .unwrap_err()
        .to_string();
    assert!(said.contains(expected), "{said}");
}

#[test]
fn two_people_are_a_quorum() {
    let judgement = usual(&[&MATERIAL.ada.signature, &MATERIAL.bob.signature]);
    assert_eq!(refusals(&judgement), [None, None], "{judgement:?}");
    assert_eq!(judgement.people, ["Ada", "Bob"]);
    assert_eq!(judgement.missing, 0);
}

#[test]
fn all_forms_that_gpg_writes_are_read() {
    for (name, bytes) in &MATERIAL.forms {
        let signed =
            verify(&MATERIAL.keyring(), bytes, NOW).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(signed.bytes, payload(material::PACKAGE, TAG, 7), "{name}");
        assert_eq!(signed.certificate, MATERIAL.ada.fingerprint, "{name}");
    }
}

#[test]
fn the_same_signature_twice_is_one() {
    let Material { ada, .. } = &*MATERIAL;
    let judgement = usual(&[&ada.signature, &ada.signature]);
    assert_eq!(refusals(&judgement), [None, Some(SignatureRefusal::Again)]);
    assert_eq!(judgement.missing, 1);
}

#[test]
fn two_subkeys_and_two_user_ids_of_a_person_are_one() {
    let Material {
        bob,
        bob_second_subkey,
        ..
    } = &*MATERIAL;
    let judgement = usual(&[&bob.signature, bob_second_subkey]);
    assert_eq!(
        refusals(&judgement),
        [None, Some(SignatureRefusal::Again)],
        "{judgement:?}"
    );
    let keys: Vec<_> = judgement
        .signatures
        .iter()
        .map(|one| one.signed.as_ref().unwrap())
        .collect();
    assert_ne!(keys[0].key, keys[1].key);
    assert_eq!(keys[0].certificate, keys[1].certificate);
    let certificates = MATERIAL.keyring().certificates(NOW);
    let certificate = certificates
        .iter()
        .find(|one| one.fingerprint == bob.fingerprint)
        .unwrap();
    assert_eq!(
        (certificate.user_ids.len(), certificate.signing_keys.len()),
        (2, 2)
    );
}

#[test]
fn two_certificates_of_a_person_are_one() {
    let Material {
        ada, ada_second, ..
    } = &*MATERIAL;
    let judgement = usual(&[&ada.signature, &ada_second.signature]);
    assert_eq!(refusals(&judgement), [None, Some(SignatureRefusal::Again)]);
    assert_eq!(judgement.people, ["Ada"]);
}

#[test]
fn who_is_not_in_the_policy_counts_nothing() {
    refused(&MATERIAL.mallory.signature, SignatureRefusal::Unlisted);
}

#[test]
fn a_key_that_nobody_has_counts_nothing() {
    let mut keyring = Keyring::default();
    keyring.add(&MATERIAL.bob.certificate).unwrap();
    let judgement = judged(&keyring, &MATERIAL.policy(), &[&MATERIAL.ada.signature]);
    assert_eq!(refusals(&judgement), [Some(SignatureRefusal::UnknownKey)]);
}

#[test]
fn a_machine_is_no_person() {
    refused(&MATERIAL.robot.signature, SignatureRefusal::Machine);
}

#[test]
fn who_may_not_sign_a_package_does_not_count_for_it() {
    let text =
        MATERIAL
            .policy_text()
            .replacen("[[people]]", "[[people]]\npackages = [\"user-*\"]", 1);
    let policy = Policy::read(&text).unwrap();
    let judgement = judged(&MATERIAL.keyring(), &policy, &[&MATERIAL.ada.signature]);
    assert_eq!(refusals(&judgement), [Some(SignatureRefusal::NotAllowed)]);
}

#[test]
fn a_signature_of_something_else_that_was_moved_here_does_not_count() {
    for (name, bytes) in &MATERIAL.of {
        let why = match *name {
            "another package" | "another digest" | "another registry" => SignatureRefusal::Moved,
            "another version" => SignatureRefusal::Tag,
            _ => continue,
        };
        eprintln!("{name}");
        refused(bytes, why);
    }
}

#[test]
fn another_version_counts_where_the_policy_says_so() {
    let text = format!("reference = \"repository\"\n{}", MATERIAL.policy_text());
    let policy = Policy::read(&text).unwrap();
    let (_, bytes) = MATERIAL
        .of
        .iter()
        .find(|(name, _)| *name == "another version")
        .unwrap();
    let judgement = judged(&MATERIAL.keyring(), &policy, &[bytes]);
    assert_eq!(refusals(&judgement), [None]);
}

#[test]
fn a_valid_signature_of_no_payload_does_not_count() {
    let mut seen = 0;
    for (name, bytes) in &MATERIAL.of {
        let why = match *name {
            "another package" | "another digest" | "another registry" | "another version" => {
                continue;
            }
            "more than a payload has" | "a payload with a gigabyte behind it" => {
                SignatureRefusal::TooLarge
            }
            _ => SignatureRefusal::Payload,
        };
        eprintln!("{name}");
        refused(bytes, why);
        seen += 1;
    }
    assert_eq!(seen, 9);
}

#[test]
fn what_was_signed_after_the_key_expired_does_not_count() {
    refused(&MATERIAL.signed_after_expiry, SignatureRefusal::Key);
}

#[test]
fn what_an_expired_key_says_it_signed_before_does_not_count_alone() {
    refused(&MATERIAL.expired.signature, SignatureRefusal::Lapsed);
    let before = 1_772_323_200; // The first of March.
    assert!(
        verify(&MATERIAL.keyring(), &MATERIAL.expired.signature, before)
            .unwrap()
            .lapse
            .is_none()
    );
}

#[test]
fn what_was_signed_after_the_key_was_retired_does_not_count() {
    refused(&MATERIAL.signed_after_retirement, SignatureRefusal::Key);
}

#[test]
fn what_a_retired_key_says_it_signed_before_does_not_count_alone() {
    refused(&MATERIAL.retired.signature, SignatureRefusal::Lapsed);
    let signed = verify(&MATERIAL.keyring(), &MATERIAL.retired.signature, NOW).unwrap();
    let first_of_april = 1_775_001_600;
    assert_eq!(signed.lapse.unwrap().since, first_of_april);
}

#[test]
fn nothing_that_a_revoked_key_signed_counts_however_early_it_says_it_was() {
    refused(&MATERIAL.compromised.signature, SignatureRefusal::Revoked);
    refused(
        &MATERIAL.revoked_without_reason.signature,
        SignatureRefusal::Revoked,
    );
    // The revocation is known, even at a time at which it was not made yet.
    let early = 1_772_409_600;
    let refusal = verify(&MATERIAL.keyring(), &MATERIAL.compromised.signature, early).unwrap_err();
    assert_eq!(refusal.kind(), SignatureRefusal::Revoked);
}

#[test]
fn what_was_signed_before_the_key_was_made_does_not_count() {
    refused(
        &MATERIAL.signed_before_the_key_was_made,
        SignatureRefusal::Key,
    );
}

#[test]
fn what_is_signed_in_the_future_does_not_count() {
    bad(&MATERIAL.signed_in_the_future, "Not live until 2027-01-01");
}

#[test]
fn a_signature_with_a_limit_does_not_count_behind_it() {
    bad(&MATERIAL.with_a_limit, "Expired on 2026-03-31");
}

#[test]
fn sha1_is_refused() {
    bad(&MATERIAL.sha1, "SHA1");
}

#[test]
fn two_signatures_in_a_message_are_refused() {
    refused(&MATERIAL.by_two, SignatureRefusal::Several);
}

#[test]
fn a_signature_of_text_is_refused() {
    refused(&MATERIAL.text, SignatureRefusal::Kind);
}

#[test]
fn what_is_no_binary_signed_message_is_refused() {
    let Material {
        armored,
        clear_text,
        detached,
        ada,
        ..
    } = &*MATERIAL;
    for bytes in [armored, clear_text, detached, &ada.certificate] {
        refused(bytes, SignatureRefusal::NotSigned);
    }
    refused(b"", SignatureRefusal::NotSigned);
    refused(b"junk", SignatureRefusal::NotSigned);
    refused(&[0xff; 4096], SignatureRefusal::NotSigned);
}

#[test]
fn no_beginning_of_a_signature_and_none_with_another_byte_counts() {
    let keyring = MATERIAL.keyring();
    let (_, good) = &MATERIAL.forms[5];
    let expected = verify(&keyring, good, NOW).unwrap();
    for at in 0..good.len() {
        assert!(verify(&keyring, &good[..at], NOW).is_err(), "{at} bytes");
        let mut other = good.clone();
        other[at] ^= 0x40;
        // Not all of a message is signed: that it comes from a file of some name, for example.
        if let Ok(signed) = verify(&keyring, &other, NOW) {
            assert_eq!(signed, expected, "another byte at {at}");
        }
    }
    assert!(verify(&keyring, &[&good[..], b"\0"].concat(), NOW).is_err());
    assert!(verify(&keyring, &[&good[..], &good[..]].concat(), NOW).is_err());
}

#[test]
fn a_keyring_is_read_armored_or_not_and_has_nothing_else_in_it() {
    let Material {
        ada,
        bob,
        armored_certificates,
        secret,
        ..
    } = &*MATERIAL;
    let mut keyring = Keyring::default();
    keyring.add(armored_certificates).unwrap();
    keyring
        .add(&[&ada.certificate[..], &bob.certificate].concat())
        .unwrap();
    let mut both = [&ada.fingerprint, &bob.fingerprint];
    both.sort();
    assert_eq!(keyring.fingerprints().collect::<Vec<_>>(), both);

    let add = |bytes: &[u8]| Keyring::default().add(bytes);
    assert_eq!(
        add(secret),
        Err(InvalidKeyring::Secret(ada.fingerprint.clone()))
    );
    assert_eq!(add(b""), Err(InvalidKeyring::Empty));
    assert_eq!(
        add(b"\0\0\0\x20\x01\x01\0\x02KBXf\0\0\0\0"),
        Err(InvalidKeyring::Keybox)
    );
    let cut = &armored_certificates[..armored_certificates.len() - 40];
    assert!(matches!(add(cut), Err(InvalidKeyring::Armor(_))));
    for garbage in [
        [&ada.certificate[..], b"garbage"].concat(),
        [b"\xff\xff", &ada.certificate[..]].concat(),
        ada.certificate[..ada.certificate.len() - 10].to_vec(),
        ada.signature.clone(),
        [&ada.certificate[..], &ada.signature].concat(),
    ] {
        assert!(add(&garbage).is_err());
    }
}
