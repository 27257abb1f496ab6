//! What a RUN mounts is beneath what it is from, and what it writes there is gone with it: no link,
//! no path and no id leads to the machine's own files. One test for each runtime that is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod engines;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};

use camino::Utf8Path;
use libtest_mimic::Failed;

use engines::{example_tree, expect};

/// A stage with links to the machine's own files, RUNs that try to get there, and RUNs that write where
/// others read. `OUTSIDE` is a directory of the machine with a file called `secret`.
const CONTAINERFILE: &str = "
FROM scratch AS base
COPY busybox /bin/busybox
RUN --network=none [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
FROM base AS a
RUN --network=none ln -s / /root && ln -s OUTSIDE /outside && mkdir /directory && echo made >/directory/file
FROM base
RUN --network=none --mount=from=a,source=/root,target=/m --mount=source=to-root,target=/n \\
    [ ! -e /mOUTSIDE ] && grep made /m/directory/file && [ ! -e /nOUTSIDE ] && grep text /n/directory/file
RUN --network=none --mount=from=a,source=/directory,target=/m,rw \\
    --mount=source=directory,target=/n,rw --mount=target=/c,rw \\
    for file in /m/file /n/file /c/directory/file /c/fetch/source; do echo changed >$file; done
RUN --network=none --mount=from=a,source=/directory,target=/m,rw --mount=target=/c \\
    grep made /m/file && grep text /c/directory/file && grep text /c/fetch/source
RUN --network=none --mount=type=cache,id=../../../../../../../../../..OUTSIDE,target=/m [ ! -e /m/secret ]
RUN --network=none --mount=type=cache,id=one,target=/m ln -s OUTSIDE /m/link
RUN --network=none --mount=type=cache,id=one/link,target=/m [ ! -e /m/secret ]
COPY --from=a /directory/file /copied
RUN --network=none grep made /copied
";

/// Ways out by which nothing may be built.
const REFUSED: [&str; 6] = [
    "RUN --network=none --mount=from=a,source=/outside,target=/m /bin/busybox true",
    "RUN --network=none --mount=source=to-outside,target=/m /bin/busybox true",
    "RUN --network=none --mount=target=/m,bind-propagation=rshared /bin/busybox true",
    "RUN --network=none --mount=target=/m,U=true /bin/busybox true",
    "ARG T=/x,src=/mount/to-outside,rw\n\
     RUN --network=none --mount=source=directory,target=$T /bin/busybox touch /x/made",
    "ARG T=/x,type=bind,src=/to-outside,rw\n\
     RUN --network=none --mount=type=tmpfs,target=$T /bin/busybox touch /x/made",
];

fn main() -> ExitCode {
    engines::run("a_mount_leads_nowhere_else", mounts)
}

fn mounts(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let images = engines::images(program)?;
    // A tree of packages beside the one that is built in, and none of its business.
    let outside = example_tree();
    let outside = outside.path();
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let tree = temporary.path().join("tree");
    for directory in ["directory", "fetch"] {
        fs::create_dir_all(tree.join(directory)).unwrap();
    }
    fs::write(outside.join("secret"), "secret\n").unwrap();
    fs::write(tree.join("directory/file"), "text\n").unwrap();
    fs::write(tree.join("fetch/source"), "text\n").unwrap();
    symlink("/", tree.join("to-root")).unwrap();
    symlink(outside, tree.join("to-outside")).unwrap();
    let busybox = fs::copy("/bin/busybox", tree.join("busybox"));
    busybox.map_err(|error| format!("Debian's busybox-static is needed: {error}"))?;

    let all = CONTAINERFILE.replace("OUTSIDE", outside.to_str().unwrap());
    build(runtime, &tree, &all)?;
    let (first_stages, _) = all.split_once("FROM base\n").unwrap();
    for run in REFUSED {
        let built = build(runtime, &tree, &format!("{first_stages}FROM base\n{run}\n"));
        expect(built.is_err(), &format!("was built: {run}"))?;
    }

    caches(runtime, &tree)?;
    for (file, text) in [
        (outside.join("secret"), "secret\n"),
        (tree.join("directory/file"), "text\n"),
        (tree.join("fetch/source"), "text\n"),
    ] {
        let found = fs::read_to_string(&file).unwrap();
        expect(found == text, &format!("{}: {found}", file.display()))?;
    }
    let entries = fs::read_dir(outside).unwrap().count();
    expect(entries == 3, "something was made outside")?;
    engines::nothing_is_left(&tree, program, &images)
}

/// What an earlier build has left in a cache is not there with `--no-cache`, where a cache lasts as long as the build.
fn caches(runtime: &str, tree: &Path) -> Result<(), Failed> {
    let (first_stage, _) = CONTAINERFILE.split_once("FROM base AS a\n").unwrap();
    let id = tree
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    for field in ["", ",mode=0700", ",uid=7", ",sharing=locked"] {
        let mount = format!("RUN --network=none --mount=type=cache,id=cache{id}{field},target=/m");
        build(
            runtime,
            tree,
            &format!("{first_stage}{mount} echo earlier >/m/file\n"),
        )?;
        let looking = format!(
            "{first_stage}{mount} [ ! -e /m/file ] && echo now >/m/file\n{mount} grep now /m/file\n"
        );
        build_with(runtime, tree, &looking, &["--no-cache"])?;
    }
    Ok(())
}

fn build(runtime: &str, tree: &Path, containerfile: &str) -> Result<(), Failed> {
    build_with(runtime, tree, containerfile, &[])
}

fn build_with(
    runtime: &str,
    tree: &Path,
    containerfile: &str,
    options: &[&str],
) -> Result<(), Failed> {
    fs::write(tree.join("Containerfile"), containerfile).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .arg("-C")
        .arg(tree)
        .args(["build", "--runtime", runtime, "--tag", "stagex/core-x:1"])
        .args(["--output", "type=oci,dest=image.tar", "."])
        .args(options)
        .output()
        .unwrap();
    expect(
        output.status.success(),
        &String::from_utf8_lossy(&output.stderr),
    )
}
