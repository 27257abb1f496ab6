//! Bytes are refused as a keyring, or have certificates that can be shown, and exported and read again.
//!
//! `cargo +nightly fuzz run keyring fuzz/corpus/keyring fuzz/seeds/keyring`, in `crates/trust`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Keyring;

/// 2027-01-15, when the keys of the seeds are good.
const NOW: i64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let mut keyring = Keyring::default();
    if let Err(error) = keyring.add(data) {
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        return;
    }
    let described = keyring.certificates(NOW);
    assert!(described.len() == keyring.fingerprints().count());
    for fingerprint in keyring.fingerprints() {
        // None that its own key has not signed can be exported.
        let Some(bytes) = keyring.export(fingerprint) else {
            continue;
        };
        let mut again = Keyring::default();
        let added = again.add(&bytes);
        added.expect("what was exported is a certificate");
        assert!(
            again.fingerprints().eq([fingerprint]),
            "another was exported"
        );
    }
});
