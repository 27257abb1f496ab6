//! Whatever lies in a directory of signatures, each entry is read or told of, and no link is followed.
//!
//! `cargo +nightly fuzz run directory fuzz/corpus/directory fuzz/seeds/directory`, in `crates/trust`. Each line of the
//! input is an entry: what it is (`d` a directory, `l` a link, `p` a directory of another package, all else a file), and
//! its name.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use beneath::Directory;
use camino::Utf8Path;
use libfuzzer_sys::fuzz_target;
use trust::{FILE_LIMIT, MOST, Payload, Place, file_name, first_free, numbers, places, read};

const SECRET: &[u8] = b"what somebody else has";

fuzz_target!(|data: &[u8]| {
    let payload = Payload::read(include_bytes!("../payload.json"));
    let place = Place::of(&payload.expect("it is a payload"));
    let root = tempfile::tempdir().expect("there is a temporary directory");
    let signatures = root.path().join("signatures");
    let own = signatures.join(place.path());
    fs::create_dir_all(&own).expect("it is new");
    let secret = root.path().join("secret");
    fs::write(&secret, SECRET).expect("it is new");

    let (mut entries, mut packages) = (0, 1);
    for line in data.split(|byte| *byte == b'\n') {
        let Some((kind, name)) = line.split_first() else {
            continue;
        };
        let is_name = !name.is_empty() && !name.contains(&b'/') && !matches!(name, b"." | b"..");
        if !is_name {
            continue;
        }
        let (name, path) = (OsStr::from_bytes(name), own.join(OsStr::from_bytes(name)));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        // What the system takes for no name is none here.
        if *kind == b'p' {
            let parent = own.parent().expect("it has one");
            packages += usize::from(fs::create_dir(parent.join(name)).is_ok());
            continue;
        }
        let made = match kind {
            b'd' => fs::create_dir(&path),
            b'l' => symlink(&secret, &path),
            _ => fs::write(&path, name.as_bytes()),
        };
        entries += usize::from(made.is_ok());
    }

    let path = Utf8Path::from_path(&signatures).expect("the directory's name is text");
    let directory = Directory::open(path).expect("it is there");
    let found = read(&directory, &place).expect("it can be read");
    assert!(
        found.signatures.len() + found.strays.len() == entries,
        "something is not told of"
    );
    let mut before = 0;
    for (number, bytes) in &found.signatures {
        assert!(before < *number && *number <= MOST, "the order of {number}");
        assert!(
            bytes == file_name(*number).as_bytes(),
            "it is not what lies there"
        );
        assert!(bytes.len() as u64 <= FILE_LIMIT);
        before = *number;
    }
    let taken = numbers(&directory, &place).expect("it can be read");
    assert!(
        !taken.contains(&first_free(&taken)),
        "a signature would be overwritten"
    );

    let payload = Payload::read(include_bytes!("../payload.json"));
    let registry = payload.expect("it is a payload").registry().clone();
    let places = places(&directory, &registry).expect("it can be read");
    assert!(places.contains(&place) && places.len() <= packages);
    for place in places {
        assert!(
            signatures.join(place.path()).is_dir(),
            "nothing lies there: {place}"
        );
    }
});
