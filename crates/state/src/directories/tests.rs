//! Outputs that were begun, locks, and where outputs lie.

use std::fs;

use rstest::rstest;

use super::*;

#[test]
fn outputs_that_were_begun_are_cleared_and_whole_ones_stay() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let directories = Directories::of_tree(root);
    let [left, output] = [".core-a.x1y2", "core-a"].map(|name| root.join("out").join(name));
    for directory in [&left, &output] {
        fs::create_dir_all(directory).unwrap();
    }
    let _lock = directories
        .open(Access::Alone, &mut |_| panic!("nobody else holds the lock"))
        .unwrap();
    assert!(!left.exists());
    assert!(output.exists());
}

/// Something that stands where the lock should be; the file must stay as it is.
type Trick = fn(&Utf8Path, &Utf8Path);

#[rstest]
#[case::link(|file: &Utf8Path, lock: &Utf8Path| std::os::unix::fs::symlink(file, lock).unwrap())]
#[case::link_to_nothing(|_: &Utf8Path, lock: &Utf8Path| std::os::unix::fs::symlink("nothing", lock).unwrap())]
#[case::hard_link(|file: &Utf8Path, lock: &Utf8Path| fs::hard_link(file, lock).unwrap())]
#[case::directory(|_: &Utf8Path, lock: &Utf8Path| fs::create_dir(lock).unwrap())]
#[case::pipe(|_: &Utf8Path, lock: &Utf8Path| {
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, lock.as_str(), kind, Mode::RWXU, 0).unwrap();
})]
#[case::readable(|_: &Utf8Path, lock: &Utf8Path| fs::write(lock, "").unwrap())]
fn a_lock_is_a_file_that_only_its_user_can_lock(#[case] trick: Trick) {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let (directories, file) = (Directories::of_tree(root), root.join("file"));
    fs::write(&file, "precious").unwrap();
    fs::create_dir_all(directories.own()).unwrap();
    let path = directories.own().join(LOCK);
    trick(&file, &path);
    let nobody = &mut |_| panic!("nobody else holds the lock");
    let lock = directories.open(Access::Alone, nobody).unwrap();
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.is_file());
    assert_eq!((found.nlink(), found.mode() & 0o7777), (1, 0o600));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(!root.join("out/.stagex/nothing").exists());
    let mut waited = false;
    let mut lock = Some(lock);
    let second = directories.open(Access::Alone, &mut |_| {
        waited = true;
        lock = None;
    });
    assert!(second.is_ok() && waited);
}

#[test]
fn trees_of_one_name_have_directories_of_their_own_elsewhere() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let outs = ["one/tree", "two/tree"].map(|name| {
        let tree = root.join(name);
        fs::create_dir_all(&tree).unwrap();
        let directories = Directories::of_tree(&tree)
            .elsewhere(&root.join("big"))
            .unwrap();
        let nobody = &mut |_| panic!("nobody else holds the lock");
        directories.open(Access::Alone, nobody).unwrap();
        assert!(fs::read_dir(&tree).unwrap().next().is_none());
        directories.out()
    });
    assert_ne!(outs[0], outs[1]);
    assert_eq!(fs::read_dir(root.join("big")).unwrap().count(), 2);
}

#[test]
fn a_second_process_is_told_whom_it_waits_for() {
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
    let nobody = &mut |_| panic!("nobody else holds the lock");
    let mut first = Some(directories.open(Access::Alone, nobody).unwrap());
    let mut waited_for = None;
    let second = directories.open(Access::Alone, &mut |holder| {
        waited_for = holder;
        first = None;
    });
    assert!(second.is_ok());
    assert_eq!(waited_for, Some(std::process::id()));
}

#[test]
fn who_writes_no_outputs_works_beside_others() {
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
    let nobody = &mut |_| panic!("nobody holds the lock alone");
    let first = directories.open(Access::Beside, nobody).unwrap();
    let second = directories.open(Access::Beside, nobody).unwrap();
    let mut others = Some((first, second));
    let alone = directories.open(Access::Alone, &mut |_| others = None);
    assert!(alone.is_ok() && others.is_none());
}

#[test]
fn what_seeds_gave_is_kept_and_cleared_through_no_link() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let directories = Directories::of_tree(root);
    let outside = root.join("outside");
    fs::create_dir_all(outside.join("core-a")).unwrap();
    directories.clear_seeds("core-a").unwrap();
    let kept = directories.make_seeds("core-a").unwrap();
    fs::write(kept.join("file"), "").unwrap();
    let other = directories.make_seeds("core-b").unwrap();
    directories.clear_seeds("core-a").unwrap();
    assert!(!kept.exists() && other.exists());
    // A link in the place of a package's directory goes, and what it leads to stays.
    std::os::unix::fs::symlink(&outside, &kept).unwrap();
    directories.make_seeds("core-a").unwrap_err();
    directories.clear_seeds("core-a").unwrap();
    assert!(kept.symlink_metadata().is_err());
    // One in the place of the directory of all is refused.
    fs::remove_dir_all(kept.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&outside, kept.parent().unwrap()).unwrap();
    directories.clear_seeds("core-a").unwrap_err();
    directories.make_seeds("core-a").unwrap_err();
    assert!(outside.join("core-a").exists());
}

#[test]
fn a_lock_that_was_removed_while_somebody_waited_keeps_others_out_all_the_same() {
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
    let nobody = &mut |_| panic!("nobody else holds the lock");
    let mut first = Some(directories.open(Access::Alone, nobody).unwrap());
    let second = directories.open(Access::Alone, &mut |_| {
        fs::remove_file(directories.own().join(LOCK)).unwrap();
        first = None;
    });
    let mut second = Some(second.unwrap());
    let mut waited = false;
    let third = directories.open(Access::Alone, &mut |_| {
        waited = true;
        second = None;
    });
    assert!(third.is_ok() && waited);
}

#[test]
fn a_directory_of_outputs_that_was_there_is_not_said_to_be_made_here() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let directories = Directories::of_tree(root);
    let mark = directories.own().join(MADE);
    fs::create_dir(root.join("out")).unwrap();
    directories.make_out().unwrap();
    assert!(!mark.exists());
    fs::remove_dir_all(root.join("out")).unwrap();
    directories.make_out().unwrap();
    assert!(mark.exists());
}

#[test]
fn only_what_is_in_the_way_of_a_file_or_a_directory_of_ours_is_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let directories = Directories::of_tree(root);
    let outside = root.join("outside/file");
    fs::create_dir_all(outside.parent().unwrap()).unwrap();
    fs::write(&outside, "").unwrap();
    let nobody = &mut |_| panic!("nobody else holds the lock");
    drop(directories.open(Access::Alone, nobody).unwrap());

    // A file has its name only, and a directory is in the way of one.
    let [file, in_the_way] = ["core-a", "core-b"].map(|name| directories.archive(name));
    fs::write(&file, "").unwrap();
    fs::create_dir_all(in_the_way.join("deep")).unwrap();
    for name in ["core-a", "core-b", "core-c"] {
        directories.free_archive(name).unwrap();
    }
    assert!(file.exists() && !in_the_way.exists());
    fs::create_dir_all(directories.record("core-a").join("deep")).unwrap();
    let record = Utf8Path::new(RECORDS).join(record_file("core-a"));
    directories.write_own(&record, b"written").unwrap();
    assert_eq!(directories.read_own(&record, 7).as_deref(), Some("written"));

    // With directories it is the other way round.
    assert_eq!(directories.clear_parts().unwrap(), 0);
    assert!(directories.record("core-a").exists());
    let logs = directories.own().join(LOGS);
    fs::remove_dir(&logs).unwrap();
    std::os::unix::fs::symlink(outside.parent().unwrap(), &logs).unwrap();
    assert_eq!(directories.clear_parts().unwrap(), 1);
    assert!(logs.symlink_metadata().is_err() && outside.exists());
}
