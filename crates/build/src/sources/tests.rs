use std::fs;
use std::os::unix::fs::symlink;

use camino::Utf8PathBuf;
use rstest::rstest;

use super::*;

fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    (temporary, path)
}

fn source() -> Source {
    Source {
        key: "a".to_owned(),
        file: "a.tar".to_owned(),
        hash: "0".repeat(64),
        mirrors: vec!["https://example.org/a.tar".to_owned()],
        version: None,
        git_sha: None,
        line: 1,
    }
}

#[test]
fn missing_sources_are_named_with_file_hash_and_mirrors() {
    let (_temporary, root) = directory();
    let error = take(&[source()], &root, &root.join("to")).unwrap_err();
    let text = format!("{error}\n{}", error.hint().unwrap());
    for part in ["a.tar", &"0".repeat(64), "https://example.org/a.tar"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let other = Source {
        file: "b.tar".to_owned(),
        ..source()
    };
    let error = take(&[source(), other], &root, &root.join("to")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("2 sources are missing:\n"), "{text}");
    assert!(
        text.contains("a.tar (sha256 0") && text.contains("b.tar (sha256 0"),
        "{text}"
    );
}

#[test]
fn a_source_with_other_contents_is_refused() {
    let (_temporary, root) = directory();
    fs::write(root.join("a.tar"), "other").unwrap();
    let source = source();
    let error = take(&[source], &root, &root.join("to")).unwrap_err();
    assert!(matches!(error, Error::WrongSource { .. }), "{error:?}");
}

fn pipe(path: &Utf8Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path.as_str(), FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// The sha256 of "text".
const OF_TEXT: &str = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";

#[rstest]
#[case::itself("fetch")]
#[case::a_link("linked-file")]
#[case::its_directory_is_a_link("linked-folder")]
fn a_source_is_a_copy_of_the_file_that_was_checked(#[case] fetch: &str) {
    let (_temporary, root) = directory();
    fs::create_dir_all(root.join("fetch")).unwrap();
    fs::create_dir_all(root.join("linked-file")).unwrap();
    fs::write(root.join("fetch/a.tar"), "text").unwrap();
    symlink("../fetch/a.tar", root.join("linked-file/a.tar")).unwrap();
    symlink("fetch", root.join("linked-folder")).unwrap();
    let source = Source {
        hash: OF_TEXT.to_owned(),
        ..source()
    };
    take(&[source], &root.join(fetch), &root.join("to")).unwrap();
    let taken = root.join("to/a.tar");
    assert!(taken.symlink_metadata().unwrap().is_file());
    // What a build writes into its context stays there.
    fs::write(&taken, "changed").unwrap();
    assert_eq!(
        fs::read_to_string(root.join("fetch/a.tar")).unwrap(),
        "text"
    );
}

#[rstest]
#[case::pipe(|path: &Utf8Path| pipe(path))]
#[case::device(|path: &Utf8Path| symlink("/dev/zero", path).unwrap())]
#[case::directory(|path: &Utf8Path| fs::create_dir(path).unwrap())]
fn a_source_that_is_no_file_is_refused_at_once(#[case] make: fn(&Utf8Path)) {
    let (_temporary, root) = directory();
    make(&root.join("a.tar"));
    let error = take(&[source()], &root, &root.join("to")).unwrap_err();
    assert!(
        matches!(error, Error::State(state::Error::Io { .. })),
        "{error:?}"
    );
}
