//! The contents of files by what they are: what differs in them is named, and what is damaged is compared as bytes.

use crate::scene::{compare_with, draft, file, files, options};
use documents::{Diff, DiffCause, DiffContent, DiffContentKind, DiffMode};
use flate2::{Compression, GzBuilder};
use rstest::rstest;
use std::io::Write as _;

fn content(diff: &Diff) -> &DiffContent {
    diff.first.as_ref().unwrap().content.as_ref().unwrap()
}

/// Returns the parts that differ, in words.
fn parts(diff: &Diff) -> Vec<String> {
    content(diff).parts.iter().map(diff::words::part).collect()
}

fn causes(diff: &Diff) -> Vec<DiffCause> {
    diff.causes.iter().map(|likely| likely.cause).collect()
}

/// Returns an ELF file for `x86_64` with sections of these names and contents.
fn elf(sections: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut data: Vec<u8> = Vec::new();
    let mut headers = vec![0; 64];
    let mut header = |name: u32, kind: u32, offset: u64, size: u64| {
        headers.extend(name.to_le_bytes());
        headers.extend(kind.to_le_bytes());
        headers.extend(0_u64.to_le_bytes());
        headers.extend(0_u64.to_le_bytes());
        headers.extend(offset.to_le_bytes());
        headers.extend(size.to_le_bytes());
        headers.extend(0_u64.to_le_bytes());
        headers.extend(4_u64.to_le_bytes());
        headers.extend(0_u64.to_le_bytes());
    };
    for (name, kind, contents) in sections {
        let at = u32::try_from(names.len()).unwrap();
        names.extend(name.as_bytes());
        names.push(0);
        header(at, *kind, 64 + data.len() as u64, contents.len() as u64);
        data.extend(*contents);
    }
    let at = u32::try_from(names.len()).unwrap();
    names.extend(b".shstrtab\0");
    header(at, 3, 64 + data.len() as u64, names.len() as u64);
    data.extend(&names);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(3_u16.to_le_bytes());
    file.extend(62_u16.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend((64 + data.len() as u64).to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    for number in [64_u16, 0, 0, 64] {
        file.extend(number.to_le_bytes());
    }
    let count = u16::try_from(sections.len()).unwrap();
    file.extend((count + 2).to_le_bytes());
    file.extend((count + 1).to_le_bytes());
    file.extend(data);
    file.extend(headers);
    file
}

fn build_id(id: u8) -> Vec<u8> {
    let mut note = Vec::new();
    for number in [4_u32, 4, 3] {
        note.extend(number.to_le_bytes());
    }
    note.extend(b"GNU\0");
    note.extend([id; 4]);
    note
}

#[test]
fn an_elf_file_is_taken_apart() {
    let program = |path: &str, id| {
        let text = format!("\0one text\0{path}\0");
        elf(&[
            (".rodata", 1, text.as_bytes()),
            (".note.gnu.build-id", 7, &build_id(id)),
        ])
    };
    let diff = files(
        "usr/bin/x",
        program("/tmp/one/src/a.c", 1),
        program("/tmp/two/src/a.c", 2),
    );
    assert_eq!(content(&diff).kind, DiffContentKind::Elf);
    let parts = parts(&diff);
    assert_eq!(parts[0], "build ID: 01010101 against 02020202");
    assert!(
        parts[1].starts_with("section .rodata, from byte 15 on"),
        "{parts:?}"
    );
    assert!(
        parts[2].starts_with("section .note.gnu.build-id"),
        "{parts:?}"
    );
    assert_eq!(causes(&diff), [DiffCause::BuildPath]);
    let evidence = &diff.causes[0].evidence[0];
    assert_eq!(evidence.place, "layer 1: usr/bin/x: section .rodata");
    let more = files(
        "usr/bin/x",
        elf(&[(".text", 1, b"a")]),
        elf(&[(".text", 1, b"a"), (".data", 1, b"b")]),
    );
    let parts = self::parts(&more);
    let last = parts.last().map(String::as_str);
    assert_eq!(last, Some("section .data: 1 bytes, only in the second"));
}

/// Returns an archive of `ar`.
pub(crate) fn ar(members: &[(&str, u32, u32, &str)]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, time, owner, content) in members {
        let size = content.len();
        let name = format!("{name}/");
        archive.extend(
            format!(
                "{name:<16}{time:<12}{owner:<6}{owner:<6}{:<8}{size:<10}`\n",
                "100644"
            )
            .into_bytes(),
        );
        archive.extend(content.as_bytes());
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

#[test]
fn archives_are_taken_apart() {
    let diff = files(
        "usr/lib/libx.a",
        ar(&[("a.o", 1, 0, "same"), ("b.o", 0, 0, "in /tmp/one/b.c")]),
        ar(&[("a.o", 2, 0, "same"), ("b.o", 0, 9, "in /tmp/two/b.c")]),
    );
    assert_eq!(content(&diff).kind, DiffContentKind::Ar);
    let times = "1970-01-01T00:00:01Z against 1970-01-01T00:00:02Z";
    assert_eq!(
        parts(&diff),
        [
            &format!("a.o: time: {times}"),
            "b.o: owner: 0:0 against 9:9",
            "b.o: 15 bytes in both",
        ]
    );
    let expected = [DiffCause::BuildPath, DiffCause::DateTime, DiffCause::User];
    assert_eq!(causes(&diff), expected);

    let tar = |time, mode| {
        crate::scene::tar(&[crate::scene::Item {
            mode,
            time,
            ..file("inner", "same")
        }])
    };
    let diff = files("data.tar", tar(1, 0o644), tar(2, 0o600));
    assert_eq!(content(&diff).kind, DiffContentKind::Tar);
    let expected = [
        format!("inner: time: {times}"),
        "inner: mode: 0644 against 0600".to_owned(),
    ];
    assert_eq!(parts(&diff), expected);
    assert_eq!(causes(&diff), [DiffCause::DateTime, DiffCause::Umask]);
}

#[test]
fn the_order_in_an_archive_is_told() {
    let (a, b, c) = (("a.o", 0, 0, "1"), ("b.o", 0, 0, "2"), ("c.o", 0, 0, "3"));
    let diff = files("libx.a", ar(&[c, a, b]), ar(&[b, c, a]));
    assert_eq!(parts(&diff), ["order: c.o against b.o"]);
    assert_eq!(causes(&diff), [DiffCause::UnstableOrder]);
}

/// Returns an archive of `zip` whose only file is stored.
pub(crate) fn zip(time: u16, content: &str) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    let mut common = Vec::new();
    for number in [20_u16, 0, 0, time, 0x5c7e] {
        common.extend(number.to_le_bytes());
    }
    for number in [0, size, size] {
        common.extend(number.to_le_bytes());
    }
    common.extend(5_u16.to_le_bytes());
    common.extend(0_u16.to_le_bytes());
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&common);
    archive.extend(b"a.txt");
    archive.extend(content.as_bytes());
    let start = u32::try_from(archive.len()).unwrap();
    archive.extend(b"PK\x01\x02\x14\0");
    archive.extend(&common);
    archive.extend([0; 14]);
    archive.extend(b"a.txt");
    let length = u32::try_from(archive.len()).unwrap() - start;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(length.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

#[test]
fn a_zip_is_taken_apart() {
    let diff = files("x.jar", zip(0, "by root@one\n"), zip(1, "by root@two\n"));
    assert_eq!(content(&diff).kind, DiffContentKind::Zip);
    let expected = [
        "a.txt: time: 2026-03-30 00:00:00 against 2026-03-30 00:00:02",
        "a.txt: 12 bytes in both",
    ];
    assert_eq!(parts(&diff), expected);
    assert_eq!(causes(&diff), [DiffCause::DateTime, DiffCause::HostName]);
}

fn gz(time: u32, name: &str, level: u32, content: &str) -> Vec<u8> {
    let builder = GzBuilder::new().mtime(time).filename(name);
    let mut encoder = builder.write(Vec::new(), Compression::new(level));
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_header_of_gzip_is_told_and_what_is_in_it() {
    let diff = files(
        "usr/share/man/a.1.gz",
        gz(1, "a", 6, "on 2026-01-01\n"),
        gz(2, "a", 6, "on 2026-01-02\n"),
    );
    assert_eq!(content(&diff).kind, DiffContentKind::Gzip);
    assert_eq!(content(&diff).lines, ["-on 2026-01-01", "+on 2026-01-02"]);
    assert!(parts(&diff)[0].starts_with("time in the header of gzip: 1970-01-01T00:00:01Z"));
    assert_eq!(diff.causes[0].count, 2);
    let text = "words and more words ".repeat(100);
    let diff = files("a.gz", gz(0, "a", 1, &text), gz(0, "a", 9, &text));
    let parts = parts(&diff);
    let last = parts.last().unwrap();
    assert!(
        last.starts_with("the same contents, compressed in another way"),
        "{parts:?}"
    );
    assert_eq!(causes(&diff), []);
}

#[test]
fn python_bytecode_is_taken_apart() {
    let code = |time: u32, text: &str| {
        let mut code = b"\xa7\x0d\r\n\0\0\0\0".to_vec();
        code.extend(time.to_le_bytes());
        code.extend([9, 0, 0, 0]);
        code.extend(b"\xe3\0\0");
        code.extend(text.as_bytes());
        code
    };
    let diff = files("a.pyc", code(1, "first\0second"), code(2, "second\0first"));
    assert_eq!(content(&diff).kind, DiffContentKind::Python);
    let parts = parts(&diff);
    assert!(
        parts[0].starts_with("time of the source in the header: 1970"),
        "{parts:?}"
    );
    assert!(parts[1].starts_with("code, from byte 19 on"), "{parts:?}");
    assert_eq!(
        causes(&diff),
        [DiffCause::DateTime, DiffCause::UnstableOrder]
    );
}

#[test]
fn other_bytes_are_shown() {
    let diff = files("a.bin", [0, 1, 2, 3], [0, 1, 9, 3, 4]);
    let content = content(&diff);
    assert_eq!(content.kind, DiffContentKind::Binary);
    assert_eq!((content.first_byte, content.differing_bytes), (2, 2));
    let lines: Vec<&str> = content.lines.iter().map(|line| line.trim_end()).collect();
    assert!(lines[0].starts_with("-00000000  00 01 02 03 "), "{lines:?}");
    assert!(
        lines[1].starts_with("+00000000  00 01 09 03 04 "),
        "{lines:?}"
    );
}

#[test]
fn a_large_file_is_compared_piece_by_piece() {
    let mut left = vec![b'x'; 1 << 20];
    left.push(0);
    let mut right = left.clone();
    right[700_000..700_018].copy_from_slice(b" in /tmp/one/a.c:3");
    left[700_000..700_018].copy_from_slice(b" in /tmp/two/a.c:3");
    let mut options = options(DiffMode::Strict);
    options.limits.content = 1 << 10;
    let [left, right] = [left, right].map(|content| draft(&[file("a", content)]).write());
    let diff = compare_with(&left, &right, &options).unwrap();
    let content = content(&diff);
    assert_eq!((content.first_byte, content.differing_bytes), (700_009, 3));
    assert_eq!(causes(&diff), [DiffCause::BuildPath]);
}

#[test]
fn a_bomb_in_a_file_is_not_unpacked() {
    let bomb = |last: &str| gz(0, "a", 9, &("\0".repeat(1 << 20) + last));
    let mut options = options(DiffMode::Strict);
    options.limits.content = 1 << 16;
    let [left, right] =
        [bomb("a"), bomb("b")].map(|content| draft(&[file("a.gz", content)]).write());
    let diff = compare_with(&left, &right, &options).unwrap();
    assert_eq!(content(&diff).kind, DiffContentKind::Binary);
    assert_eq!(diff.notes.len(), 1);
}

#[test]
fn archives_in_archives_are_looked_into_up_to_a_depth() {
    let mut pair = ["one".to_owned().into_bytes(), "two".to_owned().into_bytes()];
    for _ in 0..30 {
        pair = pair.map(|inner| crate::scene::tar(&[file("inner", inner)]));
    }
    let [left, right] = pair;
    let diff = files("a.tar", left, right);
    assert_eq!(content(&diff).kind, DiffContentKind::Tar);
    assert!(content(&diff).parts.len() < 10);
}

/// Whatever is changed in a file of a known kind, it is compared and nothing panics.
#[rstest]
#[case::elf("x", elf(&[(".rodata", 1, b"some text"), (".note.gnu.build-id", 7, &build_id(1))]))]
#[case::ar("x.a", ar(&[("a.o", 1, 0, "one"), ("b.o", 1, 0, "two")]))]
#[case::zip("x.zip", zip(0, "one"))]
#[case::gzip("x.gz", gz(1, "name", 6, "one"))]
#[case::tar("x.tar", crate::scene::tar(&[file("a", "one")]))]
#[case::python("x.pyc", b"\xa7\x0d\r\n\0\0\0\0\0\0\0\0\0\0\0\0\xe3".to_vec())]
fn what_is_damaged_is_compared_all_the_same(#[case] name: &str, #[case] whole: Vec<u8>) {
    let mut left = Vec::new();
    let mut right = Vec::new();
    let mut number: u64 = 88_172_645_463_325_252;
    for round in 0..200 {
        let mut damaged = whole.clone();
        for _ in 0..=round % 4 {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            let at = usize::try_from(number % damaged.len() as u64).unwrap();
            damaged[at] ^= number.to_le_bytes()[5] | 1;
        }
        if round % 5 == 0 {
            let length = usize::try_from(number % whole.len() as u64).unwrap();
            damaged.truncate(length);
        }
        let path = format!("{round}/{name}");
        left.push(file(&path, &whole));
        right.push(file(&path, damaged));
    }
    let mut options = options(DiffMode::Strict);
    options.limits.files = 1_000;
    options.shown = 1_000;
    let diff = compare_with(&draft(&left).write(), &draft(&right).write(), &options).unwrap();
    assert!(diff.differences.iter().all(|each| each.content.is_some()));
    assert!(diff.differences.len() > 150);
}
