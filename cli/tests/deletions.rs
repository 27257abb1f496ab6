//! In a layer, a name that begins with `.wh.` deletes. A file that was copied, unpacked or made under such a
//! name is refused, on every runtime alike; and what engines write of directories that they made is
//! not taken for one. One test for each runtime that is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "it needs neither an example tree nor variables")]
mod engines;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use camino::Utf8Path;
use libtest_mimic::Failed;

use engines::expect;

/// A file system in which there is something to delete.
const BASE: &str = "\
FROM scratch AS base
COPY busybox /bin/busybox
RUN --network=none [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox --install -s /bin && mkdir -p /d/below /empty /other && touch /d/file /d/below/file /gone && ln -s other /link\"]
";

/// What an image cannot be made of: a Containerfile, and the name that is refused.
const REFUSED: [(&str, &str); 3] = [
    ("FROM scratch\nCOPY d /d\nADD file.tar /", "d/.wh.file`"),
    ("FROM scratch\nCOPY d /d\nADD mark.tar /", "d/.wh..wh..opq`"),
    (
        "FROM scratch\nCOPY busybox /bin/busybox\nCOPY d /d\n\
         RUN --network=none [\"/bin/busybox\", \"touch\", \"/d/.wh.file\"]",
        "d/.wh.file`",
    ),
];

/// What deletes nothing that a layer says, and what does.
const BUILT: &str = "\
FROM scratch AS a
COPY --from=base / /
RUN --network=none rm -r /d && echo again >/d
FROM base
ADD over.tar /
COPY --from=a /bin /link
WORKDIR /d/made
RUN --network=none rm -r /d /gone && mkdir /d && touch /d/other
COPY --from=base /d /d
WORKDIR /gone
";

fn main() -> ExitCode {
    engines::run("names_that_delete_are_refused", deletions)
}

fn deletions(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let images = engines::images(program)?;
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let context = &temporary.path().join("context");
    fs::create_dir_all(context.join("d")).unwrap();
    fs::write(context.join("d/file"), "").unwrap();
    let busybox = fs::copy("/bin/busybox", context.join("busybox"));
    busybox.map_err(|error| format!("Debian's busybox-static is needed: {error}"))?;
    archive(context, "file", &["d/.wh.file"])?;
    archive(context, "mark", &["d/.wh..wh..opq"])?;
    // Directories where there were some, where there was nothing, and a file and a link.
    archive(
        context,
        "over",
        &["d/below/x", "new/below/x", "gone/x", "empty/x"],
    )?;

    build(runtime, context, &format!("{BASE}{BUILT}"))?;
    for (containerfile, name) in REFUSED {
        let refused = build(runtime, context, &format!("{containerfile}\n"));
        let said = refused
            .err()
            .and_then(|failed| failed.message().map(str::to_owned));
        let said = said.unwrap_or_else(|| "it was built".to_owned());
        let why = format!("{name} cannot be in an image");
        expect(said.contains(&why), &format!("{containerfile}: {said}"))?;
    }
    engines::nothing_is_left(temporary.path(), program, &images)
}

/// Makes an archive of empty files in the context.
fn archive(context: &Path, name: &str, files: &[&str]) -> Result<(), Failed> {
    let from = tempfile::tempdir().unwrap();
    for file in files {
        let file = from.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(from.path()).arg("-cf");
    let made = tar
        .arg(context.join(format!("{name}.tar")))
        .arg(".")
        .status()?;
    expect(made.success(), "tar failed")
}

fn build(runtime: &str, context: &Path, containerfile: &str) -> Result<(), Failed> {
    fs::write(context.join("Containerfile"), containerfile).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .arg("-C")
        .arg(context.parent().unwrap())
        .args(["build", "--runtime", runtime, "--tag", "stagex/core-x:1"])
        .args(["--output", "type=oci,dest=image.tar", "context"])
        .output()
        .unwrap();
    expect(
        output.status.success(),
        &String::from_utf8_lossy(&output.stderr),
    )
}
