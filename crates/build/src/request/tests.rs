use std::os::unix::fs::symlink;

use rstest::rstest;

use super::*;

#[rstest]
#[case::beneath("/../outside.zst", true)]
#[case::a_link("link.zst", false)]
#[case::through_a_link("to-outside/outside.zst", false)]
fn no_archive_outside_of_a_context_is_replaced(#[case] written: &str, #[case] is_archive: bool) {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let (main, work) = (root.join("main"), root.join("work"));
    for directory in [&main, &work] {
        context::make_directory(directory).unwrap();
    }
    // An archive of zstd with four bytes in it, stored.
    let archive = b"\x28\xb5\x2f\xfd\x20\x04\x21\x00\x00text";
    fs::write(root.join("outside.zst"), archive).unwrap();
    fs::write(main.join("outside.zst"), archive).unwrap();
    symlink("../outside.zst", main.join("link.zst")).unwrap();
    symlink("..", main.join("to-outside")).unwrap();

    let path = relative(Utf8Path::new(written));
    let done = decompress(&main, &path, &work);
    assert_eq!(done.is_ok(), is_archive, "{done:?}");
    assert_eq!(fs::read(root.join("outside.zst")).unwrap(), archive);
    let found = fs::read(main.join("outside.zst")).unwrap();
    assert_eq!(found == b"text", is_archive);
}

/// What is kept of a COPY, and an engine's cache, know a file by its time as well.
#[test]
fn only_the_files_decide_the_times_of_a_side_context() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let written = |name: &str, contents: [&str; 2]| {
        let files = ["a", "b"].into_iter().zip(contents);
        let files = files.map(|(path, contents)| containerfile::SideFile {
            path: path.to_owned(),
            mode: 0o644,
            contents: contents.to_owned(),
        });
        let lowered = Lowered {
            files: files.collect(),
            ..Lowered::default()
        };
        let directory = root.join(name);
        write_side_context(&lowered, &directory).unwrap();
        ["a", "b"].map(|path| {
            let metadata = fs::metadata(directory.join(path)).unwrap();
            metadata.modified().unwrap()
        })
    };
    let first = written("first", ["one", "one"]);
    assert_eq!(written("again", ["one", "one"]), first);
    assert_ne!(first[0], first[1]);
    let other = written("other", ["two", "one"]);
    assert!(other[0] != first[0] && other[1] == first[1]);
}
