//! Files that are much larger once they are decompressed.

use std::io::Write as _;

use documents::DiffContentKind;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::limits::Limits;

fn bomb(last: u8) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 49_999]).unwrap();
    encoder.write_all(&[last]).unwrap();
    encoder.finish().unwrap()
}

/// Many small bombs are as large as one: what is unpacked has a limit for all of them together.
#[test]
fn many_bombs_are_not_unpacked() {
    let limits = Limits {
        content: 1 << 20,
        ..Limits::DEFAULT
    };
    let mut out = Out::new(limits.content);
    let (left, right) = (bomb(1), bomb(2));
    let task = Task {
        name: "a.gz",
        left: &left,
        right: &right,
        depth: 0,
        limits: &limits,
        run: |_, _| DiffContentKind::Binary,
    };
    let unpacked = (0..500).filter(|_| compare(task, &mut out)).count();
    // 4 MiB have room for 41 pairs of 50,000 bytes.
    assert_eq!(unpacked, 41);
}
