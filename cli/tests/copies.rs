//! Builds without an engine where folders cannot be stacked: on a file system that is a stack itself,
//! as in a container. The same images come of copies, and it is said that they are made.
//!
//! It takes a mount, and so the system's root: for others it is listed as ignored.

#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// Cases in which files are changed, deleted, made anew, linked and given away.
const CASES: [&str; 8] = [
    "recreated",
    "whiteout",
    "hard-link",
    "two-names",
    "is-dropped",
    "is-recorded",
    "devices",
    "mount-points",
];

/// Mounts a stack over the folder in which builds are done, for what it starts only.
const SCRIPT: &str = "set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/below /mnt/upper /mnt/work
chmod 1777 /mnt/upper
mount -t overlay overlay -o lowerdir=/mnt/below,upperdir=/mnt/upper,workdir=/mnt/work /var/tmp
exec \"$@\"";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = rustix::process::geteuid().is_root();
    let trials = [
        Trial::test("the_same_images_come_of_copies", same_images),
        Trial::test("it_is_said_that_copies_are_made", it_is_said),
    ];
    let trials = trials.map(|trial| {
        if is_root {
            trial
        } else {
            trial
                .with_ignored_flag(true)
                .with_kind("only root can mount")
        }
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn same_images() -> Result<(), Failed> {
    let cases = CASES.iter().flat_map(|case| ["--case", case]);
    let (succeeded, said) = stacked(
        ["conformance", "--column", "native"]
            .into_iter()
            .chain(cases),
    )?;
    if succeeded { Ok(()) } else { Err(said.into()) }
}

fn it_is_said() -> Result<(), Failed> {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let script = "cp -r packages digests /var/tmp && cd /var/tmp && \
                  \"$0\" --runtime native make core-filesystem";
    let program = env!("CARGO_BIN_EXE_stagex");
    let (succeeded, said) = run(tree, ["sh", "-c", script, program])?;
    if succeeded && said.contains("every step copies all files") {
        Ok(())
    } else {
        Err(said.into())
    }
}

fn stacked<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<(bool, String), Failed> {
    let words = [env!("CARGO_BIN_EXE_stagex")].into_iter().chain(arguments);
    run(".", words)
}

/// Runs something where folders cannot be stacked. Returns whether it succeeded, and all that it said.
fn run<'a>(
    folder: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<(bool, String), Failed> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .args(words)
        .current_dir(folder)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
