//! Copies of everything: what was kept is stacked where that shows the same as a copy, and copied where it
//! does not.

use std::fs;

use libtest_mimic::Failed;

use super::SHELL;
use super::scene::{Built, Scene, expect, expect_equal, expect_same_files};

/// A copy of `/r/` to `/`, and whether what it is of can be stacked instead.
struct Case {
    name: &'static str,
    /// What makes `/r`, in two steps.
    source: [&'static str; 2],
    /// What makes that which it is copied over.
    below: &'static str,
    is_stacked: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "files, links, a pipe and modes",
        source: [
            "mkdir -p /r/d/e && echo 1 >/r/d/f && ln -s f /r/d/l && mkfifo /r/d/p && chmod 4711 /r/d/f",
            "echo 2 >/r/d/g && chown 3:4 /r/d/g && chmod 1777 /r/d/e",
        ],
        below: "mkdir -m 700 /d && echo old >/d/f && echo stays >/d/s",
        is_stacked: true,
    },
    Case {
        name: "a file with two names",
        source: ["mkdir /r && echo 1 >/r/a && ln /r/a /r/b", "echo 2 >/r/c"],
        below: "echo old >/a",
        is_stacked: true,
    },
    Case {
        name: "a file with a name elsewhere",
        source: ["mkdir /r && echo 1 >/r/a && ln /r/a /elsewhere", "true"],
        below: "true",
        is_stacked: false,
    },
    Case {
        name: "a file of which a name is gone",
        source: ["mkdir /r && echo 1 >/r/a && ln /r/a /r/b", "rm /r/b"],
        below: "true",
        is_stacked: false,
    },
    Case {
        name: "what is deleted over nothing",
        source: [
            "mkdir -p /r/d && echo 1 >/r/d/a && echo 2 >/r/d/b",
            "rm /r/d/a",
        ],
        below: "true",
        is_stacked: true,
    },
    Case {
        name: "what is deleted over something",
        source: [
            "mkdir -p /r/d && echo 1 >/r/d/a && echo 2 >/r/d/b",
            "rm /r/d/a",
        ],
        below: "mkdir /d && echo stays >/d/a",
        is_stacked: false,
    },
    Case {
        name: "a directory made anew over something",
        source: [
            "mkdir -p /r/d && echo 1 >/r/d/a",
            "rm -r /r/d && mkdir /r/d && echo 2 >/r/d/b",
        ],
        below: "mkdir /d && echo stays >/d/a",
        is_stacked: false,
    },
    Case {
        name: "all of it made anew",
        source: [
            "mkdir -p /r/d && echo 1 >/r/d/a",
            "rm -r /r && mkdir -p /r/e && echo 2 >/r/e/b",
        ],
        below: "mkdir /d && echo stays >/d/a",
        is_stacked: true,
    },
    Case {
        name: "a file over a directory",
        source: ["mkdir /r && echo 1 >/r/d", "true"],
        below: "mkdir /d",
        is_stacked: false,
    },
    Case {
        name: "a directory over a link to one",
        source: ["mkdir -p /r/l && echo 1 >/r/l/a", "true"],
        below: "mkdir /d && ln -s d /l",
        is_stacked: false,
    },
    Case {
        name: "a root that is closed",
        source: ["mkdir -m 700 /r && echo 1 >/r/a", "true"],
        below: "true",
        is_stacked: false,
    },
    Case {
        name: "a device",
        source: ["mkdir /r && mknod /r/c c 1 3", "mknod /r/d c 1 5"],
        below: "echo old >/c",
        // As an ordinary user something stands in for it.
        is_stacked: false,
    },
    Case {
        name: "a block device",
        source: ["mkdir /r && mknod /r/b b 7 0", "true"],
        below: "true",
        is_stacked: false,
    },
];

/// What a process sees of what was copied.
const LIST: &str = "RUN find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path '/etc*' \
                    ! -path '/.list' ! -path / -type f -exec stat -c '%n %f %u %g %h %s %Y %t %T' {} + \
                    | sort >/.list\n";

pub(crate) fn what_is_copied_whole_is_stacked_where_that_shows_the_same() -> Result<(), Failed> {
    let scene = Scene::new();
    for case in CASES {
        let [first, second] = case.source;
        let below = case.below;
        let text = |option: &str| {
            format!(
                "{SHELL}FROM shell AS source\nRUN {first}\nRUN {second}\n\
                 FROM shell AS below\nRUN {below}\n\
                 FROM below AS last\nCOPY --from=source {option} /r/ /\n{LIST}\
                 FROM last\nCOPY --from=last / /again/\n"
            )
        };
        let in_case = |failed: Failed| {
            let why = failed.message().unwrap_or_default();
            Failed::from(format!("{}: {why}", case.name))
        };
        // Whoever leaves something out cannot have it stacked.
        let copied = scene.build(&text("--exclude=nothing-has-this-name")).run();
        let before = stacked(&scene)?;
        let found = scene.build(&text("")).run();
        match (&copied, &found) {
            (Ok(copied), Ok(found)) => {
                same(copied, found).map_err(in_case)?;
                // And what was kept of it.
                let again = scene.build(&text("").replace("/again/", "/more/")).run()?;
                expect_equal(&again.made, &["COPY --from=last / /more/"]).map_err(in_case)?;
            }
            (Err(copied), Err(found)) => {
                let [copied, found] = [copied, found].map(why);
                expect_equal(&found, &copied).map_err(in_case)?;
            }
            (copied, found) => {
                let message = format!("{}: copied {copied:?}, found {found:?}", case.name);
                return Err(message.into());
            }
        }
        let is_root = rustix::process::geteuid().is_root();
        let is_stacked = case.is_stacked || (case.name == "a device" && is_root);
        let count = stacked(&scene)? - before;
        expect_equal(&count, &usize::from(is_stacked)).map_err(in_case)?;
    }
    Ok(())
}

/// Returns why a build failed, without the words of the step.
fn why(failed: &Failed) -> Option<&str> {
    let line = failed.message()?.lines().next()?;
    Some(line.split_once("/r/ /: ")?.1)
}

fn same(copied: &Built, found: &Built) -> Result<(), Failed> {
    expect_equal(&found.contents(".list"), &copied.contents(".list"))?;
    // Which of them took longer to list does not matter.
    let count = copied.layers.len();
    expect_equal(&found.layers[..count - 2], &copied.layers[..count - 2])?;
    expect_same_files(found, copied)
}

/// Returns how many of the entries that were kept are stacked of others.
fn stacked(scene: &Scene) -> Result<usize, Failed> {
    let mut count = 0;
    for key in scene.keys()? {
        count += usize::from(!scene.kept().join(&key).join("u").exists());
    }
    Ok(count)
}

/// The kernel stacks no directory twice, nor one that is in another of the stack.
pub(crate) fn what_is_below_already_is_copied_over_itself() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = format!(
        "{SHELL}FROM shell AS source\nRUN mkdir -p /r/d && echo 1 >/r/d/a && echo 2 >/b\n\
         FROM source AS within\nCOPY --from=source /r/ /\nRUN cat /d/a >/c\n\
         FROM source AS again\nRUN rm /r/d/a && echo 3 >/b && echo 4 >/r/d/n\n\
         COPY --from=source / /\nRUN cat /r/d/a /b /r/d/n >/c\n\
         FROM scratch\nCOPY --from=within /c /within\nCOPY --from=again /c /again\n"
    );
    for _ in 0..2 {
        let built = scene.build(&text).run()?;
        let found = ["within", "again"].map(|name| built.contents(name));
        expect_equal(&found, &["1\n", "1\n2\n4\n"])?;
    }
    Ok(())
}

/// A base that is copied at different places is kept once.
pub(crate) fn what_is_copied_at_many_places_is_kept_once() -> Result<(), Failed> {
    const SIZE: u64 = 4 << 20;
    let scene = Scene::new();
    scene.image("image", "large", &"0123456789abcdef".repeat(1 << 18));
    for number in 0..5 {
        scene.write(&format!("context/{number}"), "");
        let text = format!(
            "{SHELL}FROM shell AS build\nCOPY {number} /{number}\nCOPY --from=image . /\n\
             RUN echo {number} >/out-{number}\nFROM scratch\nCOPY --from=build /out-{number} /out\n"
        );
        let built = scene.build(&text).run()?;
        expect(
            built.contents("out") == format!("{number}\n"),
            "what was built",
        )?;
    }
    let mut bytes = 0;
    for key in scene.keys()? {
        let entry = scene.kept().join(key);
        let large = entry.join("u/large");
        bytes += fs::metadata(large).map_or(0, |file| file.len());
    }
    expect_equal(&bytes, &SIZE)
}
