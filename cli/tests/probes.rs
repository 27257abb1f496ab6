//! What a runtime found out about the machine is not found out again by each command: the programs
//! that lead a RUN to the network are not started where it is known which of them does.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// A program that leads to the network, and counts how often it is started.
const COUNTING: &str = "#!/bin/sh\necho started >>'COUNT'\nexec 'REAL' \"$@\"\n";

fn main() -> ExitCode {
    let real = ["pasta", "slirp4netns"]
        .into_iter()
        .find_map(|name| Some((name, which::which(name).ok()?)));
    let name = "the_programs_of_a_network_are_tried_once";
    let trial = match real {
        Some((name_there, real)) => Trial::test(name, move || tried_once(name_there, &real)),
        None => Trial::test(name, || Err("neither is installed".into()))
            .with_ignored_flag(true)
            .with_kind("neither pasta nor slirp4netns is installed"),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn tried_once(name: &str, real: &Path) -> Result<(), Failed> {
    // A worker that tries something out has a /tmp of its own.
    let temporary = tempfile::tempdir_in("/var/tmp")?;
    let root = temporary.path();
    let (count, program) = (root.join("count"), root.join("bin").join(name));
    let install = || {
        let text = COUNTING.replace("COUNT", count.to_str().unwrap());
        let text = text.replace("REAL", real.to_str().unwrap());
        // Under another inode each time.
        let new = root.join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &program).unwrap();
    };
    let package = root.join("packages/core/a");
    for directory in [&package, &root.join("bin")] {
        fs::create_dir_all(directory)?;
    }
    fs::write(
        package.join("package.toml"),
        "[package]\nname = \"a\"\nversion = \"1\"\n",
    )?;
    fs::write(package.join("Containerfile"), "FROM scratch\n")?;
    let starts = |words: &[&str]| -> Result<usize, Failed> {
        let _ = fs::remove_file(&count);
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
        command.arg("-C").arg(root).args(words);
        for directory in ["CONFIG", "STATE", "CACHE"] {
            command.env(format!("XDG_{directory}_HOME"), root.join(directory));
        }
        let path = format!("{}:{}", root.join("bin").display(), path());
        let output = command.env("PATH", path).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if !output.status.success() {
            return Err(said.into());
        }
        let starts = fs::read_to_string(&count).unwrap_or_default();
        Ok(starts.lines().count())
    };
    install();
    let make = ["--runtime", "native", "make"];
    let found = [starts(&make)?, starts(&make)?];
    install();
    let again = [starts(&make)?, starts(&make)?];
    let asked = starts(&["runtimes"])?;
    if (found, again, asked) == ([1, 0], [1, 0], 1) {
        Ok(())
    } else {
        Err(format!("started {found:?}, then {again:?}, and {asked} times when asked").into())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn path() -> String {
    std::env::var("PATH").unwrap()
}
