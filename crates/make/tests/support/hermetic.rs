//! What a hermetic build is denied is one of its inputs.

use std::sync::Arc;

use camino::Utf8PathBuf;
use package_tree::Hermetic;

use super::{BASE, Scene};

impl Scene {
    /// Makes everything, where builds are hermetic.
    async fn make_hermetic(&mut self, older_rules: bool, tracked: Option<&[&str]>) -> Vec<String> {
        self.hermetic = Some(Arc::new(hermetic(older_rules, tracked)));
        let made = self.make(false, &[]).await;
        self.hermetic = None;
        made
    }
}

/// Builds without what is not `tracked`, if that is known.
fn hermetic(older_rules: bool, tracked: Option<&[&str]>) -> Hermetic {
    let tracked = tracked.map(|files| files.iter().map(Utf8PathBuf::from).collect());
    Hermetic {
        tracked,
        older_rules,
    }
}

/// Only what could have reached the network is built again, and what was denied more stands for what is denied less.
#[tokio::test]
async fn what_a_hermetic_build_denies_is_an_input() {
    let mut scene = Scene::new().await;
    let files = "FROM stagex/core-a AS fetch\nRUN a\nFROM fetch\nRUN --network=none b\n";
    scene.write("b", "Containerfile", files);
    assert_eq!(scene.make(false, &[]).await, ["core-b", "core-c"]);
    assert_eq!(
        scene.make_hermetic(true, None).await,
        [""; 0],
        "its stage keeps the network"
    );
    assert_eq!(scene.make_hermetic(false, None).await, ["core-b"]);
    assert_eq!(scene.make_hermetic(false, None).await, [""; 0]);
    assert_eq!(scene.make_hermetic(true, None).await, [""; 0]);
    assert_eq!(scene.make(false, &[]).await, [""; 0]);
    assert_eq!(scene.explain(false, &[]), [""; 0]);

    // Of a change, nothing else is said.
    scene.write("b", "file", "other");
    let expected = [
        "core-b: file file changed",
        "core-c: core-b, which it needs, is built again",
    ];
    assert_eq!(scene.explain(false, &[]), expected);
    assert_eq!(scene.make(false, &[]).await, ["core-b"]);
    assert_eq!(scene.make_hermetic(false, None).await, ["core-b"]);

    // With a reason it keeps its network again.
    let manifest = "[package]\nname = \"b\"\nversion = \"1\"\n[build]\n\
                    network = [{ stage = \"fetch\", reason = \"it is a test\" }]\n";
    scene.write("b", "package.toml", manifest);
    assert_eq!(scene.make(false, &[]).await, ["core-b"]);
    assert_eq!(scene.make_hermetic(false, None).await, [""; 0]);
}

/// A RUN that an image has for what begins with it is none that the Containerfile tells.
#[tokio::test]
async fn triggers_of_a_tree_are_reckoned_with() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.make_hermetic(false, None).await, [""; 0]);
    scene.write("a", "Containerfile", &format!("{BASE}ONBUILD RUN a\n"));
    scene.make(false, &[]).await;
    assert_eq!(
        scene.make_hermetic(false, None).await,
        ["core-a", "core-b", "core-c"]
    );
}

#[tokio::test]
async fn an_untracked_file_is_no_input_of_a_hermetic_build() {
    let mut scene = Scene::new().await;
    let names = ["a", "b", "c"];
    let files = ["Containerfile", "package.toml", "file"];
    let tracked = names.iter().flat_map(|name| {
        files
            .iter()
            .map(move |file| format!("packages/core/{name}/{file}"))
    });
    let tracked: Vec<String> = tracked.collect();
    let tracked: Vec<&str> = tracked.iter().map(String::as_str).collect();
    assert_eq!(scene.make_hermetic(false, Some(&tracked)).await, [""; 0]);
    scene.write("b", "more", "");
    assert_eq!(scene.make_hermetic(false, Some(&tracked)).await, [""; 0]);
    assert_eq!(scene.make(false, &[]).await, ["core-b"]);
    assert_eq!(scene.make_hermetic(false, Some(&tracked)).await, ["core-b"]);
}
