//! What enough people have signed is taken from a real registry, all of it or nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

use crate::engines::expect;
use crate::gpg::Gpg;
use crate::program::{self, Ran};
use crate::published::platforms::{PACKAGE, built, signed};
use crate::schema::printed;
use crate::{Real, Scene};

/// A package of two platforms, which somebody has built, signed and published, is taken instead of building it. A disk that
/// is full, here a limit of the system, keeps nothing half there, and the same command goes on.
pub(crate) fn taken(program: &Path) -> Result<(), Failed> {
    let other = Scene::new();
    let (layout, images) = built(&other)?;
    let own = tempfile::tempdir().unwrap();
    let gpg = Gpg::new();
    let whom = signed(&other, &gpg, &images, own.path());
    let data = tempfile::tempdir().unwrap();
    let registry = Real::start(program, data.path(), "")?;
    let to = format!("{}/stagex", registry.host);
    let whom: Vec<&str> = whom.iter().map(String::as_str).collect();
    let publish = ["publish", "--quiet", "--to", &to, PACKAGE];
    let ran = other.stagex(&[&publish[..], &whom].concat());
    expect(ran.code == 0, &ran.stderr)?;

    let scene = Scene::new();
    for name in ["packages/core", "digests", "signatures"] {
        let from = other.path().join(name);
        let target = scene.path().join(name);
        let _ = fs::remove_dir_all(&target);
        let ran = Command::new("cp").arg("-R").args([&from, &target]).status();
        expect(ran?.success(), name)?;
    }
    let preseed = ["preseed", "--from", &to, "--format", "json", PACKAGE];
    let preseed = [&preseed[..], &whom].concat();
    let outcome = |ran: &Ran| {
        let document = printed("preseed", &ran.stdout);
        document["packages"][0]["outcome"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ran = scene.stagex(&[&preseed[..], &["--dry-run"]].concat());
    expect(ran.code == 0 && outcome(&ran) == "trusted", &ran.stderr)?;
    let ran = limited(&scene.command(&preseed));
    let is_told = ran.stderr.contains("free some space");
    expect(
        ran.code == 5 && is_told,
        &format!("{}: {}", ran.code, ran.stderr),
    )?;
    let out = scene.path().join("out");
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".stagex").collect::<Vec<_>>()
    };
    expect(names(&out).is_empty(), &format!("{:?}", names(&out)))?;
    let pulled = out.join(".stagex/pulled");
    expect(names(&pulled).is_empty(), &format!("{:?}", names(&pulled)))?;

    for expected in ["taken", "there"] {
        let ran = scene.stagex(&preseed);
        expect(ran.code == 0 && outcome(&ran) == expected, &ran.stderr)?;
    }
    let index = |layout: &Path| fs::read_to_string(layout.join("index.json")).unwrap();
    expect(
        index(&out.join(PACKAGE)) == index(&layout),
        "it is another image",
    )
}

/// Runs a command that can write 512 bytes into a file.
fn limited(command: &Command) -> Ran {
    let mut shell = Command::new("sh");
    let variables = command.get_envs();
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .envs(variables.filter_map(|(name, value)| Some((name, value?))));
    program::ran(&mut shell)
}
