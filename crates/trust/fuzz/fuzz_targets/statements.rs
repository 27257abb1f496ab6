//! Whatever the lines of statements are, nothing counts but what its key has signed.
//!
//! `cargo +nightly fuzz run statements fuzz/corpus/statements fuzz/seeds/statements`, in `crates/trust`. The key of
//! `ada.pgp`, which nobody has kept, has signed that a package was reproduced with `native` on a `GenuineIntel`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trust::{Keyring, Payload, Place, Reproduced};

/// 2027-01-15, when the key is good.
const NOW: i64 = 1_800_000_000;

/// How many statements are looked at.
const MOST: usize = 64;

static ADA: LazyLock<(Keyring, Place)> = LazyLock::new(|| {
    let mut keyring = Keyring::default();
    let added = keyring.add(include_bytes!("../ada.pgp"));
    added.expect("it is a certificate");
    let payload = Payload::read(include_bytes!("../payload.json"));
    let place = Place::of(&payload.expect("it is a payload"));
    let ada = keyring.fingerprints().next().expect("there is one");
    let line = include_str!("../seeds/statements/reproduction");
    // Where nothing counts, nothing is shown.
    let wrong = Reproduced::default().add(&keyring, &place, ada, line, NOW);
    assert!(wrong.is_empty(), "{wrong:?}");
    (keyring, place)
});

fuzz_target!(|data: &[u8]| {
    let Ok(lines) = std::str::from_utf8(data) else {
        return;
    };
    let (keyring, place) = &*ADA;
    let ada = keyring.fingerprints().next().expect("there is one");
    let mut said = Reproduced::default();
    let wrong = said.add(keyring, place, ada, lines, NOW);
    // Of more lines than are looked at, it is said once that they are too many.
    let lines = lines.lines().count().min(MOST + 1);
    assert!(wrong.len() <= lines);
    assert!(
        said.runtimes.iter().all(|runtime| runtime == "native"),
        "nobody has signed that"
    );
    assert!(
        said.cpu_vendors
            .iter()
            .all(|vendor| vendor == "GenuineIntel"),
        "nobody has signed that"
    );
    assert!(!said.runtimes.is_empty() || wrong.len() == lines);
});
