use std::fs;

use camino::Utf8PathBuf;
use documents::{
    AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict, DependencyOrigin, Version,
};

use super::*;

fn attempt(package: &str) -> Attempt {
    Attempt {
        version: Version,
        reproduction: "0123456789abcdef".to_owned(),
        package: package.to_owned(),
        platform: None,
        package_version: None,
        key: None,
        profile: "stagex-2026".to_owned(),
        tree: AttemptTree {
            commit: None,
            dirty: false,
        },
        runtime: AttemptRuntime {
            name: "native".to_owned(),
            version: "1".to_owned(),
        },
        machine: AttemptMachine {
            whose: None,
            worker: None,
            kernel: "6".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_vendor: String::new(),
            cpu_model: String::new(),
            processors: 1,
        },
        stagex: "0.1.0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seconds: 1.5,
        dependencies: DependencyOrigin::Built,
        materials: Vec::new(),
        seeds: Vec::new(),
        rounds: Vec::new(),
        recorded: None,
        digest: None,
        verdict: AttemptVerdict::NotRecorded,
        failure: None,
        broken_by: None,
        log: Some("a\nlog".to_owned()),
    }
}

fn signing(package: &str) -> Signing {
    Signing {
        version: Version,
        package: package.to_owned(),
        platform: None,
        reference: format!("stagex/{package}:1"),
        digest: documents::Digest::sha256(&[7; 32]),
        certificate: "AA".to_owned(),
        key: "BB".to_owned(),
        signed: "2026-01-01T00:00:00Z".to_owned(),
        reproduced_by: vec!["native".to_owned()],
        forced: Some("a \"reason\"\nof two lines".to_owned()),
        against: Some("it was never tried".to_owned()),
    }
}

struct Scene {
    _temporary: tempfile::TempDir,
    state: Utf8PathBuf,
    secret: Secret,
}

impl Scene {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(temporary.path()).unwrap().join("state");
        Self {
            _temporary: temporary,
            state,
            secret: Secret::of_process(),
        }
    }

    fn open(&self) -> Result<Ledger, Error> {
        Ledger::open(&self.state, &self.secret)
    }

    fn packages(&self) -> Vec<String> {
        let ledger = self.open().unwrap();
        let attempts = ledger.attempts().iter();
        attempts.map(|attempt| attempt.package.clone()).collect()
    }

    fn of(packages: &[&str]) -> Self {
        let scene = Self::new();
        let mut ledger = scene.open().unwrap();
        for package in packages {
            ledger.append(&[attempt(package)]).unwrap();
        }
        scene
    }

    fn file(&self) -> Utf8PathBuf {
        self.state.join(FILE)
    }
}

#[test]
fn what_was_appended_is_read_again() {
    let scene = Scene::of(&["core-a", "core-b"]);
    let ledger = scene.open().unwrap();
    assert_eq!(ledger.attempts(), [attempt("core-a"), attempt("core-b")]);
}

#[test]
fn two_at_once_add_to_one_chain() {
    let scene = Scene::new();
    let (mut one, mut other) = (scene.open().unwrap(), scene.open().unwrap());
    one.append(&[attempt("core-a")]).unwrap();
    other.append(&[attempt("core-b")]).unwrap();
    one.append(&[attempt("core-c"), attempt("core-d")]).unwrap();
    assert_eq!(scene.packages(), ["core-a", "core-b", "core-c", "core-d"]);
    assert_eq!(one.attempts().len(), 4);
}

#[test]
fn nothing_can_be_changed_removed_or_put_in_between() {
    let scene = Scene::of(&["core-a", "core-b", "core-c"]);
    let text = fs::read_to_string(scene.file()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let tell = |text: &str| {
        fs::write(scene.file(), text).unwrap();
        match scene.open() {
            Err(Error::Damaged { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tell(&text.replace("core-b", "core-x")), 3);
    assert_eq!(tell(&[lines[0], lines[1], lines[3]].concat()), 3);
    assert_eq!(tell(&[lines[0], lines[2], lines[1], lines[3]].concat()), 2);
    assert_eq!(
        tell(&[lines[0], lines[1], lines[1], lines[2], lines[3]].concat()),
        3
    );
    assert_eq!(tell(&lines[1..].concat()), 1);
    assert_eq!(tell("something else\n"), 1);
    for bit in 0..8 {
        let mut bytes = text.clone().into_bytes();
        let place = HEADER.len() + 70;
        bytes[place] ^= 1 << bit;
        fs::write(scene.file(), bytes).unwrap();
        assert!(matches!(scene.open(), Err(Error::Damaged { line: 2, .. })));
    }
    let other = Scene {
        secret: Secret::of_process(),
        ..Scene::new()
    };
    fs::create_dir_all(&other.state).unwrap();
    fs::write(other.file(), text).unwrap();
    assert!(matches!(other.open(), Err(Error::Damaged { line: 2, .. })));
}

#[test]
fn a_line_that_was_never_finished_is_none() {
    let scene = Scene::of(&["core-a", "core-b"]);
    let whole = fs::read(scene.file()).unwrap();
    let first = whole.iter().rposition(|byte| *byte == b'\n').unwrap();
    let last_line = whole[..first]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    for length in last_line + 1..whole.len() {
        fs::write(scene.file(), &whole[..length]).unwrap();
        assert_eq!(scene.packages(), ["core-a"], "{length}");
    }
    scene.open().unwrap().append(&[attempt("core-c")]).unwrap();
    assert_eq!(scene.packages(), ["core-a", "core-c"]);
}

#[test]
fn what_a_newer_version_wrote_is_said() {
    let scene = Scene::new();
    fs::create_dir_all(&scene.state).unwrap();
    fs::write(scene.file(), "stagex ledger 2\n").unwrap();
    assert!(matches!(scene.open(), Err(Error::Newer { line: 1, .. })));
    fs::remove_file(scene.file()).unwrap();

    let mut ledger = scene.open().unwrap();
    ledger.append(&[]).unwrap();
    let newer = serde_json::to_string(&attempt("core-a"))
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    let (line, _) = ledger.key.seal(&ledger.end.sum, &newer);
    fs::write(scene.file(), format!("{HEADER}{line}")).unwrap();
    assert!(matches!(scene.open(), Err(Error::Newer { line: 2, .. })));
}

#[test]
fn what_is_gone_while_it_is_open_is_said() {
    let scene = Scene::of(&["core-a", "core-b"]);
    let mut ledger = scene.open().unwrap();
    fs::write(scene.file(), HEADER).unwrap();
    let refused = ledger.append(&[attempt("core-c")]);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(scene.file()).unwrap(), HEADER);
}

#[test]
fn what_is_imported_is_somebody_elses_and_comes_once() {
    let scene = Scene::of(&["core-a"]);
    let text = serde_json::to_string(&attempt("core-b")).unwrap();
    let import = |text: &str, whose| {
        let attempts = read_export(text, "e".into()).unwrap();
        scene.open().unwrap().import(attempts, whose).unwrap()
    };
    assert_eq!(import(&text, "ann"), Imported { taken: 1, known: 0 });
    assert_eq!(import(&text, "ann"), Imported { taken: 0, known: 1 });
    let ledger = scene.open().unwrap();
    let theirs = &ledger.attempts()[1];
    assert_eq!(theirs.machine.whose.as_deref(), Some("ann"));

    let again = serde_json::to_string(theirs).unwrap();
    assert_eq!(import(&again, "bob"), Imported { taken: 1, known: 0 });
    let ledger = scene.open().unwrap();
    let whose = ledger.attempts()[2].machine.whose.as_deref();
    assert_eq!(whose, Some("ann, by bob"));

    let wrong = read_export(&format!("{text}\nnonsense\n"), "e".into());
    assert!(matches!(wrong, Err(Error::NoExport { line: 2, .. })));
}

#[test]
fn this_machine_says_what_it_is() {
    let machine = crate::machine();
    assert!(machine.processors > 0 && !machine.kernel.is_empty() && machine.whose.is_none());
    let now = crate::now();
    assert!(now.len() == 20 && now.ends_with('Z'), "{now}");
}

#[test]
fn what_was_signed_stands_between_attempts() {
    let scene = Scene::of(&["a"]);
    let mut other = scene.open().unwrap();
    let mut ledger = scene.open().unwrap();
    ledger.append_signing(&signing("a")).unwrap();
    // Who adds something reads it first.
    other.append(&[attempt("b")]).unwrap();
    assert_eq!(other.signings(), [signing("a")]);
    ledger.append_signing(&signing("b")).unwrap();
    let again = scene.open().unwrap();
    for ledger in [&ledger, &again] {
        assert_eq!(ledger.signings(), [signing("a"), signing("b")]);
        assert_eq!(ledger.attempts(), [attempt("a"), attempt("b")]);
    }
}
