//! Packages whose images are said beforehand: by runtimes that agreed on them, or because they are recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use documents::ErrorKind;
use make::{GivenImage, Outcome};
use oci_image::Digest;
use package_tree::{DEFAULT_PLATFORM, Tree};

use crate::nothing::{self, Nothing};
use crate::{OPTIONS, Scene};

#[tokio::test]
async fn what_runtimes_agreed_on_is_taken_as_it_is_or_not_at_all() {
    let mut scene = Scene::new().await;
    let own = scene.directories.images("core-a").unwrap().digest();
    let proven = |digest| Arc::new(BTreeMap::from([("core-a".to_owned(), digest)]));
    scene.proven = proven(own);
    assert_eq!(scene.make(true, &["core-c"]).await, ["core-c"]);
    // It has changed since then, or is another image: nothing builds it here, nor what is built on it.
    for change in [true, false] {
        let digest = if change { own } else { Digest::of(b"another") };
        scene.proven = proven(digest);
        scene.write("a", "file", if change { "two" } else { "one" });
        let tree = Tree::open(&scene.root).unwrap();
        let plan = Arc::new(tree.plan(&[], DEFAULT_PLATFORM, &[]).unwrap());
        let engine = Arc::new(Nothing::default());
        let report = scene.run(&engine, nothing::ready(), plan, OPTIONS).await;
        let [
            (_, Outcome::Failed(failed)),
            (_, Outcome::Skipped),
            (_, Outcome::Skipped),
        ] = &report.packages[..]
        else {
            panic!("{report:?}");
        };
        assert!(matches!(failed.error, build::Error::NotProven { .. }));
        assert_eq!((engine.built(), failed.kind()), (0, ErrorKind::Transient));
    }
}

#[tokio::test]
async fn what_is_given_is_the_image_that_was_found_or_nothing_is_built_on_it() {
    let mut scene = Scene::new().await;
    let own = scene.directories.images("core-a").unwrap().digest();
    for (digest, is_it) in [(own, true), (Digest::of(b"another"), false)] {
        let layout = scene.directories.output("core-a");
        let image = ("core-a".to_owned(), GivenImage { digest, layout });
        scene.given = Some(Arc::new([image].into_iter().collect()));
        let tree = Tree::open(&scene.root).unwrap();
        let mut plan = tree.plan(&[], DEFAULT_PLATFORM, &[]).unwrap();
        plan.packages.retain(|package| package.name == "core-b");
        scene.write("b", "file", if is_it { "two" } else { "three" });
        let engine = Arc::new(Nothing::default());
        let report = scene
            .run(&engine, nothing::ready(), Arc::new(plan), OPTIONS)
            .await;
        match &report.packages[..] {
            [(_, Outcome::Built { .. })] => assert!(is_it, "{report:?}"),
            [(_, Outcome::Failed(failed))] => {
                assert!(
                    !is_it && matches!(failed.error, build::Error::Replaced { .. }),
                    "{report:?}"
                );
            }
            _ => panic!("{report:?}"),
        }
        assert_eq!(engine.built(), usize::from(is_it));
    }
}
