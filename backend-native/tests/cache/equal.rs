//! Equal steps of several stages are carried out once, whatever was kept of them.

use std::fs;

use backend_api::Cache;
use libtest_mimic::Failed;

use super::SHELL;
use super::scene::{Built, Scene, expect, expect_equal};

/// Makes another file each time.
const STEP: &str = "RUN cat /proc/sys/kernel/random/uuid >made";

/// Two stages with that step, and the image as a third one.
fn text() -> String {
    format!(
        "{SHELL}FROM shell AS one\nWORKDIR /w\n{STEP}\n\
         FROM shell AS two\nWORKDIR /w\n{STEP}\nRUN true two\n\
         FROM shell AS other\nWORKDIR /w\nRUN true other\n{STEP}\n\
         FROM shell\nWORKDIR /w\n{STEP}\n\
         COPY --from=one /w/made /one\n\
         COPY --from=two /w/made /two\n\
         COPY --from=other /w/made /other\n\
         COPY --from=one /w/made /w/made\n"
    )
}

fn expect_one(built: &Built) -> Result<(), Failed> {
    let [own, one, two, other] = ["w/made", "one", "two", "other"].map(|path| built.contents(path));
    expect_equal(&one, &own)?;
    expect_equal(&two, &own)?;
    expect(other != own, "it stands on something else")?;
    let empty = built.layers.last().is_some_and(|layer| {
        let mut archive = tar::Archive::new(layer.0.as_slice());
        archive
            .entries()
            .is_ok_and(|mut entries| entries.next().is_none())
    });
    expect(
        empty,
        "a copy of the same file over itself changes something",
    )
}

pub(crate) fn equal_steps_are_carried_out_once() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = text();
    let uncached = scene.build(&text).cache(Cache::Refuse).run()?;
    expect_one(&uncached)?;
    let first = scene.build(&text).run()?;
    expect_one(&first)?;
    let second = scene.build(&text).run()?;
    expect_equal(&second.made, &[""; 0])?;
    expect_equal(&second.layers, &first.layers)
}

pub(crate) fn equal_steps_are_kept_together_or_not_at_all() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = text();
    scene.build(&text).run()?;
    for key in scene.keys()? {
        // Those that come in its place have other names, or the same.
        let entry = scene.kept().join(&key);
        if entry.exists() {
            fs::remove_dir_all(&entry)?;
        }
        let built = scene.build(&text).run()?;
        expect_one(&built)?;
    }
    let again = scene.build(&text).run()?;
    expect_equal(&again.made, &[""; 0])?;
    expect_one(&again)
}

pub(crate) fn a_linked_copy_is_the_same_on_anything() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.write("context/file", "text");
    let text = format!(
        "{SHELL}RUN mkdir -m 700 /d && echo other >/d/file && ln -s d /link\n\
         COPY --link file /d/file\nCOPY --link file /link/file\n\
         RUN cat /d/file /link/file >/seen && stat -c %a /d >>/seen && test ! -L /link\n"
    );
    for cache in [Cache::Refuse, scene.cache(1)] {
        let built = scene.build(&text).cache(cache).run()?;
        expect_equal(&built.contents("seen"), &"texttext755\n".to_owned())?;
        let names = |layer: usize| -> Vec<String> {
            let entries = super::image::entries(&built.layers[layer].0);
            entries.into_iter().map(|(path, _)| path).collect()
        };
        let count = built.layers.len();
        expect_equal(&names(count - 3), &["d", "d/file"])?;
        expect_equal(&names(count - 2), &["link", "link/file"])?;
    }
    Ok(())
}
