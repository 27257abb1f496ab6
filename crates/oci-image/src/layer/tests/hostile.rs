//! Archives that no engine should write: each is refused with a reason, none is followed.

use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::layer::archive::Item;
use crate::layer::block::BLOCK;

/// Returns why an archive is refused: by offset and as a stream for the same reason.
fn refused(bytes: &[u8]) -> String {
    let [indexed, streamed] = [Archive::index(file_of(bytes)), Archive::digest(bytes)]
        .map(|read| read.err().expect("it must be refused").problem.to_string());
    assert_eq!(indexed, streamed);
    indexed
}

/// Returns an archive of one header of a type, with these bytes in it and a right checksum.
fn patched(kind: u8, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar_of("f name 644 @9");
    tar[at..at + bytes.len()].copy_from_slice(bytes);
    tar[156] = kind;
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar
}

const NAME: usize = 0;
const USER: usize = 108;
const SIZE: usize = 124;
const LINK: usize = 157;

#[rstest]
#[case::absolute(b'0', NAME, b"/etc/passwd", "`/etc/passwd` is absolute")]
#[case::climbs(b'0', NAME, b"a/../../etc", "`a/../../etc` climbs with `..`")]
#[case::absurd_size(b'0', SIZE, b"77777777777\0", "the content of a file")]
#[case::size_beyond_all(
    b'0',
    SIZE,
    b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
    "the content of a file"
)]
#[case::negative_size(b'0', SIZE, &[0xff; 12], "the size of `name`")]
#[case::no_number(b'0', USER, b"user\0\0\0\0", "the user of `name`")]
#[case::negative_user(b'0', USER, &[0xff; 8], "the user of `name`")]
#[case::unknown_type(b'V', NAME, b"name", "type `V`")]
#[case::sparse(b'S', NAME, b"name", "type `S`")]
#[case::a_long_extended_header(b'x', SIZE, b"00010000000\0", "extended header of 2097152 bytes")]
#[case::a_link_to_nothing(b'1', LINK, b"elsewhere", "a hard link to `elsewhere`")]
#[case::a_link_to_itself(b'1', LINK, b"name", "a hard link to `name`")]
#[case::a_link_out(b'1', LINK, b"../../etc/passwd", "a hard link to `../../etc/passwd`")]
#[case::a_link_without_a_target(b'2', LINK, b"\0", "`name` is a symbolic link without a target")]
#[case::a_deletion_of_nothing(b'0', NAME, b".wh.", "`.wh.` is a whiteout")]
#[case::a_deletion_above(b'0', NAME, b".wh...", "`.wh...` is a whiteout")]
fn single_members_are_refused(
    #[case] kind: u8,
    #[case] at: usize,
    #[case] bytes: &[u8],
    #[case] reason: &str,
) {
    let refused = refused(&patched(kind, at, bytes));
    assert!(refused.contains(reason), "{refused}");
}

#[test]
fn a_file_may_be_called_like_a_compressed_archive() {
    let archive = Archive::index(file_of(&patched(b'0', NAME, b"\x1f\x8b\x08")));
    assert_eq!(archive.unwrap().items.len(), 1);
}

#[rstest]
#[case::duplicate("f a 644 @9\nd b 755 @9\nf a 644 @9", "`a` is in the archive twice")]
#[case::a_link_to_a_folder("d a 755 @9\nh b a", "a hard link to `a`")]
#[case::a_link_to_what_comes_later("h b a\nf a 644 @9", "a hard link to `a`")]
fn members_that_disagree_are_refused(#[case] text: &str, #[case] reason: &str) {
    let refused = refused(&tar_of(text));
    assert!(refused.contains(reason), "{refused}");
}

#[rstest]
#[case::in_nothing("f a/b 644 @9")]
#[case::in_a_file("f a 644 @9\nf a/b 644 @9")]
#[case::in_a_link("l a 777 @9 etc\nf a/b 644 @9")]
fn members_without_a_folder_are_refused(#[case] text: &str) {
    let problem = Below::default()
        .try_normalise(text, Means::Run, &[])
        .unwrap_err();
    assert!(matches!(problem, Problem::Parent { .. }), "{problem}");
    let problem = super::super::keep_changes(archive_of(text), &Tree::default(), &[]);
    assert!(matches!(problem, Err(Problem::Parent { .. })));
}

/// What it takes in memory does not grow with what an archive says of a target.
#[rstest]
#[case::long(&"l".repeat(4096), "a target longer than the 4,095 bytes")]
#[case::of_a_megabyte(&"l".repeat(1_000_000), "a target longer than the 4,095 bytes")]
#[case::with_a_zero("a\0b", "a NUL byte in its target")]
fn targets_that_no_kernel_takes_are_refused(#[case] target: &str, #[case] reason: &str) {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("linkpath", target.as_bytes())])
        .unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "name", "target").unwrap();
    let refused = refused(&builder.into_inner().unwrap());
    assert!(refused.contains(reason), "{refused}");
}

/// A file that was copied is no deletion, though a layer cannot have it; in a layer of an image it is.
#[rstest]
#[case::with_content("f d/.wh.name 644 @9 content")]
#[case::a_folder("d d/.wh.name 755 @9")]
#[case::a_link("l d/.wh.name 777 @9 target")]
fn files_with_the_name_of_a_whiteout_are_refused(#[case] text: &str) {
    let tar = tar_of(&format!("d d 755 @9\n{text}"));
    let problem = Archive::index(file_of(&tar)).err().unwrap().problem;
    assert!(matches!(problem, Problem::Mark(_)), "{problem}");
    let archive = Archive::digest(&*tar).unwrap();
    assert!(matches!(archive.items[1], Item::Whiteout(_)));
}

#[test]
fn every_truncation_is_seen() {
    let tar = tar_of("d d 755 @9\nf d/f 644 @9 content");
    let end = tar.len() - 2 * BLOCK;
    for length in (0..end)
        .step_by(100)
        .chain([end, end + BLOCK - 1, end + BLOCK])
    {
        let refused = refused(&tar[..length]);
        assert!(refused.contains("ends too early"), "{length}: {refused}");
    }
}

#[test]
fn what_is_no_tar_is_told() {
    let mut gzip = vec![0x1f, 0x8b, 8];
    gzip.resize(2 * BLOCK, 7);
    assert!(refused(&gzip).contains("compressed with gzip"));
    assert!(refused(&[7; 2 * BLOCK]).contains("checksum is wrong"));
}

#[test]
fn capabilities_may_have_any_bytes() {
    let value = b"\x01\0\0\x02\n30 path=etc/shadow\n=\xff\0";
    let mut builder = Builder::new(Vec::new());
    let records = BTreeMap::from([("SCHILY.xattr.security.capability", &value[..])]);
    builder.append_pax_extensions(records).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o755);
    header.set_mtime(9);
    builder.append_data(&mut header, "ping", &b""[..]).unwrap();
    let archive = Archive::index(file_of(&builder.into_inner().unwrap())).unwrap();
    assert_eq!(archive.inodes[0].capability.as_deref(), Some(&value[..]));
}
