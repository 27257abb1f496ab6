//! What gpg does not write: messages and certificates that only an attacker makes.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use documents::SignatureRefusal;
use openpgp::cert::{Cert, CertBuilder};
use openpgp::crypto::KeyPair;
use openpgp::packet::key::{SecretParts, UnspecifiedRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, Marker, Packet};
use openpgp::serialize::Serialize as _;
use openpgp::serialize::stream::{Compressor, LiteralWriter, Message, Signer};
use openpgp::types::{CompressionAlgorithm, KeyFlags, SignatureType};
use sequoia_openpgp as openpgp;
use trust::{Keyring, verify};

use crate::material::{MATERIAL, NOW, PACKAGE, TAG, payload};

/// What unpacks to about so much does so from a signature that is small enough to be read.
const BOMB: usize = 40 << 20;

/// When keys are made here, and signatures.
pub(crate) fn made() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.try_into().unwrap()) - Duration::from_secs(86_400)
}

fn pair(key: Key<SecretParts, UnspecifiedRole>) -> KeyPair {
    key.into_keypair().unwrap()
}

pub(crate) fn primary(cert: &Cert) -> KeyPair {
    pair(
        cert.primary_key()
            .key()
            .clone()
            .parts_into_secret()
            .unwrap()
            .role_into_unspecified(),
    )
}

fn subkey(cert: &Cert) -> KeyPair {
    let key = cert.keys().subkeys().next().unwrap().key().clone();
    pair(key.parts_into_secret().unwrap().role_into_unspecified())
}

pub(crate) fn builder(user: &str) -> CertBuilder<'static> {
    let flags = KeyFlags::empty().set_certification().set_signing();
    CertBuilder::new()
        .add_userid(user)
        .set_primary_key_flags(flags)
        .set_creation_time(made())
}

pub(crate) fn public(cert: &Cert) -> Vec<u8> {
    let mut bytes = Vec::new();
    cert.serialize(&mut bytes).unwrap();
    bytes
}

fn signed(layers: usize, key: KeyPair, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut message = Message::new(&mut bytes);
    for _ in 0..layers {
        message = Compressor::new(message)
            .algo(CompressionAlgorithm::Zip)
            .build()
            .unwrap();
    }
    let signer = Signer::new(message, key).unwrap().creation_time(made());
    let mut literal = LiteralWriter::new(signer.build().unwrap()).build().unwrap();
    literal.write_all(contents).unwrap();
    literal.finalize().unwrap();
    bytes
}

fn good() -> Vec<u8> {
    payload(PACKAGE, TAG, 7)
}

/// Returns why a signature does not hold under these certificates.
fn refused(certificates: &[&Cert], bytes: &[u8]) -> SignatureRefusal {
    let mut keyring = Keyring::default();
    for certificate in certificates {
        keyring.add(&public(certificate)).unwrap();
    }
    verify(&keyring, bytes, NOW).unwrap_err().kind()
}

#[test]
fn what_is_crafted_here_counts_otherwise() {
    let (cert, _) = builder("Eve").generate().unwrap();
    let mut keyring = Keyring::default();
    keyring.add(&public(&cert)).unwrap();
    for layers in [0, 1] {
        let bytes = signed(layers, primary(&cert), &good());
        assert_eq!(verify(&keyring, &bytes, NOW).unwrap().bytes, good());
    }
}

#[test]
fn a_compressed_bomb_is_not_unpacked() {
    let (cert, _) = builder("Eve").generate().unwrap();
    let bomb = signed(1, primary(&cert), &vec![0; BOMB]);
    assert!((bomb.len() as u64) < trust::FILE_LIMIT, "{}", bomb.len());
    assert_eq!(refused(&[&cert], &bomb), SignatureRefusal::TooLarge);
    let nested = signed(2, primary(&cert), &good());
    assert_eq!(refused(&[&cert], &nested), SignatureRefusal::NotSigned);
}

#[test]
fn a_bomb_of_packets_is_not_unpacked() {
    let mut packets = Vec::new();
    Packet::from(Marker::default())
        .serialize(&mut packets)
        .unwrap();
    let mut bytes = Vec::new();
    let message = Message::new(&mut bytes);
    let mut message = Compressor::new(message)
        .algo(CompressionAlgorithm::Zip)
        .build()
        .unwrap();
    message
        .write_all(&packets.repeat(BOMB / packets.len()))
        .unwrap();
    message.finalize().unwrap();
    assert_eq!(refused(&[], &bytes), SignatureRefusal::NotSigned);
}

#[test]
fn a_subkey_that_may_not_sign_does_not() {
    let (cert, _) = builder("Eve")
        .add_authentication_subkey()
        .generate()
        .unwrap();
    let bytes = signed(0, subkey(&cert), &good());
    assert_eq!(refused(&[&cert], &bytes), SignatureRefusal::Key);
}

#[test]
fn a_signing_subkey_that_stands_in_two_certificates_is_refused() {
    let (one, _) = builder("Eve").add_signing_subkey().generate().unwrap();
    let (other, _) = builder("Eve as well").generate().unwrap();
    let mut key = subkey(&one);
    let flags = || KeyFlags::empty().set_signing();
    let back =
        SignatureBuilder::new(SignatureType::PrimaryKeyBinding).set_signature_creation_time(made());
    let subkey_of = one.keys().subkeys().next().unwrap().key().clone();
    let back =
        back.unwrap()
            .sign_primary_key_binding(&mut key, other.primary_key().key(), &subkey_of);
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_signature_creation_time(made())
        .and_then(|binding| binding.set_key_flags(flags()))
        .and_then(|binding| binding.set_embedded_signature(back.unwrap()));
    let binding = subkey_of
        .bind(&mut primary(&other), &other, binding.unwrap())
        .unwrap();
    let packets = [
        Packet::from(subkey_of.role_into_subordinate()),
        binding.into(),
    ];
    let (other, _) = other.insert_packets(packets).unwrap();

    let bytes = signed(0, key, &good());
    let keyring = |certs: &[&Cert]| {
        let mut keyring = Keyring::default();
        for cert in certs {
            keyring.add(&public(cert)).unwrap();
        }
        keyring
    };
    // Each of them alone could sign with it.
    assert!(verify(&keyring(&[&one]), &bytes, NOW).is_ok());
    assert!(verify(&keyring(&[&other]), &bytes, NOW).is_ok());
    assert_eq!(
        refused(&[&one, &other], &bytes),
        SignatureRefusal::SharedKey
    );
}

#[test]
fn a_subkey_that_somebody_else_adds_to_a_certificate_is_none_of_it() {
    let (ada, _) = builder("Ada").generate().unwrap();
    let (eve, _) = builder("Eve").add_signing_subkey().generate().unwrap();
    let subkeys = eve.keys().subkeys();
    let packets = subkeys.flat_map(|key| {
        let bindings = key
            .self_signatures()
            .cloned()
            .map(Packet::from)
            .collect::<Vec<_>>();
        [vec![Packet::from(key.key().clone())], bindings].concat()
    });
    let packets: Vec<Packet> = packets.collect();
    // The bytes as they are: the library would leave out what does not belong there.
    let mut bytes = public(&ada);
    for packet in &packets {
        packet.serialize(&mut bytes).unwrap();
    }
    let signature = signed(0, subkey(&eve), &good());
    let mut keyring = Keyring::default();
    keyring.add(&bytes).unwrap();
    let refusal = verify(&keyring, &signature, NOW).unwrap_err().kind();
    assert!(
        matches!(
            refusal,
            SignatureRefusal::Key | SignatureRefusal::UnknownKey
        ),
        "{refusal:?}"
    );
}

#[test]
fn another_certificate_does_not_make_a_signature_somebody_elses() {
    let (eve, _) = builder("Ada <ada@example.org>").generate().unwrap();
    let mut keyring = MATERIAL.keyring();
    keyring.add(&public(&eve)).unwrap();
    let signed = verify(&keyring, &MATERIAL.ada.signature, NOW).unwrap();
    assert_eq!(signed.certificate, MATERIAL.ada.fingerprint);
}
