use super::*;

#[test]
fn what_was_never_built_needs_little_and_a_large_image_several_times_its_size() {
    assert_eq!(needed(None), LEAST);
    assert_eq!(needed(Some(1 << 30)), LEAST + (8 << 30));
}

#[test]
fn where_there_is_no_room_nothing_begins() {
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
    let image = directories.output("core-a");
    std::fs::create_dir_all(&image).unwrap();
    // A sparse file, which is as large as no disk is.
    let file = std::fs::File::create(image.join("blob")).unwrap();
    file.set_len(1 << 40).unwrap();
    let stale = ["core-a", "core-b"];
    let refused = check_space(&directories, stale.into_iter()).unwrap_err();
    assert!(matches!(refused, Error::DiskSpace { .. }), "{refused}");
    assert!(refused.hint().is_some());
    check_space(&directories, ["core-b"].into_iter()).unwrap();
}
