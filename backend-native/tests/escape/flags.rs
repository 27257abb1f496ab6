//! COPY's flags that no case of the suite has yet, since no engine of the last Debian knows them: what
//! they bring is what BuildKit 0.26 brings.

use std::fs;

use libtest_mimic::Failed;

use crate::support::{Build, Built, expect, refused};

pub(crate) fn parents_come_along() -> Result<(), Failed> {
    let build = tree()?;
    brings(
        &build.run("COPY --parents a/b/one.txt ./a/c/ /to/")?,
        &["to/a/b/one.txt", "to/a/c/three.txt"],
    )?;
    brings(
        &build.run("COPY --parents a/./b/*.txt /to/")?,
        &["to/b/one.txt", "to/b/two.txt"],
    )?;
    brings(
        &build.run("COPY --parents **/*.md /to/")?,
        &["to/a/b/note.md", "to/top.md"],
    )?;
    brings(&build.run("COPY --parents nothing*/x /to/")?, &[])?;
    refused(build.run("COPY --parents a/none /to/"), "not found")?;
    // A directory that is there gets the mode of the one that comes, and keeps its owner.
    let built = build.run(
        "RUN [\"/bin/busybox\", \"mkdir\", \"-p\", \"-m\", \"700\", \"/to/a\"]\n\
         COPY --parents a/c /to/",
    )?;
    expect(
        built.mode("to/a/") == Some(0o755),
        "the directory kept its mode",
    )
}

pub(crate) fn what_is_excluded_stays() -> Result<(), Failed> {
    let build = tree()?;
    brings(
        &build.run("COPY --exclude=b --exclude=**/*.md a/ /to/")?,
        &["to/c/three.txt"],
    )?;
    brings(
        &build.run("COPY --exclude=b --exclude=!b/two.txt a/ /to/")?,
        &["to/b/two.txt", "to/c/three.txt"],
    )?;
    brings(
        &build.run("ADD --exclude=b/*.txt a/ /to/")?,
        &["to/b/note.md", "to/c/three.txt"],
    )?;
    // What is named itself is copied.
    brings(
        &build.run("COPY --exclude=*.md top.md /to/")?,
        &["to/top.md"],
    )
}

pub(crate) fn modes_can_be_changes() -> Result<(), Failed> {
    let build = tree()?;
    let built = build.run("COPY --chmod=u=rwX,go=rX,g+w a/ /to/")?;
    for (path, mode) in [
        ("to/", 0o755),
        ("to/b/", 0o775),
        ("to/b/one.txt", 0o664),
        ("to/b/two.txt", 0o775),
    ] {
        let found = built.mode(path);
        expect(found == Some(mode), &format!("{path} has {found:?}"))?;
    }
    refused(build.run("COPY --chmod=rwx a/ /to/"), "is no mode")
}

fn tree() -> Result<Build, Failed> {
    use std::os::unix::fs::PermissionsExt as _;

    let build = Build::new();
    let context = build.directory.join("context");
    for path in [
        "a/b/one.txt",
        "a/b/two.txt",
        "a/b/note.md",
        "a/c/three.txt",
        "top.md",
    ] {
        let path = context.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, "text")?;
        let mode = if path.ends_with("two.txt") {
            0o700
        } else {
            0o600
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    for directory in ["a", "a/b", "a/c"] {
        fs::set_permissions(context.join(directory), fs::Permissions::from_mode(0o755))?;
    }
    Ok(build)
}

/// Fails if the last layer has other files than these below `/to`.
fn brings(built: &Built, expected: &[&str]) -> Result<(), Failed> {
    let names = built.names();
    let files = names
        .iter()
        .filter(|name| name.starts_with("to/") && !name.ends_with('/'));
    let files: Vec<&str> = files.map(String::as_str).collect();
    expect(
        files == expected,
        &format!("expected {expected:?}, found {files:?}"),
    )
}
