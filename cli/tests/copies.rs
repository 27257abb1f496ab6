//! Builds without an engine where directories cannot be stacked: on a file system that is a stack itself,
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

/// Mounts a stack of file systems in the directory `$1`, for what it starts only, which is told the place as
/// `$1`. Nothing else is hidden by it: the program and its tree may be anywhere.
const SCRIPT: &str = "set -e
at=$1
shift
mount --make-rprivate /
mount -t tmpfs tmpfs \"$at\"
mkdir \"$at/below\" \"$at/upper\" \"$at/work\" \"$at/stack\"
chmod 1777 \"$at/upper\"
cd \"$at\"
mount -t overlay overlay -o lowerdir=below,upperdir=upper,workdir=work stack
exec sh -c \"$@\"";

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
    let script = "at=$1; shift; exec \"$0\" conformance --column native --keep \"$at/kept\" \"$@\"";
    let cases = CASES.iter().flat_map(|case| ["--case", case]);
    let (succeeded, said) = stacked(script, cases)?;
    if succeeded { Ok(()) } else { Err(said.into()) }
}

fn it_is_said() -> Result<(), Failed> {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let script = "cp -r \"$2/packages\" \"$2/digests\" \"$1\" && \
                  exec \"$0\" -C \"$1\" --runtime native make core-filesystem";
    let (succeeded, said) = stacked(script, [tree])?;
    if succeeded && said.contains("each step copies the whole file system") {
        Ok(())
    } else {
        Err(said.into())
    }
}

/// Runs a script where directories cannot be stacked: `$0` is the program, `$1` the place, and behind it come
/// more arguments. Returns whether it succeeded, and all that it said.
fn stacked<'a>(
    script: &str,
    more: impl IntoIterator<Item = &'a str>,
) -> Result<(bool, String), Failed> {
    let temporary = tempfile::tempdir()?;
    let at = temporary.path();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(at)
        .args([script, env!("CARGO_BIN_EXE_stagex")])
        .arg(at.join("stack"))
        .args(more)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
