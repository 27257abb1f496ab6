//! Runs the program in trees that are made for it.

#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

use std::path::Path;
use std::process::Command;

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn stagex(root: &Path, arguments: &[&str]) -> Ran {
    stagex_with(root, arguments, &[])
}

pub(crate) fn stagex_with(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = command(root, arguments);
    ran(command.envs(variables.iter().copied()))
}

/// Prepares a run of the program.
pub(crate) fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command
        .arg("-C")
        .arg(root)
        .args(arguments)
        .env_remove("STAGEX_RUNTIME")
        .env_remove("STAGEX_JOBS")
        .env_remove("STAGEX_OUT")
        .env_remove("STAGEX_REMOTE")
        .env("XDG_CONFIG_HOME", root.join("configuration"))
        .env("XDG_STATE_HOME", root.join("state"))
        .env_remove("STAGEX_ENGINES");
    command
}

/// Runs it.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Ran {
        code,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Makes a tree of packages: (directory below `packages`, package.toml, Containerfile).
pub(crate) fn tree(packages: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let temporary = tempfile::tempdir().unwrap();
    for (directory, manifest, containerfile) in packages {
        let directory = temporary.path().join("packages").join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("Containerfile"), containerfile).unwrap();
        std::fs::write(directory.join("package.toml"), manifest).unwrap();
    }
    temporary
}

pub(crate) fn sample() -> tempfile::TempDir {
    tree(&[
        (
            "core/musl",
            "[package]\nname = \"musl\"\nversion = \"1.2\"",
            "FROM scratch\n",
        ),
        (
            "core/make",
            "[package]\nname = \"make\"",
            "FROM stagex/core-musl\n",
        ),
    ])
}

pub(crate) const NO_ENGINES: [&str; 8] = [
    "--engine",
    "docker=/nonexistent/docker",
    "--engine",
    "podman=/nonexistent/podman",
    "--engine",
    "buildah=/nonexistent/buildah",
    "--engine",
    "native=/nonexistent/native",
];
