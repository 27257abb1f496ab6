//! What builds keep for later ones, tried with whole builds: what is reused, what makes a step anew,
//! and that nothing that is broken, half made or somebody else's comes into an image.
//!
//! Where this system does not allow builds without an engine the tests are listed as ignored, with
//! the reason; `STAGEX_REQUIRE=native` turns that into failures.

mod changes;
mod equal;
mod image;
mod images;
mod mounts;
mod scene;
mod stacked;
mod unfit;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::time::Duration;

use backend_api::{Availability, Backend as _, BuiltImage, Cache};
use camino::Utf8Path;
use libtest_mimic::{Arguments, Failed, Trial};

use scene::{Built, Lines, Scene, block_on, expect, expect_equal, expect_same_files, native};

use changes::whatever_a_step_sees_makes_it_anew;
use equal::{
    a_linked_copy_is_the_same_on_anything, equal_steps_are_carried_out_once,
    equal_steps_are_kept_together_or_not_at_all,
};
use images::{
    a_configuration_that_says_another_archive_is_refused, a_layer_may_occur_more_than_once,
    an_image_that_is_not_what_it_says_is_refused, as_many_layers_as_the_kernel_stacks,
    more_attributes_than_fit_are_no_full_disk, odd_entries_are_refused,
};
use mounts::{
    a_cache_can_be_had_alone, a_cache_lasts_for_a_build_and_for_later_ones,
    what_a_cache_is_lent_lasts_as_long_as_the_build, what_somebody_else_has_put_there_is_no_cache,
};
use stacked::{
    what_is_below_already_is_copied_over_itself, what_is_copied_at_many_places_is_kept_once,
    what_is_copied_whole_is_stacked_where_that_shows_the_same,
};

use unfit::{
    a_file_system_that_keeps_something_else_is_refused, a_shared_directory_hands_nothing_on,
};

/// The start of every build: a stage with a shell.
const SHELL: &str = "FROM scratch AS shell\n\
                     COPY busybox /bin/\n\
                     RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n\
                     ENV PATH=/bin\n";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let absence = match block_on(native().probe()) {
        Availability::Ready(_) => None,
        Availability::Unavailable(why) => Some(why.message),
    };
    let required = required();
    let not_root = (!rustix::process::geteuid().is_root()).then(|| "only root mounts".to_owned());
    let cases = CASES.iter().map(|case| (case, &absence, required));
    // Whoever is not root cannot be required to be.
    let of_root = OF_ROOT.iter().map(|case| match &not_root {
        Some(_) => (case, &not_root, false),
        None => (case, &absence, required),
    });
    let trials = cases
        .chain(of_root)
        .map(|((name, case), absence, required)| {
            let reason = absence.clone();
            let trial = Trial::test(*name, move || match reason {
                Some(reason) => Err(reason.into()),
                None => case(),
            });
            match absence {
                Some(reason) if !required => {
                    trial.with_ignored_flag(true).with_kind(reason.clone())
                }
                _ => trial,
            }
        });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

type Case = fn() -> Result<(), Failed>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($name), $name)),*];
    };
}

cases![
    a_cache_lasts_for_a_build_and_for_later_ones,
    what_somebody_else_has_put_there_is_no_cache,
    a_cache_can_be_had_alone,
    what_a_cache_is_lent_lasts_as_long_as_the_build,
    what_is_kept_gives_the_same_layers,
    the_steps_before_a_change_are_reused,
    whatever_a_step_sees_makes_it_anew,
    what_a_step_does_not_see_makes_nothing_anew,
    a_stage_that_is_not_needed_is_not_built,
    a_broken_file_is_made_again,
    a_broken_layer_is_made_again,
    a_broken_layer_of_an_image_is_unpacked_again,
    what_stands_on_something_made_again_is_made_again,
    a_build_that_may_reuse_nothing_neither_reads_nor_writes,
    what_a_killed_build_had_finished_is_reused,
    builds_at_once_share_what_they_keep,
    what_was_kept_can_be_forgotten,
    what_is_kept_has_devices_and_owners,
    an_image_that_is_not_what_it_says_is_refused,
    a_configuration_that_says_another_archive_is_refused,
    odd_entries_are_refused,
    more_attributes_than_fit_are_no_full_disk,
    a_layer_may_occur_more_than_once,
    as_many_layers_as_the_kernel_stacks,
    what_is_copied_whole_is_stacked_where_that_shows_the_same,
    what_is_copied_at_many_places_is_kept_once,
    what_is_below_already_is_copied_over_itself,
    equal_steps_are_carried_out_once,
    equal_steps_are_kept_together_or_not_at_all,
    a_linked_copy_is_the_same_on_anything,
];

/// Those that mount file systems, or give files away, before they build: only root may.
const OF_ROOT: &[(&str, Case)] = &[
    (
        "a_file_system_that_keeps_something_else_is_refused",
        a_file_system_that_keeps_something_else_is_refused,
    ),
    (
        "a_shared_directory_hands_nothing_on",
        a_shared_directory_hands_nothing_on,
    ),
];

fn what_is_kept_gives_the_same_layers() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.write("context/a/one", "1");
    scene.write("context/a/two", "2");
    // Each is clamped to one time, as in an image: what is made within one second is not the same.
    let text = format!(
        "{SHELL}FROM shell AS build\n\
         WORKDIR /w\n\
         COPY a/ /w/a/\n\
         RUN chmod 4755 a/one && ln a/two linked && mkfifo pipe && ln -s a/one link\n\
         RUN rm a/one && mv a b && chown 1:2 pipe && head -c 100000 /dev/zero >zeros\n\
         RUN rm -r b && mkdir b && echo new >b/new && touch -d @1000000000 b/new\n\
         FROM build\n\
         COPY --from=build --chown=3:4 /w/ /copy/\n\
         RUN touch /w/linked && echo >>/w/zeros\n"
    );
    let cold = scene.build(&text).cache(Cache::Refuse).run()?;
    let first = scene.build(&text).run()?;
    let second = scene.build(&text).run()?;
    expect_same_files(&first, &cold)?;
    expect_equal(&second.layers, &first.layers)?;
    expect_equal(&second.made, &[""; 0])?;
    // Only what is below is kept: the comparison with it is the same.
    let changed = text.replace("echo >>", "echo  >>");
    let rebuilt = scene.build(&changed).run()?;
    expect_equal(&rebuilt.made, &["RUN touch /w/linked && echo  >>/w/zeros"])?;
    expect_same_files(&rebuilt, &cold)
}

fn the_steps_before_a_change_are_reused() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.write("context/file", "one");
    let text = format!("{SHELL}RUN echo 1 >/1\nCOPY file /file\nRUN echo 2 >/2\nRUN echo 3 >/3\n");
    let first = scene.build(&text).run()?;
    expect_equal(&first.kept, &[""; 0])?;
    let changed = text.replace("echo 2", "echo 4");
    let second = scene.build(&changed).run()?;
    expect_equal(&second.made, &["RUN echo 4 >/2", "RUN echo 3 >/3"])?;
    expect_equal(&second.kept.len(), &4)?;
    expect_equal(&second.layers[..4], &first.layers[..4])?;
    expect(second.contents("2") == "4\n", "the change is there")?;
    let back = scene.build(&text).run()?;
    expect_equal(&back.made, &[""; 0])?;
    expect_equal(&back.layers, &first.layers)
}

fn what_a_step_does_not_see_makes_nothing_anew() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.write("context/file", "one");
    let text = format!("{SHELL}ENV A=1\nCOPY file /file\nFROM shell\nCOPY --from=shell /file /f\n");
    scene.build(&text).run()?;
    scene.write("context/unused", "");
    // A COPY has no environment, and a comment is no instruction.
    let text = text.replace("ENV A=1", "# Nothing.\nENV B=2\nLABEL a=b");
    let built = scene.build(&text).run()?;
    expect_equal(&built.made, &[""; 0])
}

fn a_stage_that_is_not_needed_is_not_built() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!(
        "{SHELL}FROM shell AS build\nRUN echo 1 >/1\nFROM scratch\nCOPY --from=build /1 /2\n"
    );
    scene.build(&text).run()?;
    // What is broken and not needed is nobody's concern.
    let path = scene.kept_file("u/1", |text| text == "1\n")?;
    fs::write(&path, "2\n")?;
    let built = scene.build(&text).run()?;
    expect_equal(&built.made, &[""; 0])?;
    expect(
        built.contents("2") == "1\n",
        "the layer that was kept is taken",
    )?;
    expect_equal(&built.notices, &[""; 0])
}

fn a_broken_file_is_made_again() -> Result<(), Failed> {
    type Break = fn(&Utf8Path);
    let breaks: &[Break] = &[
        |path| {
            let modified = fs::metadata(path)
                .expect("a test may do that")
                .modified()
                .expect("a test may do that");
            fs::write(path, "2\n").expect("a test may do that");
            File::open(path)
                .expect("a test may do that")
                .set_modified(modified)
                .expect("a test may do that");
        },
        |path| fs::remove_file(path).expect("a test may do that"),
        |path| {
            fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a test may do that");
        },
        |path| {
            File::create(path)
                .expect("a test may do that")
                .set_len(0)
                .expect("a test may do that");
        },
    ];
    for break_it in breaks {
        let scene = Scene::new();
        let text = format!("{SHELL}RUN echo 1 >/1\nRUN cp /1 /2\n");
        scene.build(&text).run()?;
        break_it(&scene.kept_file("u/1", |text| text == "1\n")?);
        let text = text.replace("cp /1", "cp  /1");
        let built = scene.build(&text).run()?;
        expect(
            built.contents("2") == "1\n",
            "what was broken came into an image",
        )?;
        expect_equal(&built.made, &["RUN echo 1 >/1", "RUN cp  /1 /2"])?;
        let [notice] = built.notices.as_slice() else {
            return Err(format!("expected a notice, found {:?}", built.notices).into());
        };
        expect(notice.contains("is damaged, and is built again"), notice)?;
        let again = scene.build(&text).run()?;
        expect_equal(&again.made, &[""; 0])?;
        expect_equal(&again.layers, &built.layers)?;
    }
    Ok(())
}

fn a_broken_layer_is_made_again() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!("{SHELL}RUN echo contents-of-a-file >/1\n");
    let first = scene.build(&text).run()?;
    let path = scene.kept_file("layer", |text| text.contains("contents-of-a-file"))?;
    let broken = fs::read_to_string(&path)?.replace("contents", "contempt");
    fs::write(&path, broken)?;
    let built = scene.build(&text).run()?;
    expect_same_files(&built, &first)?;
    expect_equal(&built.made, &["RUN echo contents-of-a-file >/1"])?;
    expect_equal(&built.notices.len(), &1)
}

fn a_broken_layer_of_an_image_is_unpacked_again() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.image("image", "i", "from the image");
    let text = format!("{SHELL}COPY --from=image /i /1\n");
    scene.build(&text).run()?;
    let path = scene.kept_file("u/i", |text| text == "from the image")?;
    fs::write(path, "from somewhere")?;
    let text = text.replace("/i /1", "/i /2");
    let built = scene.build(&text).run()?;
    expect(
        built.contents("2") == "from the image",
        "what was broken came into an image",
    )?;
    expect_equal(&built.notices.len(), &1)?;
    let text = text.replace("/i /2", "/i /3");
    expect_equal(&scene.build(&text).run()?.notices, &[""; 0])
}

fn what_stands_on_something_made_again_is_made_again() -> Result<(), Failed> {
    let scene = Scene::new();
    let run = "RUN cat /proc/sys/kernel/random/uuid >/1";
    let text = format!(
        "{SHELL}FROM shell AS build\n{run}\nRUN cp /1 /2\nFROM shell\n\
                        COPY --from=build /1 /a\nCOPY --from=build /2 /b\n"
    );
    let first = scene.build(&text).run()?;
    expect(
        first.contents("a") == first.contents("b"),
        "both are of one run",
    )?;
    // The first of the two is gone, what stands on it is still there.
    let path = scene.kept_file("u/1", |text| text == first.contents("a"))?;
    let entry = path
        .parent()
        .and_then(Utf8Path::parent)
        .ok_or("an entry has a directory")?;
    fs::remove_dir_all(entry)?;
    let text = format!("{text}COPY --from=build /2 /c\n");
    let built = scene.build(&text).run()?;
    expect_equal(&built.kept.len(), &2)?;
    let all = ["a", "b", "c"].map(|name| built.contents(name));
    expect(
        all[0] == all[1] && all[1] == all[2],
        &format!("not of one run: {all:?}"),
    )?;
    expect(all[0] != first.contents("a"), "the run was made again")
}

fn a_build_that_may_reuse_nothing_neither_reads_nor_writes() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!("{SHELL}RUN cat /proc/sys/kernel/random/uuid >/1\n");
    let refused = scene.build(&text).cache(Cache::Refuse).run()?;
    expect(!scene.kept().exists(), "something was kept")?;
    let first = scene.build(&text).run()?;
    let before = scene.keys()?;
    let again = scene.build(&text).cache(Cache::Refuse).run()?;
    let all = [&refused, &first, &again].map(|built| built.contents("1"));
    expect(
        all[0] != all[1] && all[1] != all[2],
        &format!("something was reused: {all:?}"),
    )?;
    expect_equal(&scene.keys()?, &before)
}

fn what_a_killed_build_had_finished_is_reused() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!("{SHELL}RUN echo 1 >/1\nRUN echo begun; sleep 600\n");
    let (request, lines) = (scene.build(&text).request(), Lines::default());
    let native = native();
    block_on(async {
        let begun = async {
            while !lines.has("begun") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            built = native.build(&request, &lines) => panic!("it was built: {built:?}"),
            () = begun => {}
        }
    });
    let keys = scene.keys()?;
    expect_equal(&keys.len(), &3)?;
    let left = BuiltImage::of(&request, "gone");
    block_on(native.remove(left))?;
    expect(
        request.work.read_dir_utf8()?.next().is_none(),
        "something is left of it",
    )?;
    let built = scene.build(&text.replace("sleep 600", "sleep 0")).run()?;
    expect_equal(&built.made, &["RUN echo begun; sleep 0"])?;
    expect_equal(&built.notices, &[""; 0])
}

fn builds_at_once_share_what_they_keep() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!("{SHELL}RUN cat /proc/sys/kernel/random/uuid >/1\nRUN cp /1 /2\n");
    let built = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scene.build(&text).run()))
            .collect();
        let built = builds
            .into_iter()
            .map(|build| build.join().expect("a test may panic"));
        built.collect::<Result<Vec<Built>, Failed>>()
    })?;
    let last = scene.build(&text).run()?;
    expect_equal(&last.made, &[""; 0])?;
    for built in &built {
        expect(
            built.contents("1") == built.contents("2"),
            "two results were mixed",
        )?;
        expect_equal(&built.notices, &[""; 0])?;
    }
    expect(
        last.contents("1") == last.contents("2"),
        "two results were mixed",
    )
}

fn what_was_kept_can_be_forgotten() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!("{SHELL}RUN mkdir /d && touch /d/f && chmod 0 /d && chown 5:5 /d\n");
    scene.build(&text).run()?;
    let native = native();
    block_on(native.forget(&scene.kept()))?;
    expect(scene.keys()?.is_empty(), "something is left")?;
    block_on(native.forget(&scene.kept()))?;
    fs::remove_dir(scene.kept())?;
    block_on(native.forget(&scene.kept()))?;
    Ok(())
}

/// An ordinary user's kernel makes neither: whatever stands in is not seen in a later build either.
fn what_is_kept_has_devices_and_owners() -> Result<(), Failed> {
    let scene = Scene::new();
    let text =
        format!("{SHELL}FROM shell AS made\nRUN mknod /d c 1 3 && mkdir /o && chown 70000 /o\n");
    scene.build(&text).run()?;
    let seen = "[ -c /d ] && [ $(stat -c %u /o) = 70000 ] && mv /d /o/ && chgrp 5 /o";
    let built = scene
        .build(&format!("{text}RUN {seen} && echo 1\n"))
        .run()?;
    expect_equal(&built.made.len(), &1)?;
    let copied = format!(
        "{text}FROM shell AS copy\nCOPY --from=made /d /d\nRUN mkdir /o && chown 70000 /o\n\
         RUN {seen} && stat -c '%F %u:%g' /o/d /o >/f\n"
    );
    let built = scene.build(&copied).run()?;
    expect_equal(
        built.contents("f").as_str(),
        "character special file 0:0\ndirectory 70000:5\n",
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn required() -> bool {
    let required = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name.trim() == "native")
}
