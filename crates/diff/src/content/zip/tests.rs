//! Archives whose files are the same bytes.

use super::*;

/// How large the file is that all of these are.
const FILE: u32 = 1_000;

/// Returns an archive with `count` files that all are the same stored bytes, of which the central directory says
/// that they become `size` bytes.
fn overlapping(count: u16, size: u32) -> Vec<u8> {
    let mut archive = b"PK\x03\x04".to_vec();
    archive.resize(LOCAL + usize::try_from(FILE).unwrap(), 0);
    let start = u32::try_from(archive.len()).unwrap();
    for _ in 0..count {
        let mut header = vec![0; CENTRAL];
        header[..4].copy_from_slice(b"PK\x01\x02");
        header[20..24].copy_from_slice(&FILE.to_le_bytes());
        header[24..28].copy_from_slice(&size.to_le_bytes());
        archive.extend(header);
    }
    let mut end = vec![0; END];
    end[..4].copy_from_slice(b"PK\x05\x06");
    end[10..12].copy_from_slice(&count.to_le_bytes());
    end[16..20].copy_from_slice(&start.to_le_bytes());
    archive.extend(end);
    archive
}

/// The same bytes may be many files: what is stored has the same limit as what is compressed.
#[test]
fn files_that_are_the_same_bytes_are_counted_each() {
    let with_data = |size| {
        let archive = overlapping(100, size);
        let mut room = 7 * u64::from(FILE) + 1;
        let members = read(&archive, &mut room).unwrap();
        assert_eq!(members.len(), 100);
        let data = members.iter().filter(|member| member.data.is_some());
        data.count()
    };
    assert_eq!(with_data(FILE), 7);
    // A size that is not that of what is stored would not be counted.
    assert_eq!(with_data(0), 0);
    assert_eq!(with_data(1), 0);
}
