//! Archives that no engine should write: each is refused with a reason, none is followed.

use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::layer::archive::Item;
use crate::layer::block::BLOCK;

/// Returns why an archive is refused: by offset and as a stream for the same reason.
fn refused(bytes: &[u8]) -> String {
    let [indexed, streamed] = [
        Archive::index(file_of(bytes), Means::Run),
        Archive::digest(bytes),
    ]
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
#[case::climbs(b'0', NAME, b"a/../../etc", "`a/../../etc` contains `..`")]
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
    let archive = Archive::index(file_of(&patched(b'0', NAME, b"\x1f\x8b\x08")), Means::Run);
    assert_eq!(archive.unwrap().items.len(), 1);
}

#[rstest]
#[case::duplicate("f a 644 @9\nd b 755 @9\nf a 644 @9", "`a` is in the archive twice")]
#[case::a_link_to_a_directory("d a 755 @9\nh b a", "a hard link to `a`")]
#[case::a_link_to_what_comes_later("h b a\nf a 644 @9", "a hard link to `a`")]
fn members_that_disagree_are_refused(#[case] text: &str, #[case] reason: &str) {
    let refused = refused(&tar_of(text));
    assert!(refused.contains(reason), "{refused}");
}

#[rstest]
#[case::in_nothing("f a/b 644 @9")]
#[case::in_a_file("f a 644 @9\nf a/b 644 @9")]
#[case::in_a_link("l a 777 @9 etc\nf a/b 644 @9")]
fn members_without_a_directory_are_refused(#[case] text: &str) {
    let problem = Below::default()
        .try_normalise(text, Means::Run, &[])
        .unwrap_err();
    assert!(matches!(problem, Problem::Parent { .. }), "{problem}");
    let problem = super::super::keep_changes(
        archive_of(text, Means::Run),
        Means::Run,
        &Tree::default(),
        &[],
    );
    assert!(matches!(problem, Err(Problem::Parent { .. })));
}

/// What it takes in memory does not grow with what an archive says of a target.
#[rstest]
#[case::long(vec![b'l'; 4096], "a target longer than the 4,095 bytes")]
#[case::of_a_megabyte(vec![b'l'; 1_000_000], "a target longer than the 4,095 bytes")]
#[case::with_a_zero(b"a\0b".to_vec(), "a NUL byte in its target")]
fn targets_that_no_kernel_takes_are_refused(#[case] target: Vec<u8>, #[case] reason: &str) {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("linkpath", target.as_slice())])
        .unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "name", "target").unwrap();
    let refused = refused(&builder.into_inner().unwrap());
    assert!(refused.contains(reason), "{refused}");
}

/// A file that was copied or made is no deletion, though a layer cannot have it; in a layer of an image
/// it is.
#[rstest]
#[case::with_content("f d/.wh.name 644 @9 content", Means::Run)]
#[case::that_others_may_read("f d/.wh.name 644 @9", Means::Run)]
#[case::a_directory("d d/.wh.name 755 @9", Means::Run)]
#[case::a_link("l d/.wh.name 777 @9 target", Means::Run)]
#[case::a_copy_that_is_empty("f d/.wh.name 644 @9", Means::Copy)]
#[case::a_copy_that_nobody_may_read("w d/name", Means::Copy)]
#[case::a_copy_with_another_name("f d/f 600 @9\nh d/.wh.name d/f", Means::Copy)]
fn files_with_the_name_of_a_whiteout_are_refused(#[case] text: &str, #[case] means: Means) {
    let tar = tar_of(&format!("d d 755 @9\n{text}"));
    let problem = Archive::index(file_of(&tar), means).err().unwrap().problem;
    assert!(matches!(problem, Problem::Mark(_)), "{problem}");
    let archive = Archive::digest(&*tar).unwrap();
    assert!(matches!(archive.items.last(), Some(Item::Whiteout(_))));
}

/// Engines mark the directories that they make. A mark in one that was there, and a second one, were copied.
#[rstest]
#[case::there("d d 755 @9\no d", true)]
#[case::there_and_empty("d empty 755 @9\no empty", true)]
#[case::the_root("o .", true)]
#[case::twice("d new 755 @9\no new\no new", true)]
#[case::made("d new 755 @9\no new", false)]
#[case::made_in_place_of_a_link("d link 755 @9\no link", false)]
fn marks_that_were_copied_are_refused(#[case] text: &str, #[case] is_refused: bool) {
    let below = Below::imported("d d 755 @1\nf d/f 644 @1\nd empty 755 @1\nl link 777 @1 d");
    let copied = below.try_normalise(text, Means::Copy, &[]);
    assert_eq!(
        matches!(copied, Err(Problem::Mark(_))),
        is_refused,
        "{copied:?}"
    );
    assert!(below.try_normalise(text, Means::Run, &[]).is_ok());
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
    let archive = Archive::index(file_of(&builder.into_inner().unwrap()), Means::Run).unwrap();
    assert_eq!(archive.inodes[0].capability.as_deref(), Some(&value[..]));
}
