use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn directories(root: &tempfile::TempDir) -> Directories {
    let directories = Directories::of_tree(Utf8Path::from_path(root.path()).unwrap());
    let nobody = &mut |_| panic!("nobody else holds the lock");
    directories.open(Access::Alone, nobody).unwrap();
    directories
}

fn claim(work: &Work) -> CleanupRecord {
    CleanupRecord {
        runtime: "docker".to_owned(),
        image: BuiltImage {
            key: backend_api::BuildKey::new("core-a"),
            reference: "localhost/stagex/core-a".to_owned(),
            also_made: Vec::new(),
            steps: Vec::new(),
            base_layers: 0,
            work: work.directory().join("engine"),
        },
    }
}

#[test]
fn a_build_that_lives_is_nobodys_to_clear_up_and_a_dead_one_is() {
    let root = tempfile::tempdir().unwrap();
    let directories = directories(&root);
    let work = Work::begin(&directories, "core-a").unwrap();
    work.claim(&claim(&work)).unwrap();
    assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);

    // As if it had been killed: its directory stays, and nobody holds the lock.
    let directory = work.directory().to_owned();
    drop(work);
    let found = abandoned(&directories, Access::Beside).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].work.join(&found[0].name), directory);
    let claim = found[0].claim.as_ref().unwrap();
    assert_eq!(claim.runtime, "docker");
    assert_eq!(claim.image.work, directory.join("engine"));
    let by_another = abandoned(&directories, Access::Beside).unwrap();
    assert_eq!(by_another.len(), 0, "one of two clears it up");
}

#[test]
fn a_build_that_was_interrupted_leaves_its_claim() {
    let root = tempfile::tempdir().unwrap();
    let directories = directories(&root);
    for keep_claim in [false, true] {
        let work = Work::begin(&directories, "core-a").unwrap();
        work.claim(&claim(&work)).unwrap();
        work.end(keep_claim).unwrap();
        let found = abandoned(&directories, Access::Beside).unwrap();
        assert_eq!(found.len(), usize::from(keep_claim));
    }
}

#[test]
fn a_directory_that_may_have_just_begun_is_left_to_whoever_is_alone() {
    let root = tempfile::tempdir().unwrap();
    let directories = directories(&root);
    fs::create_dir(directories.work().join("core-a-1")).unwrap();
    let work = directories.open_work().unwrap().unwrap();
    let beginning = hold(&work, FlockOperation::LockShared).unwrap();
    assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);
    assert_eq!(abandoned(&directories, Access::Alone).unwrap().len(), 1);
    // Nobody is: it was killed before it had a lock.
    drop(beginning);
    assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 1);
}

#[test]
fn a_claim_that_somebody_else_wrote_is_none() {
    let root = tempfile::tempdir().unwrap();
    let directories = directories(&root);
    let work = Work::begin(&directories, "core-a").unwrap();
    work.claim(&claim(&work)).unwrap();
    let (directory, text) = (
        work.directory().to_owned(),
        fs::read_to_string(work.directory().join(CLAIM)).unwrap(),
    );
    drop(work);
    let believed = || {
        let found = abandoned(&directories, Access::Alone).unwrap();
        found.iter().filter(|left| left.claim.is_some()).count()
    };
    assert_eq!(believed(), 1);
    // What was written of another directory, in other words, or of anything outside.
    let other = directories.work().join("core-b-1");
    fs::create_dir(&other).unwrap();
    fs::write(other.join(CLAIM), &text).unwrap();
    assert_eq!(believed(), 1, "a claim that was copied");
    for changed in [
        text.replace("engine", "../../../../.."),
        text.replace("docker", "podman"),
        text.lines().next().unwrap().to_owned() + "\n",
    ] {
        assert_ne!(changed, text);
        fs::write(directory.join(CLAIM), changed).unwrap();
        assert_eq!(believed(), 0);
    }
}

#[test]
fn links_in_the_work_directory_lead_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let directories = directories(&root);
    symlink("/", directories.work().join("core-a-1")).unwrap();
    assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);
    assert_eq!(abandoned(&directories, Access::Alone).unwrap().len(), 1);
}
