//! What goes wrong on the machine in the middle of a reproduction: an engine is killed, a disk is full. It is said once,
//! nothing wrong is recorded, and the same command goes on when it is mended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use camino::Utf8Path;
use libtest_mimic::Failed;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::engines::{expect, has_store};
use crate::{Scene, put_busybox};

/// What the RUN says in which the engine is killed.
const MARK: &str = "ENGINE-IS-KILLED-HERE";

/// Runs an engine, and stops it in the second build that says [`MARK`]. The engine may be alone in a namespace of
/// processes, from where nobody can kill it.
const STOPPED: &str = r#"#!/bin/sh
directory=DIRECTORY program=ENGINE
[ -d "$directory" ] || exec "$program" "$@"
own=$(mktemp -d "$directory/run-XXXXXX")
mkfifo "$own/1" "$own/2"
exec 3<&0
"$program" "$@" <&3 >"$own/1" 2>"$own/2" &
engine=$!
watch() {
  while IFS= read -r line; do
    case $line in *MARK*)
      if mkdir "$own/seen" && ! mkdir "$directory/first"; then
        kill -STOP $engine
        : >"$directory/stopped"
      fi 2>/dev/null;;
    esac
    printf '%s\n' "$line"
  done
}
watch <"$own/1" &
watch <"$own/2" >&2 &
wait $engine
status=$?
wait
exit $status
"#;

/// Returns a path as a word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_str().unwrap().replace('\'', r"'\''"))
}

/// An engine is killed in the second of three rounds.
pub(crate) fn engine_is_killed(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let scene = Scene::new(runtime);
    put_busybox(&scene);
    let run = format!(
        "FROM stagex/core-box\nRUN --network=none [\"/bin/busybox\", \"echo\", \"{MARK}\"]\n"
    );
    scene.package("rounds", &run);
    let engine = if has_store(program) {
        which::which(program).unwrap()
    } else {
        PathBuf::from(env!("CARGO_BIN_EXE_stagex"))
    };
    let (directory, script) = (scene.path().join("stopped"), scene.path().join("engine"));
    fs::create_dir(&directory)?;
    let text = STOPPED
        .replace("DIRECTORY", &quoted(&directory))
        .replace("ENGINE", &quoted(&engine))
        .replace("MARK", MARK);
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let label = format!("{runtime}={}", script.display());
    let words = [
        "reproduce",
        "--runtimes",
        &label,
        "--clean",
        "--rounds",
        "3",
        "--format",
        "json",
        "core-rounds",
    ];
    // What an earlier reproduction left of other rounds is not what this one made.
    let made = scene.path().join("out/.stagex/reproduced").join(runtime);
    fs::create_dir_all(made.join("core-rounds@2"))?;
    let mut command = scene.command(&words);
    let running = std::thread::spawn(move || command.output().unwrap());
    while !directory.join("stopped").exists() && !running.is_finished() {
        std::thread::yield_now();
    }
    kill(&script);
    let ran = running.join().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    expect(ran.status.code() == Some(5), &stderr)?;
    expect(
        stderr.matches("error: ").count() == 1
            && stderr.contains("ended by signal 9")
            && stderr.matches("hint: run the same command again").count() == 1,
        &stderr,
    )?;
    // It is a failure, and says nothing of the image. What is there of it is what the first round made.
    let attempts = scene.ledger(&["core-rounds"]);
    let one = attempts.first().ok_or("the failure is not recorded")?;
    expect(
        attempts.len() == 1
            && one["verdict"] == "failed"
            && one["failure"]["kind"] == "transient"
            && one["digest"].is_null()
            && one["rounds"].as_array().is_some_and(Vec::is_empty),
        &one.to_string(),
    )?;
    expect(!made.join("core-rounds@2").exists(), "a round is left")?;
    let records = made.join(".stagex/records");
    expect(
        records.join("core-box.json").exists() && !records.join("core-rounds.json").exists(),
        "what was not built is recorded",
    )?;
    let left = fs::read_dir(made.join(".stagex/work"))?.count();
    expect(left == 0, "something is left in the work directory")?;

    // When the engine works again, the rest is built, and nothing else.
    fs::remove_dir_all(&directory)?;
    let ran = scene.stagex(&words);
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let found: Value = serde_json::from_slice(&ran.stdout).map_err(|_| stderr.clone())?;
    let images = found["images"].as_array().unwrap();
    let now = |package: &str| {
        let image = images.iter().find(|image| image["package"] == package);
        image.map(|image| image["runtimes"][0]["now"].clone())
    };
    expect(
        ran.status.code() == Some(0)
            && found["resumed"] == true
            && now("core-box") == Some(Value::Bool(false))
            && now("core-rounds") == Some(Value::Bool(true)),
        &format!("{found} {stderr}"),
    )?;
    let attempts = scene.ledger(&["core-rounds"]);
    let rounds = attempts.last().unwrap()["rounds"].as_array().unwrap();
    expect(
        attempts.len() == 2 && rounds.len() == 3,
        &format!("{attempts:?}"),
    )
}

/// Kills what runs a script.
fn kill(script: &Path) {
    let script = script.to_str().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        let Some(id) = id.and_then(Pid::from_raw) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        if words.nth(1) == Some(script.as_bytes()) {
            // It may have ended meanwhile.
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

/// Tells whether this user may have a disk of its own.
pub(crate) fn has_disk() -> bool {
    let mounts = ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
    let mounted = Command::new("unshare").args(mounts).output();
    mounted.is_ok_and(|mounted| mounted.status.success())
}

/// What happens on a disk of 16 MiB with little room, and then with enough.
const ON_DISK: &str = r#"
set -eu
mount -t tmpfs -o size=16m none "$1"
size=$(df --output=avail -B1 "$1" | tail -n 1)
head -c $((size - $2)) /dev/zero >"$1/filler"
shift 2
"$@" 2>first >/dev/null && code=0 || code=$?
printf '%s' $code >code
PROGRAM ledger --format json >between
rm "$DISK/filler"
exec "$@"
"#;

/// Reproduces on a disk with this room, which is made larger meanwhile. Returns what came of the first time, which
/// attempts there were then, and what came of the second time.
fn on_disk(
    scene: &Scene,
    disk: &Path,
    room: u32,
) -> Result<(String, String, Vec<Value>, Output), Failed> {
    fs::create_dir_all(disk)?;
    let words = "reproduce --runtimes native --clean --jobs 1 --rounds 2 --keep-going --ignore-space \
                 --format json bootstrap-label core-rounds";
    let words: Vec<&str> = words.split(' ').collect();
    let inner = scene.command(&words);
    let program = format!(
        "{} -C {}",
        quoted(Path::new(env!("CARGO_BIN_EXE_stagex"))),
        quoted(scene.path())
    );
    let mut shell = Command::new("unshare");
    shell
        .args([
            "--mount",
            "sh",
            "-c",
            &ON_DISK.replace("PROGRAM", &program),
            "sh",
        ])
        .arg(disk)
        .arg(room.to_string())
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(scene.path())
        .env("DISK", disk)
        .env("XDG_STATE_HOME", scene.path().join("state"))
        .env_remove("STAGEX_OUT");
    let ran = shell.output()?;
    let read = |name: &str| fs::read_to_string(scene.path().join(name));
    let between: Value = serde_json::from_str(&read("between")?)
        .map_err(|_| String::from_utf8_lossy(&ran.stderr).into_owned())?;
    let attempts = between["attempts"].as_array().unwrap().clone();
    Ok((read("code")?, read("first")?, attempts, ran))
}

/// The disk with the images is full, and then that with the ledger.
pub(crate) fn disk_is_full() -> Result<(), Failed> {
    for (place, room) in [("out", 900_000), ("state", 3 * 4096)] {
        let scene = Scene::new("native");
        put_busybox(&scene);
        let run = "FROM stagex/core-box\nRUN --network=none [\"/bin/busybox\", \"true\"]\n";
        scene.package("rounds", run);
        let (code, first, between, ran) = on_disk(&scene, &scene.path().join(place), room)?;
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        expect(code == "5", &format!("{place}: {code}: {first}"))?;
        expect(
            first.matches("error: ").count() == 1 && first.matches("disk is full").count() == 1,
            &format!("{place}: {first}"),
        )?;
        // What was made is recorded, and nothing of what was not.
        let is_right = |attempt: &Value| match attempt["package"].as_str() {
            Some("bootstrap-seed" | "bootstrap-label") => attempt["verdict"] == "reproduced",
            _ if place == "out" => attempt["failure"]["kind"] == "environment",
            _ => attempt["verdict"] == "not-recorded",
        };
        expect(
            !between.is_empty() && between.iter().all(is_right),
            &format!("{place}: {between:?}"),
        )?;
        // Nothing is built that could not be recorded.
        if place == "state" {
            let built = first.matches(": built in").count();
            expect(built == between.len() + 1, &format!("{built}: {first}"))?;
        }
        let found: Value = serde_json::from_slice(&ran.stdout).map_err(|_| stderr.clone())?;
        let images = found["images"].as_array().unwrap();
        let reproduced = |image: &&Value| image["reproduced"] == true;
        let again = images
            .iter()
            .filter(|image| image["runtimes"][0]["now"] == true)
            .count();
        let done = between
            .iter()
            .filter(|attempt| attempt["verdict"] != "failed")
            .count();
        expect(
            ran.status.code() == Some(0)
                && found["resumed"] == true
                && images.iter().filter(reproduced).count() == 2
                && again == images.len() - done,
            &format!("{place}: {found} {stderr}"),
        )?;
    }
    Ok(())
}
