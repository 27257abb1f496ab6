//! Whatever a step sees makes it anew, and only what stands on it with it.

use std::fs;

use backend_api::Network;
use libtest_mimic::Failed;

use super::SHELL;
use super::scene::{Build, Scene, expect, expect_equal};

/// Changes something that a build is made of.
type Change = for<'a> fn(&'a Scene, Build<'a>) -> Build<'a>;

/// Each change, and the first step of its stage that has to be made anew.
const CHANGES: &[(&str, &str, Change)] = &[
    ("a file of the context", "COPY d/ /d/", |scene, build| {
        scene.write("context/d/file", "other");
        build
    }),
    ("the mode of one", "COPY d/ /d/", |scene, build| {
        scene.set_mode("context/d/file", 0o600);
        build
    }),
    ("the time of one", "COPY d/ /d/", |scene, build| {
        scene.set_time("context/d/file", 5);
        build
    }),
    ("the name of one", "COPY d/ /d/", |scene, build| {
        let path = |name: &str| scene.directory.join("context/d").join(name);
        fs::rename(path("file"), path("fild")).expect("a test may do that");
        scene.set_time("context/d", 1);
        build
    }),
    ("one more", "COPY p* /p/", |scene, build| {
        scene.write("context/p2", "2");
        build
    }),
    (
        "a file that is found at any depth",
        "COPY --parents **/deep /n/",
        |scene, build| {
            scene.write("context/n/a/deep", "other");
            build
        },
    ),
    (
        "the mode of a directory that it is in",
        "COPY --parents **/deep /n/",
        |scene, build| {
            scene.set_mode("context/n/a", 0o700);
            build
        },
    ),
    ("an archive", "ADD a.tar /a/", |scene, build| {
        scene.archive("context/a.tar", "file", "other");
        build
    }),
    (
        "a file of another directory",
        "COPY --from=other f /f",
        |scene, build| {
            scene.write("other/f", "changed");
            build
        },
    ),
    ("an image", "COPY --from=image /i /i", |scene, build| {
        scene.image("image", "i", "changed");
        build
    }),
    ("a base", "RUN true in-base", |scene, build| {
        scene.image("base", "b", "changed");
        build
    }),
    (
        "what a mount shows",
        "RUN --mount=type=bind,source=m,target=/m true",
        |scene, build| {
            scene.write("context/m", "changed");
            build
        },
    ),
    (
        "what a cache begins with",
        "RUN --mount=type=cache,from=other,source=g,target=/m true",
        |scene, build| {
            scene.write("other/g", "changed");
            build
        },
    ),
    ("a build argument", "RUN echo argument", |_, build| {
        build.argument("A", "2")
    }),
    ("the network", "RUN echo argument", |_, build| {
        build.network(Network::Default)
    }),
    ("the open files", "RUN echo argument", |_, build| {
        build.open_files(200)
    }),
    (
        "another step's environment",
        "RUN echo environment",
        |_, build| build.replace("ENV E=1", "ENV E=2"),
    ),
    ("another step's user", "RUN echo user", |_, build| {
        build.replace("USER 1:1", "USER 2:2")
    }),
    (
        "another step's directory",
        "RUN echo directory",
        |_, build| build.replace("WORKDIR /d\n", "WORKDIR /d/\nWORKDIR /e\n"),
    ),
    ("another step's shell", "RUN echo shell", |_, build| {
        build.replace("SHELL [\"sh\", \"-c\"]", "SHELL [\"sh\", \"-ec\"]")
    }),
    ("a heredoc", "COPY <<END /h", |_, build| {
        build.replace("heredoc", "other")
    }),
];

pub(crate) fn whatever_a_step_sees_makes_it_anew() -> Result<(), Failed> {
    let text = format!(
        "{SHELL}FROM base AS based\nUSER 0:0\nENV PATH=/bin\nRUN true in-base\n\
         FROM shell AS start\nCOPY mark /mark\n\
         FROM shell AS stage\n\
         COPY d/ /d/\nCOPY p* /p/\nCOPY --parents **/deep /n/\nADD a.tar /a/\nCOPY --from=other f /f\n\
         COPY --from=image /i /i\n\
         RUN --mount=type=bind,source=m,target=/m true\n\
         RUN --mount=type=cache,from=other,source=g,target=/m true\n\
         FROM start AS arguments\nARG A=1\nRUN echo argument\n\
         FROM start AS environment\nENV E=1\nRUN echo environment\n\
         FROM start AS users\nUSER 1:1\nRUN echo user\n\
         FROM start AS directories\nWORKDIR /d\nRUN echo directory\n\
         FROM start AS shells\nSHELL [\"sh\", \"-c\"]\nRUN echo shell\n\
         FROM start AS heredocs\nCOPY <<END /h\nheredoc\nEND\n\
         FROM scratch\n\
         COPY --from=based /b /1/\nCOPY --from=stage /d /2/\nCOPY --from=arguments /mark /3/\n\
         COPY --from=environment /mark /4/\nCOPY --from=users /mark /5/\n\
         COPY --from=directories /mark /6/\nCOPY --from=shells /mark /7/\nCOPY --from=heredocs /h /8\n"
    );
    let scene = Scene::new();
    let files = [
        ("d/file", "one"),
        ("p1", "1"),
        ("n/a/deep", "deep"),
        ("m", "mount"),
        ("mark", ""),
    ];
    for (path, contents) in files {
        scene.write(&format!("context/{path}"), contents);
    }
    scene.set_time("context/d", 1);
    scene.archive("context/a.tar", "file", "one");
    scene.write("other/f", "f");
    scene.build(&text).run()?;
    for (name, step, change) in CHANGES {
        // What was changed before has been built.
        let again = scene.build(&text).run()?;
        expect_equal(&again.made, &[""; 0])?;
        let changed = change(&scene, scene.build(&text)).run()?;
        let made = |line: &str| changed.made.iter().any(|made| made == line);
        expect(made(step), &format!("{name}: {step} was not made anew"))?;
        let mut stages = text.split("FROM ");
        let stage = stages
            .find(|stage| stage.contains(step))
            .ok_or("no stage has the step")?;
        let mut before = stage.lines().take_while(|line| line != step);
        let needless = before.find(|line| made(line) && !line.starts_with("WORKDIR"));
        expect(
            needless.is_none(),
            &format!("{name}: {needless:?} was made anew"),
        )?;
    }
    Ok(())
}
