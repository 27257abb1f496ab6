//! Bytes are no payload, or the only spelling of one, and its signatures lie beneath the directory of all.
//!
//! `cargo +nightly fuzz run payload fuzz/corpus/payload fuzz/seeds/payload`, in `crates/trust`.
#![no_main]

use camino::Utf8Component;
use libfuzzer_sys::fuzz_target;
use trust::{Payload, Place};

fuzz_target!(|data: &[u8]| {
    let Ok(payload) = Payload::read(data) else {
        return;
    };
    assert!(payload.to_bytes() == data, "it has another spelling");
    let place = Place::of(&payload);
    assert!(place.is_of(&payload), "it is not of its own place");
    for path in [place.path(), place.attestation(1)] {
        let is_plain = |part| matches!(part, Utf8Component::Normal(_));
        assert!(
            path.components().all(is_plain),
            "it leads elsewhere: {path}"
        );
    }
});
