//! What a RUN leaves in a `--mount=type=cache`: others find it, of the same build and of later ones.

use std::fs::{self, File};

use backend_api::Cache;
use camino::Utf8PathBuf;
use libtest_mimic::Failed;

use super::SHELL;
use super::scene::{Built, Scene, expect, expect_equal};

const LEAVES: &str = "RUN --mount=type=cache,target=/c echo left >/c/file\n";
const FINDS: &str = "RUN --mount=type=cache,target=/c cp /c/file /found\n";
const EMPTY: &str =
    "RUN --mount=type=cache,target=/c rmdir /c/* 2>&1 | grep -q 'No such' && touch /empty\n";

fn told(built: &Built) -> bool {
    let is_told = |notice: &String| notice.contains("has what earlier builds have left in it");
    built.notices.iter().any(is_told)
}

/// Returns the one file of the caches whose name ends so.
fn one(scene: &Scene, end: &str) -> Result<Utf8PathBuf, Failed> {
    let mut found = Vec::new();
    for entry in scene.kept().join("mounts").read_dir_utf8()? {
        let path = entry?.into_path();
        if path
            .file_name()
            .is_some_and(|name| name.len() > 60 && name.ends_with(end))
        {
            found.push(path);
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        found => Err(format!("expected one {end}, found {found:?}").into()),
    }
}

pub(crate) fn a_cache_lasts_for_a_build_and_for_later_ones() -> Result<(), Failed> {
    let scene = Scene::new();
    let both = format!("{SHELL}{LEAVES}{FINDS}");
    let built = scene.build(&both).cache(Cache::Refuse).run()?;
    expect_equal(&built.contents("found"), &"left\n".to_owned())?;
    expect(!scene.kept().join("mounts").exists(), "something is kept")?;
    let built = scene.build(&both).run()?;
    expect_equal(&built.contents("found"), &"left\n".to_owned())?;
    expect(!told(&built), "nothing was there before")?;

    let later = format!("{SHELL}{FINDS}RUN true\n");
    let built = scene.build(&later).run()?;
    expect_equal(&built.contents("found"), &"left\n".to_owned())?;
    expect(told(&built), &format!("{:?}", built.notices))?;
    // Another name is another cache, and so is one with an owner.
    for other in ["id=other,target=/c", "uid=5,target=/c"] {
        let text = format!("{SHELL}{EMPTY}").replace("target=/c", other);
        scene.build(&text).run()?.contents("empty");
    }
    // Without what was kept it begins empty, and what was kept stays.
    let empty = format!("{SHELL}{EMPTY}");
    scene
        .build(&empty)
        .cache(Cache::Refuse)
        .run()?
        .contents("empty");
    scene.build(&format!("{later}RUN true again\n")).run()?;
    Ok(())
}

pub(crate) fn what_somebody_else_has_put_there_is_no_cache() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.build(&format!("{SHELL}{LEAVES}")).run()?;
    let path = one(&scene, ".proof")?.with_extension("");
    let empty = format!("{SHELL}{EMPTY}");
    // As with a copy of the whole tree.
    let copy = path.with_extension("copy");
    fs::create_dir(&copy)?;
    fs::copy(path.join("file"), copy.join("file"))?;
    fs::rename(&path, path.with_extension("old"))?;
    fs::rename(&copy, &path)?;
    scene.build(&empty).run()?.contents("empty");
    // Another user's.
    let again = format!("{SHELL}ENV N=1\n{LEAVES}{FINDS}");
    scene.build(&again).run()?.contents("found");
    let others = scene.build(&empty);
    others.cache(scene.cache(2)).run()?.contents("empty");
    // Links, which lead elsewhere.
    let elsewhere = scene.directory.join("elsewhere");
    fs::create_dir(&elsewhere)?;
    fs::write(elsewhere.join("precious"), "")?;
    for end in ["", ".lock", ".proof"] {
        let link = Utf8PathBuf::from(format!("{path}{end}"));
        fs::remove_dir_all(&link).or_else(|_| fs::remove_file(&link))?;
        std::os::unix::fs::symlink(&elsewhere, &link)?;
        let build = scene.build(&format!("{SHELL}ENV END={end}\n{EMPTY}"));
        build.run()?.contents("empty");
        expect(!link.is_symlink(), &format!("{link} is a link"))?;
    }
    let mounts = scene.kept().join("mounts");
    fs::rename(&mounts, scene.directory.join("moved"))?;
    std::os::unix::fs::symlink(&elsewhere, &mounts)?;
    let built = scene.build(&format!("{SHELL}ENV END=all\n{EMPTY}")).run()?;
    built.contents("empty");
    let is_told = |notice: &String| notice.starts_with("no cache of a RUN is kept in");
    expect(
        built.notices.iter().any(is_told),
        &format!("{:?}", built.notices),
    )?;
    expect_equal(&fs::read_dir(&elsewhere)?.count(), &1)
}

pub(crate) fn a_cache_can_be_had_alone() -> Result<(), Failed> {
    let scene = Scene::new();
    let alone = |text: &str, sharing: &str| {
        text.replace("target=/c", &format!("target=/c,sharing={sharing}"))
    };
    scene.build(&format!("{SHELL}{LEAVES}")).run()?;
    let file = File::open(one(&scene, ".lock")?)?;
    file.lock()?;
    let text = format!("{SHELL}{}", alone(EMPTY, "private"));
    scene.build(&text).run()?.contents("empty");
    drop(file);
    let text = format!("{SHELL}{}", alone(FINDS, "private"));
    scene.build(&text).run()?.contents("found");

    // One after the other.
    let busy = alone(
        "RUN --mount=type=cache,target=/c mkdir /c/busy && sleep 0.2 && rmdir /c/busy && touch /done\n",
        "locked",
    );
    let stages: Vec<_> = (0..4)
        .map(|stage| format!("FROM shell AS s{stage}\nENV S={stage}\n{busy}"))
        .collect();
    let copies: Vec<_> = (0..4)
        .map(|stage| format!("COPY --from=s{stage} /done /{stage}\n"))
        .collect();
    let text = format!(
        "{SHELL}{}FROM scratch\n{}",
        stages.concat(),
        copies.concat()
    );
    scene.build(&text).run()?.contents("3");
    Ok(())
}

pub(crate) fn what_a_cache_is_lent_lasts_as_long_as_the_build() -> Result<(), Failed> {
    let scene = Scene::new();
    let lent = |command: &str| format!("RUN --mount=type=cache,from=other,target=/c {command}\n");
    let text = format!(
        "{SHELL}{}{}",
        lent("test -e /c/g && test ! -e /c/new && touch /c/new"),
        lent("test -e /c/g && test -e /c/new && touch /done"),
    );
    for _ in 0..2 {
        scene
            .build(&text)
            .cache(Cache::Refuse)
            .run()?
            .contents("done");
        expect(
            !scene.directory.join("other/new").exists(),
            "the context was written to",
        )?;
    }
    scene.build(&text).run()?.contents("done");
    Ok(())
}
