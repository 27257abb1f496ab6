//! Whatever the bytes of a signature are, nothing counts but what its key has signed.
//!
//! `cargo +nightly fuzz run signature fuzz/corpus/signature fuzz/seeds/signature`, in `crates/trust`. `ada.pgp` is a
//! certificate that gpg made, whose secret key nobody has kept. It has signed `payload.json`, in the forms that the seeds
//! have, and nothing else of this kind. So there is no other signature that holds.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trust::{Keyring, Payload, Place, Policy, Wanted, judge, verify};

/// 2027-01-15, when the key is good.
const NOW: i64 = 1_800_000_000;
const PAYLOAD: &[u8] = include_bytes!("../payload.json");

static ADA: LazyLock<(Keyring, Policy)> = LazyLock::new(|| {
    let mut keyring = Keyring::default();
    let added = keyring.add(include_bytes!("../ada.pgp"));
    added.expect("it is a certificate");
    // Where nothing counts, nothing is shown.
    let plain = include_bytes!("../seeds/signature/plain");
    let compressed = include_bytes!("../seeds/signature/compressed");
    assert!(verify(&keyring, plain, NOW).is_ok() && verify(&keyring, compressed, NOW).is_ok());
    let policy = Policy::of_certificates(None, Some(1), keyring.fingerprints());
    (keyring, policy.expect("one person is enough for it"))
});

fuzz_target!(|data: &[u8]| {
    let (keyring, policy) = &*ADA;
    let signed = verify(keyring, data, NOW);
    if let Ok(signed) = &signed {
        assert!(signed.bytes == PAYLOAD, "the key has not signed that");
    }
    let place = Place::of(&Payload::read(PAYLOAD).expect("it is a payload"));
    let wanted = Wanted {
        place: &place,
        tag: Some("1.2"),
        signatures: &[(1, data.to_vec()), (2, data.to_vec())],
        seen: &BTreeMap::new(),
    };
    let judgement = judge(policy, keyring, wanted, NOW);
    assert!(
        judgement.people.len() == usize::from(signed.is_ok()),
        "a file counts, and not a person"
    );
    assert!((judgement.missing == 0) == signed.is_ok());
});
