//! What in the example tree is not text, held against its text: the seed, and the program in another seed.
//!
//! Assembles the tree's hexadecimal sources by itself, in a few lines. Knows nothing of engines,
//! and nothing of what the programs do: that the seed makes itself is proved by a package.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rstest::rstest;

/// Where the programs are loaded, as their headers say.
const ADDRESS: u64 = 0x40_0000;
/// The size of the two headers, which is where the code begins.
const HEADERS: usize = 0x78;

fn package(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../packages")
        .join(path)
}

/// One line of a hexadecimal text: its bytes, and the first word of its comment.
fn line(text: &str) -> (Vec<u8>, Option<&str>) {
    let (bytes, comment) = text.split_once('#').unwrap_or((text, ""));
    let bytes = bytes
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    (bytes, comment.split_whitespace().next())
}

fn assemble(text: &str) -> Vec<u8> {
    text.lines().flat_map(|text| line(text).0).collect()
}

fn number(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

#[test]
fn the_seed_is_what_its_text_says() {
    let seed = fs::read(package("bootstrap/seed/seed")).unwrap();
    let text = fs::read_to_string(package("bootstrap/seed/seed.hex")).unwrap();
    assert_eq!(seed, assemble(&text));
}

#[test]
fn the_seed_is_small_and_a_program() {
    let seed = package("bootstrap/seed/seed");
    let metadata = fs::metadata(&seed).unwrap();
    assert!(metadata.len() <= 1024, "{} bytes", metadata.len());
    assert_eq!(metadata.permissions().mode() & 0o111, 0o111);
}

/// The program in the archive of a seed: what its member `bin/hex` contains.
fn of_archive(path: &str) -> Vec<u8> {
    let archive = fs::read(package(path)).unwrap();
    let mut blocks = archive.chunks(512);
    let header = blocks
        .find(|block| block.starts_with(b"bin/hex\0"))
        .unwrap();
    let size = std::str::from_utf8(&header[124..135]).unwrap();
    let size = usize::from_str_radix(size, 8).unwrap();
    let contents: Vec<u8> = blocks.flatten().copied().collect();
    contents[..size].to_vec()
}

#[test]
fn the_archives_of_seeds_have_the_programs_that_are_explained() {
    let seed = fs::read(package("bootstrap/seed/seed")).unwrap();
    assert_eq!(of_archive("bootstrap/twice/first-1.tar"), seed);
    let text = fs::read_to_string(package("bootstrap/twice/reader.hex")).unwrap();
    let reader = assemble(&text);
    assert_eq!(of_archive("bootstrap/twice/second-1.tar"), reader);
    assert_ne!(reader, seed);
}

#[rstest]
#[case::seed("bootstrap/seed/seed.hex")]
#[case::label("bootstrap/label/label.hex")]
#[case::reader("bootstrap/twice/reader.hex")]
fn the_headers_describe_the_file(#[case] path: &str) {
    let program = assemble(&fs::read_to_string(package(path)).unwrap());
    assert_eq!(program[..7], *b"\x7fELF\x02\x01\x01");
    assert_eq!(program[0x10], 2, "a program at a fixed address");
    assert_eq!(program[0x12], 62, "x86-64");
    assert_eq!(number(&program, 0x18), ADDRESS + HEADERS as u64, "entry");
    assert_eq!(number(&program, 0x50), ADDRESS, "address");
    assert_eq!(number(&program, 0x60), program.len() as u64, "size");
}

#[rstest]
#[case::seed("bootstrap/seed/seed.hex")]
#[case::hello_386("user/hello-386/hello-386.hex")]
#[case::label("bootstrap/label/label.hex")]
#[case::reader("bootstrap/twice/reader.hex")]
fn each_line_of_bytes_says_its_offset(#[case] path: &str) {
    let mut offset = 0;
    for (index, text) in fs::read_to_string(package(path))
        .unwrap()
        .lines()
        .enumerate()
    {
        let (bytes, note) = line(text);
        if bytes.is_empty() {
            continue;
        }
        let said = note.map(|note| usize::from_str_radix(note, 16));
        assert_eq!(said, Some(Ok(offset)), "{path}:{}", index + 1);
        offset += bytes.len();
    }
    assert!(offset > HEADERS, "there is code in it");
}
