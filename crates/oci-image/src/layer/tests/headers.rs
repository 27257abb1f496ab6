//! Headers that no test writes content for.

use rstest::rstest;

use crate::digest::Digest;
use crate::entry::{Device, Time};
use crate::layer::header::Header;

/// The digests are those of what Go 1.19 wrote. (The other borders of all fields are
/// compared with Go itself, in `tests/suite`.)
#[rstest]
#[case::largest_plain(
    (1 << 33) - 1,
    "sha256:5576195342d7343f06aa48e2f66ac3b33cb5262ac9150b3cdf2762bf1f4db2bb"
)]
#[case::smallest_extended(
    1 << 33,
    "sha256:6f559c5bc97d43c4d7efa3f076a5cd538e1da13d70a0b32a1a9302b7238cf501"
)]
fn huge_sizes_are_written_as_by_go(#[case] size: u64, #[case] digest: &str) {
    let header = Header {
        name: b"big".to_vec(),
        link: b"",
        kind: b'0',
        mode: 0o644,
        user: 0,
        group: 0,
        size,
        modified: Time::from_seconds(1_700_000_000),
        device: Device { major: 0, minor: 0 },
        capability: None,
    };
    let mut written = Vec::new();
    header.write(1, &mut written).unwrap();
    assert_eq!(Digest::of(&written).to_string(), digest);
}
