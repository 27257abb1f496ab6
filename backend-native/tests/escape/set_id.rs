//! The set-user-ID and set-group-ID bits, which the kernel takes from a file that an ordinary user's build writes
//! to, and leaves when root's does: an image has them as root's has, or is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use libtest_mimic::Failed;

use crate::support::{Build, expect, put_call, refused};

/// Busybox's programs.
const BUSYBOX: &str = "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n";

/// A program that makes calls, and busybox's programs.
const BEFORE: &str = "COPY call /call\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n\
    ENV PATH=/bin\nWORKDIR /w\n";

/// What an ordinary user gets.
#[derive(Clone, Copy)]
enum Users {
    /// What root gets.
    Same,
    /// A refusal that names this file.
    Refused(&'static str),
}
use Users::{Refused, Same};

/// Scripts, each a step of its own; the mode that `f` has after them, as root; and what others get.
type Case<'a> = (&'a [&'a str], u32, Users);

/// Runs scripts, each case in a directory of its own.
fn end(cases: &[Case<'_>]) -> Result<(), Failed> {
    let build = Build::new();
    put_call(&build, 64, "call")?;
    let is_root = rustix::process::geteuid().is_root();
    let (mut text, mut modes) = (BEFORE.to_owned(), Vec::new());
    for (number, (steps, mode, users)) in cases.iter().enumerate() {
        let steps = steps
            .iter()
            .map(|step| format!("RUN mkdir -p {number}; cd {number}; {step}\n"));
        let steps: String = steps.collect();
        match users {
            Refused(file) if !is_root => {
                let built = build.run(&format!("{BEFORE}{steps}"));
                refused(built, &format!("it writes to `/w/{number}/{file}`"))?;
            }
            _ => {
                text.push_str(&steps);
                modes.push((format!("w/{number}/f"), *mode, steps));
            }
        }
    }
    let built = build.run(&text)?;
    for (path, mode, steps) in modes {
        let found = built.mode(&path).unwrap_or_default();
        expect(
            found == mode,
            &format!("{steps}: expected {mode:o}, found {found:o}"),
        )?;
    }
    Ok(())
}

/// In the step that gives the bit.
pub(crate) fn a_set_id_file_that_is_written_to() -> Result<(), Failed> {
    let cases = [
        ("echo 2 >>f", 0o4755, Refused("f")),
        ("echo 2 >f", 0o4755, Refused("f")),
        (">f", 0o4755, Refused("f")),
        ("truncate -s 2 f", 0o4755, Refused("f")),
        ("truncate -s 5 f", 0o4755, Refused("f")),
        ("cp /call f", 0o4755, Refused("f")),
        ("ln f g; echo 2 >>g; rm g", 0o4755, Refused("f")),
        ("mv f g; echo 2 >>g; mv g f", 0o4755, Refused("f")),
        ("echo 2 >>f; touch -d @0 f", 0o4755, Refused("f")),
        // Somebody has seen what it was without.
        ("echo 2 >>f; cp -p f g; chmod 4755 f", 0o4755, Refused("f")),
        ("mv f g; echo 2 >>g; cp -p g f; rm g", 0o4755, Refused("g")),
        // And nobody has.
        ("echo 2 >>f; chmod 4755 f", 0o4755, Same),
        ("echo 2 >>f; chmod u+s f", 0o4755, Same),
        ("echo 2 >>f; chmod 2755 f", 0o2755, Refused("f")),
        ("cat f >g; chmod 755 g; mv g f", 0o755, Same),
        ("touch -d @0 f; cat f", 0o4755, Same),
        ("chmod u-s f; touch -d @0 f", 0o755, Same),
        ("chown 5 f; touch -d @0 f", 0o755, Same),
        ("chown 5 f; chmod 4711 f", 0o4711, Same),
        ("echo 2 >g; mv g f", 0o644, Same),
        ("cp -a f g; mv g f", 0o4755, Same),
        ("tar c f >t; rm f; tar xp <t; rm t", 0o4755, Same),
        ("tar c f >t; tar xp <t; rm t", 0o4755, Same),
        ("chmod 2744 f; echo 2 >>f", 0o2744, Same),
    ];
    let cases =
        cases.map(|(then, mode, users)| (format!("echo 1 >f; chmod 4755 f; {then}"), mode, users));
    let cases = cases
        .each_ref()
        .map(|(script, mode, users)| ([script.as_str()], *mode, *users));
    end(&cases
        .each_ref()
        .map(|(steps, mode, users)| (&steps[..], *mode, *users)))
}

/// In a later step than the one that gives the bit.
pub(crate) fn a_set_id_file_of_an_earlier_step() -> Result<(), Failed> {
    const USER: &str = "echo 1 >f; chmod 4755 f; touch -d @1 f";
    const GROUP: &str = "echo 1 >f; chmod 2755 f";
    const LOCKED: &str = "echo 1 >f; chmod 2744 f";
    const LINKED: &str = "echo 1 >f; chmod 6755 f; ln f g";
    end(&[
        (&[USER, "echo 2 >>f"], 0o4755, Refused("f")),
        (&[GROUP, "touch h", "echo 2 >>f"], 0o2755, Refused("f")),
        (&[USER, "truncate -s 2 f"], 0o4755, Refused("f")),
        (&[USER, "echo 2 >>f; touch -d @1 f"], 0o4755, Refused("f")),
        (&[USER, "cp -p f g; echo 2 >>f; mv g f"], 0o4755, Same),
        (&[LINKED, "echo 2 >>g; cp -p g h"], 0o6755, Refused("g")),
        (&[LINKED, "echo 2 >>f; rm g"], 0o6755, Refused("f")),
        (&[LINKED, "ln f h; echo 2 >>h"], 0o6755, Refused("f")),
        (&[USER, "ln f g; echo 2 >>g"], 0o4755, Refused("f")),
        (&[USER, "ln f g; echo 2 >>f"], 0o4755, Refused("f")),
        (&[USER, "echo 2 >>f; chmod u+s f"], 0o4755, Same),
        (&[USER, "chmod u-s f; touch -d @0 f"], 0o755, Same),
        (&[USER, "chmod u-s f", "echo 2 >>f"], 0o755, Same),
        (&[USER, "chown 5 f"], 0o755, Same),
        (&[USER, "touch f"], 0o4755, Same),
        (&[USER, "cat f >g; chmod 755 g; mv g f"], 0o755, Same),
        (&[USER, "rm f; echo 2 >f"], 0o644, Same),
        (&[LOCKED, "echo 2 >>f"], 0o2744, Same),
    ])
}

/// By a call that makes the file with the bit, which hardly any program makes.
pub(crate) fn a_file_that_is_made_with_the_set_id_bit() -> Result<(), Failed> {
    end(&[
        // `open`, `openat`, `creat`, `mknod`, `mknodat`, `fchmod`.
        (&["umask 0; /call 2 f 193 2541"], 0o4755, Same),
        (&["umask 77; /call 2 f 193 2541"], 0o4700, Same),
        (
            &["umask 0; /call 2 f 65 2541 , 77 3 1"],
            0o4755,
            Refused("f"),
        ),
        (
            &["umask 0; /call 257 -100 f 65 2541; echo 2 >>f"],
            0o4755,
            Refused("f"),
        ),
        (
            &["umask 0; /call 85 f 2541; echo 2 >>f"],
            0o4755,
            Refused("f"),
        ),
        (
            &["umask 0; /call 133 f 35309 0; echo 2 >>f"],
            0o4755,
            Refused("f"),
        ),
        (
            &["umask 0; /call 259 -100 f 2541 0; echo 2 >>f"],
            0o4755,
            Refused("f"),
        ),
        (
            &["echo 1 >f; /call 2 f 0 0 , 91 3 2541; echo 2 >>f"],
            0o4755,
            Refused("f"),
        ),
        // It is there already, and keeps its mode.
        (
            &["echo 1 >f; /call 2 f 65 2541 , 2 f 193 2541; echo 2 >>f"],
            0o644,
            Same,
        ),
        // Busybox makes a copy with the mode of what it copies.
        (
            &["echo 1 >g; chmod 4755 g; cp g f; rm g"],
            0o4755,
            Refused("f"),
        ),
    ])
}

/// In what is mounted, of which only a copy comes into the image.
pub(crate) fn a_set_id_file_in_a_mount() -> Result<(), Failed> {
    let build = Build::new();
    let file = build.directory.join("context/file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o4755))?;
    for (mount, file) in [
        ("target=/m,rw", "m/file"),
        ("source=file,target=/m,rw", "m"),
    ] {
        let mount = format!("--mount=type=bind,{mount}");
        let read = format!("{BUSYBOX}RUN {mount} cp -p /{file} /f\n");
        let mode = build.run(&read)?.mode("f").unwrap_or_default();
        expect(mode == 0o4755, &format!("{mount}: found {mode:o}"))?;
        let written = format!("{BUSYBOX}RUN {mount} echo 2 >>/{file}; cp -p /{file} /f\n");
        let built = build.run(&written);
        if rustix::process::geteuid().is_root() {
            let mode = built?.mode("f").unwrap_or_default();
            expect(mode == 0o4755, &format!("{mount}: found {mode:o}"))?;
        } else {
            refused(built, &format!("it writes to `/{file}`"))?;
        }
    }
    Ok(())
}

/// What a COPY and an ADD write keeps its mode.
pub(crate) fn what_the_builder_writes_keeps_its_set_id_bits() -> Result<(), Failed> {
    let build = Build::new();
    put_call(&build, 64, "call")?;
    let built = build.run(&format!(
        "{BEFORE}RUN echo 1 >f; chmod 6755 f\nCOPY --chmod=4711 file /w/g\nCOPY --chmod=4711 file /w/f\n\
         COPY --chmod=6755 file /w/h\nRUN cp -a h i; chmod 2711 h; tar c i | tar xp -C /\n"
    ))?;
    for (path, mode) in [
        ("w/f", 0o4711),
        ("w/g", 0o4711),
        ("w/h", 0o2711),
        ("w/i", 0o6755),
        ("i", 0o6755),
    ] {
        let found = built.mode(path).unwrap_or_default();
        expect(
            found == mode,
            &format!("{path}: expected {mode:o}, found {found:o}"),
        )?;
    }
    Ok(())
}
