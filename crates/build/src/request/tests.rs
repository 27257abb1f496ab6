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
