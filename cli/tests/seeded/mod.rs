//! `stagex fetch --export` and `--import`.

use std::fs;

use super::server::{Server, file};
use super::{Scene, contents, ran, schema};

#[test]
fn a_seed_takes_the_place_of_the_network() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 100), contents(1, 10_000)]);
    server.on("/0", [file(&scene.bodies[0], "")]);
    let seed = scene.root().join("out/seeds/a.tar");
    let seed = seed.to_str().unwrap();

    let missing = scene.run(&["fetch", "--export", seed]);
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    assert!(
        missing
            .stderr
            .contains("core-p1: the source `main` cannot be fetched")
    );
    assert_eq!(
        fs::read_dir(scene.root().join("out/seeds"))
            .unwrap()
            .count(),
        0
    );

    server.on("/1", [file(&scene.bodies[1], "")]);
    let exported = scene.run(&["fetch", "--export", seed, "--format", "json"]);
    let exported = schema::printed("fetch-export", &exported.stdout);
    assert_eq!(
        (&exported["sources"], &exported["bytes"]),
        (&2.into(), &10_100.into())
    );

    // A link of the tree is replaced, and what it leads to stays.
    let link = scene.root().join("out/seeds/b.tar");
    let precious = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(precious.path(), &link).unwrap();
    let linked = scene.run(&["fetch", "--export", link.to_str().unwrap()]);
    assert_eq!(linked.code, 0, "{}", linked.stderr);
    assert_eq!(fs::read(precious.path()).unwrap(), b"");
    assert_eq!(fs::read(&link).unwrap(), fs::read(seed).unwrap());
    fs::create_dir(scene.root().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", scene.root().join("way")).unwrap();
    let through = scene.root().join("way/c.tar");
    let through = scene.run(&["fetch", "--export", through.to_str().unwrap()]);
    assert_eq!(through.code, 5, "{}", through.stderr);
    assert!(
        through.stderr.contains("symbolic link"),
        "{}",
        through.stderr
    );

    let there = Scene::new(&server, scene.bodies.clone());
    let asked = server.requests("/0").len() + server.requests("/1").len();
    let imported = there.run(&["fetch", "--import", seed, "--format", "json"]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let imported = schema::printed("fetch-import", &imported.stdout);
    assert_eq!(imported["digest"], exported["digest"]);
    assert_eq!(
        (&imported["imported"], &imported["present"]),
        (&2.into(), &0.into())
    );
    let fetched = there.run(&["fetch", "--offline"]);
    assert_eq!((fetched.code, there.placed()), (0, 2), "{}", fetched.stderr);
    assert_eq!(
        server.requests("/0").len() + server.requests("/1").len(),
        asked
    );
}

#[test]
fn what_is_no_seed_is_refused() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 100)]);
    fs::write(scene.root().join("x.tgz"), b"\x1f\x8b\x08").unwrap();
    let gone = scene.root().join("gone.tar");
    for (words, code, expected) in [
        (["--import", "x.tgz"], 2, "it is compressed with gzip"),
        (["--import", gone.to_str().unwrap()], 5, "cannot read"),
        (["--export", "x.tar.gz"], 2, "an artifact is not compressed"),
        (["--export", "-"], 2, "standard output"),
        (["--export", "/"], 2, "it has no name"),
    ] {
        let mut command = scene.command(&["fetch"]);
        let ran = ran(command.args(words).current_dir(scene.root()));
        assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
    }
}
