//! What a seed's archive may hold, and what is refused of it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use package_tree::Source;
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::*;

/// A file's name and type, and what follows its header: what it contains, or where it leads.
type Member = (&'static str, EntryType, &'static str);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Link;

fn archive(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, rest) in members {
        let mut header = Header::new_ustar();
        // The library refuses names that lead out of the archive.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(2_000_000_000);
        let has_contents = matches!(*kind, FILE | EntryType::XHeader);
        header.set_size(if has_contents { rest.len() as u64 } else { 0 });
        if matches!(*kind, LINK | EntryType::Symlink) {
            header.as_old_mut().linkname[..rest.len()].copy_from_slice(rest.as_bytes());
        }
        if *kind == EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        let contents = if has_contents { rest.as_bytes() } else { b"" };
        builder.append(&header, contents).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes the image of a seed whose archive is of these bytes, and of which at most `most` are read.
fn planted(bytes: &[u8], most: u64) -> (tempfile::TempDir, Result<Utf8PathBuf, Error>) {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let (fetch, work) = (root.join("fetch"), root.join("work"));
    fs::create_dir(&fetch).unwrap();
    fs::write(fetch.join("a.tar"), bytes).unwrap();
    let seed = Seed {
        name: "one".to_owned(),
        source: Source {
            key: "a".to_owned(),
            file: "a.tar".to_owned(),
            hash: printable::hex(&Sha256::digest(bytes)),
            mirrors: Vec::new(),
            version: None,
            git_sha: None,
            line: 1,
        },
    };
    let platform = "linux/amd64".parse().unwrap();
    let profile = &oci_image::Profile::STAGEX_2026;
    let layout = image(profile, &platform, &seed, &fetch, &work, most);
    (temporary, layout)
}

/// Returns why an archive is refused.
fn refusal(bytes: &[u8], most: u64) -> String {
    let (temporary, planted) = planted(bytes, most);
    let error = planted.unwrap_err();
    assert!(error.hint().is_some());
    assert_eq!(error.kind(), documents::ErrorKind::Package);
    let names = fs::read_dir(temporary.path()).unwrap();
    assert_eq!(names.count(), 2, "nothing was written beside the directory");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(below) = source {
        text = format!("{text}: {below}");
        source = below.source();
    }
    text
}

#[rstest]
#[case::plain(Vec::clone)]
#[case::compressed(|plain: &Vec<u8>| gzip(plain))]
#[case::in_two_parts(|plain: &Vec<u8>| [gzip(&plain[..700]), gzip(&plain[700..])].concat())]
fn a_root_file_system_becomes_one_layer_of_the_same_bytes(
    #[case] compressed: fn(&Vec<u8>) -> Vec<u8>,
) {
    let plain = archive(&[
        ("./", EntryType::Directory, ""),
        ("./bin/", EntryType::Directory, ""),
        ("./bin/a", FILE, "a program"),
        ("./bin/b", LINK, "./bin/a"),
        ("./lib", EntryType::Symlink, "../../outside"),
        ("./dev/", EntryType::Directory, ""),
        ("./dev/null", EntryType::Char, ""),
        ("./pipe", EntryType::Fifo, ""),
        (
            "x",
            EntryType::XHeader,
            "34 SCHILY.xattr.user.name=a value\n",
        ),
        ("./bin/c", FILE, "a file with an attribute"),
    ]);
    let (temporary, layout) = planted(&compressed(&plain), MOST);
    let layout = Layout::open(&layout.unwrap()).unwrap();
    layout.verify().unwrap();
    let [layer] = layout.manifest().layers() else {
        panic!("one layer");
    };
    let entries = oci_image::list_layer(&layout, layer).unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let expected = [
        "bin", "bin/a", "bin/b", "lib", "dev", "dev/null", "pipe", "bin/c",
    ];
    assert_eq!(paths, expected);
    assert_eq!(entries[1].mode, 0o4755);
    // Whatever it was compressed with.
    let (_other, again) = planted(&plain, MOST);
    let again = Layout::open(&again.unwrap()).unwrap();
    assert_eq!(again.manifest_digest(), layout.manifest_digest());
    // Nothing but the image is left.
    let left = fs::read_dir(temporary.path().join("work")).unwrap();
    assert_eq!(left.count(), 1);
}

#[rstest]
#[case::no_archive(b"no archive, but more than five hundred and twelve bytes ".repeat(20), "checksum is wrong")]
#[case::nothing(Vec::new(), "ends too early")]
#[case::cut_off(archive(&[("a", FILE, "abc")])[..515].to_vec(), "ends too early")]
#[case::broken_compression(b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff".to_vec(), "cannot be decompressed")]
#[case::cut_off_compression(gzip(&archive(&[("a", FILE, "abc")]))[..60].to_vec(), "cannot be decompressed")]
#[case::compressed_twice(gzip(&gzip(&archive(&[])).repeat(40)), "compressed with gzip")]
#[case::above_the_root(archive(&[("../a", FILE, "")]), "the name `../a`")]
#[case::above_it_later(archive(&[("a/../../b", FILE, "")]), "the name `a/../../b`")]
#[case::a_link_to_nothing(archive(&[("a", LINK, "b")]), "hard link to `b`")]
#[case::a_link_outside(archive(&[("a", LINK, "/etc/../../b")]), "hard link to `/etc/../../b`")]
#[case::a_name_twice(archive(&[("a", FILE, "1"), ("a", FILE, "2")]), "twice")]
#[case::a_whiteout(archive(&[(".wh.a", FILE, "")]), "begins with `.wh.` deletes")]
#[case::an_opaque_directory(archive(&[("a", EntryType::Directory, ""), ("a/.wh..wh..opq", FILE, "")]), "`a/.wh..wh..opq` cannot be in an image")]
#[case::below_a_link(archive(&[("a", EntryType::Symlink, "/etc"), ("a/b", FILE, "")]), "not a directory")]
#[case::below_nothing(archive(&[("a/b", FILE, "")]), "`a/b` is in `a`, which is not a directory")]
#[case::a_sparse_file(archive(&[("a", EntryType::GNUSparse, "")]), "of type `S`")]
#[case::a_volume(archive(&[("a", EntryType::new(b'V'), "")]), "of type `V`")]
fn what_is_no_root_file_system_is_refused(#[case] bytes: Vec<u8>, #[case] expected: &str) {
    let text = refusal(&bytes, MOST);
    assert!(text.contains("the seed `one`"), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn no_more_is_read_of_an_archive_than_a_root_file_system_has() {
    // A bomb: a mebibyte of nothing in a thousand bytes.
    let bomb = gzip(&vec![0; 1 << 20]);
    assert!(bomb.len() < 1 << 14, "{}", bomb.len());
    let text = refusal(&bomb, (1 << 20) - 1);
    assert!(text.contains("more than the 0 MiB"), "{text}");
    let enough = archive(&[("a", FILE, "")]);
    let most = enough.len() as u64;
    let (_temporary, planted) = planted(&gzip(&enough), most);
    planted.unwrap();
}

#[test]
fn images_that_differ_are_kept_and_those_that_agree_are_not_moved() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let directories = Directories::of_tree(root);
    let nobody = &mut |_| panic!("nobody else holds the lock");
    let _lock = directories.open(state::Access::Alone, nobody).unwrap();
    let layouts: Vec<_> = [("one", "1"), ("two", "2"), ("three", "1")]
        .map(|(name, contents)| (name, planted(&archive(&[("a", FILE, contents)]), MOST)))
        .into();
    let seed = |(name, _): &(&str, _)| Seed {
        name: (*name).to_owned(),
        source: Source {
            key: String::new(),
            file: String::new(),
            hash: String::new(),
            mirrors: Vec::new(),
            version: None,
            git_sha: None,
            line: 1,
        },
    };
    let seeds: Vec<Seed> = layouts.iter().map(seed).collect();
    let images: Vec<Utf8PathBuf> = layouts
        .iter()
        .enumerate()
        .map(|(number, (_, (_, layout)))| {
            let path = directories.work().join(number.to_string());
            fs::rename(layout.as_ref().unwrap(), &path).unwrap();
            path
        })
        .collect();
    let error = agree(&seeds, &images, "core-a", &directories).unwrap_err();
    assert_eq!(error.kind(), documents::ErrorKind::Differs);
    let hint = error.hint().unwrap();
    let Error::SeedsDiffer(found) = error else {
        panic!("{error}");
    };
    let digests: Vec<_> = found.iter().map(|image| image.digest).collect();
    assert!(digests[0] != digests[1] && digests[0] == digests[2]);
    for image in &found {
        let there = Layout::open(&image.path).unwrap();
        assert_eq!(there.manifest_digest(), image.digest);
    }
    // The hint names two that are not one.
    let named = format!("stagex diff {} {}", found[0].path, found[1].path);
    assert!(hint.ends_with(&named), "{hint}");
    // What agrees is left where it is.
    let agreeing = [found[0].path.clone(), found[2].path.clone()];
    let moved = ["a", "b"].map(|name| directories.work().join(name));
    for (from, to) in agreeing.iter().zip(&moved) {
        fs::rename(from, to).unwrap();
    }
    agree(&seeds[..2], &moved, "core-a", &directories).unwrap();
    assert!(moved.iter().all(|path| path.exists()));
}
