//! Real repositories, some with a configuration that would run programs.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::*;

struct Scene {
    _temporary: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Scene {
    /// A repository in which the tree is a directory, with three commits.
    async fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap().to_owned();
        let scene = Self {
            _temporary: temporary,
            root,
        };
        scene.git(&["init", "-q"]).await;
        scene.write("outside", "1");
        scene.write("tree/a b", "1");
        scene.write(
            "tree/gone",
            "some text that is long enough to be found again\n",
        );
        scene.commit().await;
        scene.write("outside", "2");
        scene.write("tree/a b", "2");
        scene.write("tree/\u{fc}", "2");
        fs::rename(scene.root.join("tree/gone"), scene.root.join("tree/now")).unwrap();
        scene.commit().await;
        scene
    }

    fn tree(&self) -> Utf8PathBuf {
        self.root.join("tree")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn git(&self, words: &[&str]) {
        let git = find("git".into()).unwrap();
        let git = Invocation::new(&git).argument("-C").argument(&self.root);
        let git = ["user.name=x", "user.email=x@y", "commit.gpgSign=false"]
            .iter()
            .fold(git, |git, setting| git.argument("-c").argument(setting));
        let ran = git.arguments(words).run().await.unwrap();
        assert!(ran.succeeded(), "{words:?}: {}", ran.stderr);
    }

    async fn commit(&self) {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", "x"]).await;
    }
}

fn paths(names: &[&str]) -> Vec<Utf8PathBuf> {
    names.iter().map(Utf8PathBuf::from).collect()
}

#[tokio::test]
async fn both_names_of_a_renamed_file_have_changed_and_nothing_outside() {
    let scene = Scene::new().await;
    let found = changed(&scene.tree(), "HEAD~1..HEAD").await.unwrap();
    assert_eq!(found, paths(&["a b", "gone", "now", "\u{fc}"]));
    let same = changed(&scene.tree(), "HEAD..").await.unwrap();
    assert_eq!(same, paths(&[]));
}

#[tokio::test]
async fn three_dots_are_what_one_side_has_changed() {
    let scene = Scene::new().await;
    scene
        .git(&["checkout", "-q", "-b", "other", "HEAD~1"])
        .await;
    scene.write("tree/other", "");
    scene.commit().await;
    let found = changed(&scene.tree(), "HEAD~1...HEAD").await.unwrap();
    assert_eq!(found, paths(&["other"]));
    let found = changed(&scene.tree(), "HEAD@{2}...HEAD").await.unwrap();
    assert_eq!(found, paths(&["other"]));
    let found = changed(&scene.tree(), "HEAD@{2}..HEAD").await.unwrap();
    assert_eq!(found, paths(&["a b", "gone", "now", "other", "\u{fc}"]));
}

#[tokio::test]
async fn the_tags_of_a_commit_are_found_behind_newer_ones_of_others() {
    let scene = Scene::new().await;
    let older = named(&scene.tree(), "HEAD~1").await.unwrap().unwrap();
    scene.git(&["tag", "-a", "-m", "x", "old", &older]).await;
    scene.git(&["tag", "-a", "-m", "x", "new"]).await;
    scene.git(&["tag", "light"]).await;
    let [old, new] = ["old", "new"].map(|name| async {
        let found = named(&scene.tree(), name).await;
        found.unwrap().unwrap()
    });
    let (old, new) = (old.await, new.await);
    let of_it = tags(&scene.tree(), Some(&older), 1).await.unwrap();
    assert_eq!(of_it, std::slice::from_ref(&old));
    // What is no object of a tag takes nobody's place.
    let mut all = tags(&scene.tree(), None, 2).await.unwrap();
    all.sort();
    let mut expected = vec![old, new];
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(tags(&scene.tree(), None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_range_is_refused() {
    let scene = Scene::new().await;
    for range in ["HEAD", "", "--output=x..y", "-x..y"] {
        let error = changed(&scene.tree(), range).await.unwrap_err();
        assert!(matches!(error, Error::Range(_)), "{range}: {error}");
    }
    let error = changed(&scene.tree(), "HEAD..nowhere").await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn what_is_added_is_tracked_and_what_is_not_is_not() {
    let scene = Scene::new().await;
    scene.write("tree/left", "");
    scene.write("tree/added", "");
    scene.git(&["add", "tree/added"]).await;
    let found = tracked(&scene.tree()).await.unwrap().unwrap();
    let found: Vec<_> = found.into_iter().collect();
    assert_eq!(found, paths(&["a b", "added", "now", "\u{fc}"]));
}

#[tokio::test]
async fn outside_of_a_repository_nothing_is_tracked_and_a_broken_one_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    assert_eq!(tracked(root).await.unwrap(), None);
    let error = changed(root, "A..B").await.unwrap_err();
    assert!(matches!(error, Error::Outside(_)), "{error}");
    fs::create_dir(root.join(".git")).unwrap();
    let error = tracked(root).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
}

/// Each setting would run a program that leaves a file, if git did what it says.
#[tokio::test]
async fn nothing_that_a_repository_names_is_run() {
    let scene = Scene::new().await;
    let ran = scene.root.join("ran");
    let program = scene.root.join("program");
    fs::write(&program, format!("#!/bin/sh\ntouch {ran}\nexit 1\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    for key in [
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "filter.x.clean",
        "diff.x.textconv",
        "diff.x.command",
        "core.sshCommand",
    ] {
        scene.git(&["config", key, program.as_str()]).await;
    }
    for (key, value) in [
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ssh://host/path"),
    ] {
        scene.git(&["config", key, value]).await;
    }
    scene.write("tree/.gitattributes", "* filter=x diff=x\n");
    scene.write("tree/a b", "changed");
    changed(&scene.tree(), "HEAD~1..HEAD").await.unwrap();
    tracked(&scene.tree()).await.unwrap();
    assert!(checked_out(&scene.tree()).await.unwrap().unwrap().dirty);
    // An object that is not there is fetched from where the configuration says.
    let missing = "1".repeat(40);
    let range = format!("{missing}..HEAD");
    changed(&scene.tree(), &range).await.unwrap_err();
    assert!(!ran.exists());
    // It would have been: this is how it is noticed.
    scene.git(&["config", "--unset", "core.fsmonitor"]).await;
    let git = Invocation::new(&find("git".into()).unwrap());
    let git = git.argument("-C").argument(scene.tree());
    git.arguments(["diff", "HEAD"]).run().await.unwrap();
    assert!(ran.exists());
}

#[tokio::test]
async fn what_is_checked_out_is_a_commit_and_whether_the_files_are_it() {
    let scene = Scene::new().await;
    let tree = scene.tree();
    let clean = checked_out(&tree).await.unwrap().unwrap();
    assert!(clean.commit.len() >= 40 && !clean.dirty, "{clean:?}");
    let dirty = async || checked_out(&scene.tree()).await.unwrap().unwrap().dirty;

    // The same bytes at another time are the same file.
    let bytes = fs::read(tree.join("a b")).unwrap();
    fs::write(tree.join("a b"), &bytes).unwrap();
    scene.write("tree/not tracked", "new");
    assert!(!dirty().await);

    scene.write("tree/a b", "changed");
    assert!(dirty().await);
    fs::remove_file(tree.join("a b")).unwrap();
    assert!(dirty().await);
    std::os::unix::fs::symlink("added", tree.join("a b")).unwrap();
    assert!(dirty().await);
    fs::remove_file(tree.join("a b")).unwrap();
    fs::write(tree.join("a b"), &bytes).unwrap();
    assert!(!dirty().await);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tree.join("a b"), mode).unwrap();
    assert!(dirty().await);

    let outside = tempfile::tempdir().unwrap();
    let outside = Utf8Path::from_path(outside.path()).unwrap();
    assert_eq!(checked_out(outside).await.unwrap(), None);
}

#[tokio::test]
async fn a_line_is_there_since_the_last_commit_that_added_it() {
    let scene = Scene::new().await;
    let commit = async || {
        scene.commit().await;
        checked_out(&scene.root).await.unwrap().unwrap().commit
    };
    let tree = scene.tree();
    let wanted = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let lines: BTreeSet<String> = wanted(&["1 a", "2 b", "3 c"]);
    assert_eq!(
        since(&tree, "digests", &lines).await.unwrap(),
        BTreeMap::new()
    );
    scene.write("tree/digests/core.txt", "1 a\n2 b\n");
    let first = commit().await;
    scene.write("tree/digests/core.txt", "0 a\n2 b\n");
    commit().await;
    scene.write("tree/digests/core.txt", "1 a\n2 b\n+ x\n");
    let last = commit().await;
    let found = since(&tree, "digests", &lines).await.unwrap();
    let commits = found
        .iter()
        .map(|(line, since)| (line.as_str(), since.commit.as_str()));
    assert_eq!(
        commits.collect::<Vec<_>>(),
        [("1 a", last.as_str()), ("2 b", first.as_str())]
    );
    let outside = tempfile::tempdir().unwrap();
    let outside = Utf8Path::from_path(outside.path()).unwrap();
    assert_eq!(
        since(outside, "digests", &lines).await.unwrap(),
        BTreeMap::new()
    );
}
