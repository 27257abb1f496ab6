use super::*;

#[test]
fn where_a_build_works_is_none_of_its_context() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    for directory in ["out/.stagex/native", "sub/.stagex", "fetch"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let names = |foreign| -> Vec<String> {
        let files = list_context(&Directory::open(root).unwrap(), foreign).unwrap();
        files.iter().map(|file| file.path.to_string()).collect()
    };
    let own = root.join("out/.stagex");
    assert_eq!(
        names(Foreign::of_user(&own)),
        ["fetch", "out", "sub", "sub/.stagex"]
    );
    // What was made for it is none of the context's either, until there is something else in it.
    fs::write(own.join(state::MADE), "").unwrap();
    assert_eq!(
        names(Foreign::of_user(&own)),
        ["fetch", "sub", "sub/.stagex"]
    );
    fs::write(root.join("out/a"), "").unwrap();
    assert_eq!(names(Foreign::of_user(&own)).len(), 5);
    fs::remove_file(root.join("out/a")).unwrap();
    fs::remove_file(own.join(state::MADE)).unwrap();
    let elsewhere = Foreign::of_user(&root.join("nowhere"));
    assert_eq!(names(elsewhere).len(), 6);
    assert!(!names(Foreign::Fetch).contains(&"fetch".to_owned()));
}
