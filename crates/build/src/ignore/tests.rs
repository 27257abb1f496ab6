use std::fs;

use rstest::rstest;

use super::*;
use crate::listing::{Foreign, list_context};

/// Reads the list for what is in a directory.
fn of(directory: &Utf8Path, containerfile: Option<&Utf8Path>) -> Result<Ignored, Error> {
    let opened = Directory::open(directory).unwrap();
    let files = list_context(&opened, Foreign::Fetch).unwrap();
    Ignored::of(directory, &files, containerfile)
}

fn ignored(list: &str) -> Ignored {
    Ignored(parse(list, Utf8Path::new("list")).unwrap())
}

#[rstest]
#[case("secret", "secret", true)]
#[case("secret", "sub/secret", false)]
#[case("/secret", "secret", true)]
#[case("  secret/  ", "secret/key", true)]
#[case("\u{feff}secret", "secret", true)]
#[case("# secret\nother", "secret", false)]
#[case("*\n!kept", "kept", false)]
#[case("*\n! /kept", "kept", false)]
#[case("*\n!kept", "other", true)]
#[case("sub\r\n!sub/kept\r\n", "sub/kept/file", false)]
#[case("**/*.o", "a/b/c.o", true)]
#[case("\n\n", "a", false)]
fn what_is_left_out(#[case] list: &str, #[case] path: &str, #[case] expected: bool) {
    assert_eq!(ignored(list).has(Utf8Path::new(path)), expected);
}

#[test]
fn a_bad_line_is_named() {
    let error = parse("good\n\n[bad\n", Utf8Path::new("x/.dockerignore")).unwrap_err();
    assert!(
        error.to_string().starts_with("x/.dockerignore:3: `[bad`"),
        "{error}"
    );
}

#[rstest]
#[case::device("/dev/zero")]
#[case::secret("../secret")]
fn no_link_is_followed_to_a_list(#[case] target: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(temporary.path()).unwrap();
    fs::create_dir(directory.join("context")).unwrap();
    fs::write(directory.join("secret"), "[hash").unwrap();
    std::os::unix::fs::symlink(target, directory.join("context/.dockerignore")).unwrap();
    let error = of(&directory.join("context"), None).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("is a symbolic link") && !source.contains("hash"),
        "{source}"
    );
}

#[test]
fn the_list_of_a_containerfile_is_the_nearer_one() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(temporary.path()).unwrap();
    let containerfile = directory.join("Containerfile");
    let near = || of(directory, Some(&containerfile)).unwrap();
    assert!(!near().has(Utf8Path::new("a")));
    fs::write(directory.join(LIST), "a").unwrap();
    assert!(near().has(Utf8Path::new("a")));
    fs::write(directory.join("Containerfile.dockerignore"), "b").unwrap();
    assert!(!near().has(Utf8Path::new("a")));
    assert!(near().has(Utf8Path::new("b")));
    fs::write(directory.join(OTHER), "").unwrap();
    let error = of(directory, None).unwrap_err();
    assert!(error.hint().unwrap().contains(LIST), "{error}");
}
