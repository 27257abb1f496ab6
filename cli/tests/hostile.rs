//! A clone with all that a hostile tree can bring along harms nobody: whatever is done in it, no file
//! outside of it is changed, removed or read. And what is in it is not believed: a tree that was copied,
//! moved or restored is built again, and it is said why.
//!
//! One test for each runtime that is here; those that `STAGEX_REQUIRE` names must be.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "it needs no example tree")]
mod engines;

#[path = "hostile/belief.rs"]
mod belief;

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use camino::Utf8Path;
use libtest_mimic::{Failed, Trial};
use rustix::fs::{CWD, FileType, Mode, makedev};
use serde_json::Value;

use belief::{another_uid_believes_nothing, nothing_that_was_copied_is_believed};
use engines::{expect, variable};

/// What stands in every file of the user's, and must be seen nowhere else.
const SECRET: &str = "correct horse battery staple";
/// Files of the user's that links lead to.
const PRECIOUS: [&str; 6] = [
    ".bashrc",
    ".ssh/id_rsa",
    "work/thesis/text",
    "core-a/blobs/sha256/file",
    "records/core-a.json",
    "logs/core-a.log",
];
/// The files of ours that a tree may have something else for.
const FILES: [&str; 9] = [
    "out/.stagex/lock",
    "out/.stagex/hashes",
    "out/.stagex/outputs",
    "out/.stagex/logs/core-a.log",
    "out/.stagex/records/core-a.json",
    "out/.stagex/work/core-a-1",
    "out/.stagex/work/core-a-2/life",
    "out/core-a",
    "out/a.tgz",
];
/// The directories of ours that a tree may have something else for.
const DIRECTORIES: [&str; 6] = [
    "out",
    "out/.stagex",
    "out/.stagex/work",
    "out/.stagex/native",
    "out/.stagex/logs",
    "out/.stagex/records",
];
/// What a build is asked for whose image goes where the tree has a link.
const BUILD: [&str; 7] = [
    "build",
    "--tag",
    "stagex/core-a:1",
    "--output",
    "type=oci,dest=out/a.tgz",
    "packages/core/a",
    "--quiet",
];

fn main() -> ExitCode {
    let another = Trial::test("another_uid_believes_nothing", another_uid_believes_nothing);
    let another = if rustix::process::geteuid().is_root() {
        another
    } else {
        another
            .with_ignored_flag(true)
            .with_kind("only root becomes another user")
    };
    engines::run_with("a_hostile_tree_harms_nobody", harms_nobody, Some(another))
}

fn harms_nobody(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let images = engines::images(program)?;
    files_of_ours_are_replaced(runtime)?;
    // All that is done before a runtime begins is the same with each.
    if runtime == "native" {
        directories_of_ours_are_refused(runtime)?;
        outputs_of_commands_follow_no_link()?;
        digests_and_settings_are_read_through_no_link()?;
        outputs_are_elsewhere_where_the_user_says_so()?;
    }
    nothing_that_was_copied_is_believed(runtime)?;
    let now = engines::images(program)?;
    let named = format!("images were {images:?}, are {now:?}");
    expect(images == now, &named)
}

/// A clone, and the home directory of whoever works in it.
struct Scene {
    temporary: tempfile::TempDir,
    clone: PathBuf,
    home: PathBuf,
    /// What the user's settings, secret and findings are in.
    own: PathBuf,
    before: BTreeMap<PathBuf, Seen>,
    /// Whether files of the user's have other names in the clone: then their names there may go, and they
    /// may be read by them.
    has_hard_links: bool,
}

/// What the file system says of a file, all of which would be another if something was done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    inode: u64,
    mode: u32,
    links: u64,
    size: u64,
    changed: (i64, i64),
    /// When its contents were.
    modified: (i64, i64),
    /// When it was read; of files only, since this test lists directories.
    read: Option<(i64, i64)>,
}

impl Scene {
    fn new() -> Self {
        let temporary = tempfile::Builder::new()
            .prefix("stagex hostile ")
            .tempdir()
            .unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let (clone, home) = (root.join("clone"), root.join("home"));
        for file in PRECIOUS {
            let path = home.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("{SECRET} in {file}\n")).unwrap();
        }
        let package = clone.join("packages/core/a");
        fs::create_dir_all(&package).unwrap();
        let manifest = "[package]\nname = \"a\"\nversion = \"1\"\n";
        fs::write(package.join("package.toml"), manifest).unwrap();
        fs::write(package.join("Containerfile"), "FROM scratch\nCOPY file /\n").unwrap();
        fs::write(package.join("file"), "one").unwrap();
        Self {
            temporary,
            own: root.join("own"),
            clone,
            home,
            before: BTreeMap::new(),
            has_hard_links: false,
        }
    }

    /// Makes a name in the clone free, with all directories on the way to it.
    fn place(&self, name: &str) -> PathBuf {
        let path = self.clone.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Remembers what the user has, before anything is done.
    fn remember(&mut self) {
        // Whoever reads a file then is seen even where times of reading are kept only roughly.
        for file in PRECIOUS {
            let file = File::options().write(true).open(self.home.join(file));
            let long_ago = UNIX_EPOCH + Duration::from_secs(1);
            let times = FileTimes::new().set_accessed(long_ago);
            file.unwrap().set_times(times).unwrap();
        }
        let mut names = seen(&self.home);
        self.has_hard_links = names
            .values()
            .any(|seen| seen.read.is_some() && seen.links > 1);
        for seen in names.values_mut() {
            self.pass_over(seen);
        }
        self.before = names;
    }

    fn pass_over(&self, seen: &mut Seen) {
        if self.has_hard_links && seen.read.is_some() {
            (seen.links, seen.read, seen.changed) = (0, None, seen.modified);
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Whoever runs this as another user has the program elsewhere.
        let program = variable("STAGEX_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_stagex").to_owned());
        let mut command = Command::new(program);
        command
            .current_dir(&self.clone)
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.own.join("configuration"))
            .env("XDG_STATE_HOME", self.own.join("state"))
            .env_remove("STAGEX_OUT")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program in the clone. Returns whether it succeeded, and all that it said. Nothing of the
    /// user's may be another afterwards, nor be seen anywhere.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String), Failed> {
        let output = self.command(arguments).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let what = format!("{arguments:?} said {said}");
        expect(output.status.code().is_some(), &what)?;
        expect(!said.contains(SECRET), &what)?;
        let mut now = seen(&self.home);
        for seen in now.values_mut() {
            self.pass_over(seen);
        }
        if now != self.before {
            let differ = |(path, seen): &(&PathBuf, &Seen)| self.before.get(*path) != Some(*seen);
            let changed: Vec<_> = now.iter().filter(differ).collect();
            let before: Vec<_> = changed
                .iter()
                .map(|(path, _)| self.before.get(*path))
                .collect();
            let gone: Vec<_> = self
                .before
                .keys()
                .filter(|path| !now.contains_key(*path))
                .collect();
            return Err(format!("{changed:?} were {before:?}; gone {gone:?}: {what}").into());
        }
        let leaked = leaked(&self.clone);
        expect(leaked.is_empty(), &format!("it is in {leaked:?}: {what}"))?;
        Ok((output.status.success(), said))
    }

    /// Does everything that can be done, whatever comes of it.
    fn run_all(&self, runtime: &str) -> Result<(), Failed> {
        let with = |words: &[&'static str]| -> Vec<String> {
            let words = words.iter().map(|word| (*word).to_owned());
            ["--runtime".to_owned(), runtime.to_owned()]
                .into_iter()
                .chain(words)
                .collect()
        };
        let of_runtime = [
            with(&["make", "core-a", "out/a.tgz"]),
            with(&BUILD),
            with(&["clean", "--images"]),
        ];
        let mut all = of_runtime.to_vec();
        if runtime == "native" {
            all.extend([
                with(&["make", "-n", "--explain"]),
                with(&["make", "content-a", "digests-a", "digests"]),
                with(&["digests"]),
                with(&["digests", "--check"]),
                with(&["digests", "--check", "--verify"]),
                with(&["check"]),
                with(&[
                    "build",
                    "--check",
                    "--tag",
                    "a:1",
                    "-o",
                    "type=oci,dest=b.tar",
                    "packages/core/a",
                ]),
                with(&["config"]),
                with(&["clean", "--logs"]),
                with(&["clean", "--cache"]),
            ]);
        }
        all.push(with(&["make", "clean", "core-a"]));
        all.push(with(&["clean"]));
        for arguments in all {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            self.run(&arguments)?;
        }
        Ok(())
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path())
}

/// Returns what the file system says of all that is below a directory.
fn seen(directory: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            pending.extend(entries(&path));
        }
        let now = Seen {
            inode: metadata.ino(),
            mode: metadata.mode(),
            links: metadata.nlink(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            read: metadata
                .is_file()
                .then(|| (metadata.atime(), metadata.atime_nsec())),
        };
        seen.insert(path, now);
    }
    seen
}

/// Returns the files of a clone in which the secret is, compressed or not.
fn leaked(clone: &Path) -> Vec<PathBuf> {
    let mut pending = vec![clone.to_owned()];
    let mut leaked = Vec::new();
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            pending.extend(entries(&path));
        } else if metadata.is_file() && metadata.nlink() == 1 {
            let plain = Command::new("gzip")
                .args(["-dcf", "--"])
                .arg(&path)
                .output();
            if String::from_utf8_lossy(&plain.unwrap().stdout).contains(SECRET) {
                leaked.push(path);
            }
        }
    }
    leaked
}

/// Puts something in the place of a file or directory of ours.
type Trick = fn(&Scene, &str);

fn link(scene: &Scene, name: &str) {
    let target = match name {
        "out/core-a" => "core-a",
        "out/.stagex/work/core-a-1" => "work",
        _ => ".bashrc",
    };
    symlink(scene.home.join(target), scene.place(name)).unwrap();
}

/// Makes a directory with something in it.
fn directory(scene: &Scene, name: &str) {
    let path = scene.place(name);
    fs::create_dir_all(path.join("deep")).unwrap();
    symlink(&scene.home, path.join("link")).unwrap();
}

fn hard_link(scene: &Scene, name: &str) {
    fs::hard_link(scene.home.join(".bashrc"), scene.place(name)).unwrap();
}

fn pipe(scene: &Scene, name: &str) {
    let path = scene.place(name);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Makes a device that has zeros without end; a link to one for whoever may make none.
fn device(scene: &Scene, name: &str) {
    let path = scene.place(name);
    let kind = FileType::CharacterDevice;
    let mode = Mode::RUSR | Mode::WUSR;
    if rustix::fs::mknodat(CWD, &path, kind, mode, makedev(1, 5)).is_err() {
        symlink("/dev/zero", &path).unwrap();
    }
}

fn files_of_ours_are_replaced(runtime: &str) -> Result<(), Failed> {
    let all: [Trick; 5] = [link, hard_link, pipe, device, directory];
    // What is done with a file is done before and after the runtime's turn.
    let tricks = if runtime == "native" {
        &all[..]
    } else {
        &all[..1]
    };
    for trick in tricks {
        let mut scene = Scene::new();
        for name in FILES {
            trick(&scene, name);
        }
        plant(&scene);
        scene.remember();
        let words = ["--runtime", runtime, "make", "core-a", "out/a.tgz"];
        let (is_made, said) = scene.run(&words)?;
        expect(is_made, &said)?;
        for name in ["out/core-a", "out/a.tgz", "out/.stagex/lock"] {
            let is_ours = !fs::symlink_metadata(scene.clone.join(name))?.is_symlink();
            expect(is_ours, &format!("{name} is a link still"))?;
        }
        // Once more, with all there.
        for name in FILES {
            let path = scene.clone.join(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
                Ok(_) => fs::remove_file(path)?,
                Err(_) => {}
            }
            trick(&scene, name);
        }
        scene.remember();
        scene.run_all(runtime)?;
    }
    Ok(())
}

/// Puts into the clone what is as it should be, and says what it should not.
fn plant(scene: &Scene) {
    let home = scene.home.to_str().unwrap();
    for (number, work) in [home, "../../../../home", "/"].into_iter().enumerate() {
        for runtime in ["docker", "podman", "buildah", "native"] {
            let name = format!("out/.stagex/work/claimed-{number}-{runtime}/claim.json");
            let claim = serde_json::json!({
                "runtime": runtime,
                "image": {
                    "key": "debian",
                    "reference": "debian",
                    "also_made": ["debian:12"],
                    "steps": [],
                    "base_layers": 0,
                    "work": work,
                },
            });
            // As it was once, and with a proof by nobody.
            let proof = "0".repeat(64);
            fs::write(scene.place(&name), format!("{claim}\n{proof}\n")).unwrap();
        }
    }
    symlink(&scene.home, scene.place("out/.begun.x1y2z3")).unwrap();
    symlink(&scene.home, scene.place("out/else")).unwrap();
    symlink(scene.home.join(".ssh"), scene.place("out/.stagex/else")).unwrap();
}

fn directories_of_ours_are_refused(runtime: &str) -> Result<(), Failed> {
    let targets = ["..", "../home", "home"].into_iter().cycle();
    for (name, target) in DIRECTORIES.into_iter().zip(targets) {
        let mut scene = Scene::new();
        let target = match target {
            "home" => scene.home.clone(),
            relative => relative.into(),
        };
        symlink(&target, scene.place(name)).unwrap();
        scene.remember();
        let (is_made, said) = scene.run(&["--runtime", runtime, "make", "core-a"])?;
        let named = format!("`{}` is a symbolic link", name.rsplit('/').next().unwrap());
        let is_refused = !is_made && said.contains(&named) && said.contains("hint:");
        expect(is_refused, &format!("{name}: {said}"))?;
        scene.run_all(runtime)?;
    }
    Ok(())
}

fn outputs_of_commands_follow_no_link() -> Result<(), Failed> {
    let mut scene = Scene::new();
    symlink(&scene.home, scene.place("directory")).unwrap();
    for page in [
        "stagex.1",
        "report.json",
        "index.html.new",
        "index.html",
        "image.tar",
    ] {
        symlink(
            scene.home.join(".bashrc"),
            scene.place(&format!("pages/{page}")),
        )
        .unwrap();
    }
    scene.remember();
    let conformance = |words: &[&'static str]| {
        let all = [
            "--runtime",
            "native",
            "conformance",
            "--case",
            "an-equal-file",
        ];
        [&all[..], words].concat()
    };
    let (is_done, said) = scene.run(&["manual", "pages"])?;
    expect(is_done, &said)?;
    let (is_done, said) = scene.run(&conformance(&["--report", "pages"]))?;
    expect(is_done, &said)?;
    for words in [
        vec!["manual", "directory"],
        vec!["manual", "directory/new"],
        conformance(&["--keep", "directory/new"]),
        conformance(&["--report", "directory/new"]),
        vec![
            "--out",
            "directory/new",
            "--runtime",
            "native",
            "make",
            "core-a",
        ],
    ] {
        let (is_done, said) = scene.run(&words)?;
        expect(!is_done, &format!("{words:?}: {said}"))?;
    }
    for output in [
        "dest=pages/image.tar",
        "dest=directory/new",
        "tar=false,dest=directory/new",
    ] {
        let output = format!("type=oci,{output}");
        let words = ["build", "--tag", "a:1", "-o", &output, "packages/core/a"];
        let (is_done, said) = scene.run(&words)?;
        expect(!is_done && said.contains("symbolic link"), &said)?;
    }
    Ok(())
}

fn digests_and_settings_are_read_through_no_link() -> Result<(), Failed> {
    let tricks: [Trick; 3] = [link, pipe, device];
    for trick in tricks {
        for name in ["digests/core.txt", "digests", "stagex.toml"] {
            let mut scene = Scene::new();
            trick(&scene, name);
            scene.remember();
            for words in [
                &["digests"][..],
                &["digests", "--check"],
                &["make", "-n"],
                &["config"],
            ] {
                scene.run(words)?;
            }
        }
    }
    let mut scene = Scene::new();
    let line = format!("{} core-a\u{1b}[2J\n", "a".repeat(64));
    fs::write(scene.place("digests/core.txt"), line).unwrap();
    scene.remember();
    let (is_done, said) = scene.run(&["digests", "--check"])?;
    expect(!is_done && !said.contains('\u{1b}'), &said)
}

fn outputs_are_elsewhere_where_the_user_says_so() -> Result<(), Failed> {
    let scene = Scene::new();
    let package = scene.clone.join("packages/core/b");
    fs::create_dir_all(&package)?;
    fs::write(package.join("package.toml"), "[package]\nname = \"b\"\n")?;
    fs::write(package.join("Containerfile"), "FROM stagex/core-a\n")?;
    let elsewhere = scene.own.join("big disk");
    let settings = scene.own.join("configuration/stagex/stagex.toml");
    fs::create_dir_all(settings.parent().unwrap())?;
    fs::write(&settings, format!("out = {:?}\n", path(&elsewhere)))?;
    for (outcome, words) in [("built", &[][..]), ("fresh", &["--out", path(&elsewhere)])] {
        let all = ["--runtime", "native", "--format", "json", "make"];
        let output = scene.command(&[&all[..], words].concat()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let made: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {said}"))?;
        let packages = made["packages"].as_array().unwrap();
        let is_so = packages.len() == 2 && packages.iter().all(|made| made["outcome"] == outcome);
        expect(is_so, &format!("expected {outcome}: {made}: {said}"))?;
    }
    let trees: Vec<_> = fs::read_dir(&elsewhere)?.collect::<Result<_, _>>()?;
    let is_there = trees.len() == 1 && trees[0].path().join("core-b/index.json").is_file();
    expect(
        is_there && !scene.clone.join("out").exists(),
        &format!("{trees:?}"),
    )?;
    let output = scene.command(&["clean"]).output()?;
    let left = trees[0].path().join("core-b").exists();
    expect(output.status.success() && !left, "it is not cleaned")
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(output.status.success(), &said)
}
