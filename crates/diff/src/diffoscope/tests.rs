//! What is shut off, with programs that pass for diffoscope.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn with(script: &str) -> (tempfile::TempDir, Diffoscope) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path())
        .unwrap()
        .join("program");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let found = Diffoscope::at(path).unwrap();
    (directory, found)
}

#[test]
fn it_has_no_network_no_other_processes_and_limits() {
    let (_directory, program) = with(
        "for last; do :; done\n\
         echo $(grep -c : /proc/net/dev) $$ $(ulimit -f) $(cat $last) $(basename $last) $HOME; exit 1",
    );
    let said = program.compare("usr/lib/a.so", b"left", b"right");
    let words: Vec<&str> = said.split_whitespace().collect();
    // Only the loopback device; the first process; blocks of 512 bytes.
    assert_eq!(words[..5], ["1", "1", "524288", "right", "a.so"], "{said}");
    assert!(!Utf8Path::new(words[5]).exists(), "{said}");
}

#[test]
fn what_fails_and_what_says_too_much_is_told() {
    let (_directory, program) = with("echo reason >&2; exit 2");
    let said = program.compare("-x", b"", b"");
    assert_eq!(said, "diffoscope says nothing: reason");
    let (_directory, program) = with("yes");
    let said = program.compare("x", b"", b"");
    assert!(said.contains("wrote more than"), "{said}");
}

#[test]
fn names_that_mean_something_else_are_replaced() {
    assert_eq!(plain("usr/bin/a-b.so"), "a-b.so");
    for name in ["-o", "a b", "", "..", "a\u{202e}"] {
        assert_eq!(plain(name), "file");
    }
}
