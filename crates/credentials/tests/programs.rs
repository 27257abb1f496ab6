//! Programs that keep credentials: real ones, as scripts.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use credentials::{Config, Credentials, Lookup, Origin, Secret, Store};
use rstest::rstest;

/// A user's files, and programs on their PATH.
struct Scene {
    directory: tempfile::TempDir,
    files: Vec<Utf8PathBuf>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        Self {
            directory,
            files: Vec::new(),
        }
    }

    fn root(&self) -> &Utf8Path {
        self.directory.path().try_into().unwrap()
    }

    /// Adds a file.
    fn file(&mut self, text: &str) {
        let path = self.root().join(format!("{}.json", self.files.len()));
        fs::write(&path, text).unwrap();
        self.files.push(path);
    }

    /// Writes a program, which notes what it is asked, and does then what is said.
    fn program(&self, path: &str, script: &str) {
        let path = self.root().join(path);
        let text = format!(
            "#!/bin/sh\nread -r server\necho \"$1 $server\" >> {}/asked\n{script}\n",
            self.root()
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns what programs were asked.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.root().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    fn store(&self) -> Store {
        Store::new(Config {
            files: self.files.clone(),
            programs: format!("relative:{}/bin:/usr/bin", self.root()),
            variables: vec![("OF_HELPERS".to_owned(), "seen".to_owned())],
            ..Config::default()
        })
    }
}

fn password(user: &str, password: &str) -> Secret {
    Secret::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

fn secret(found: &Lookup) -> Option<&Secret> {
    match found {
        Lookup::Some(Credentials { secret, .. }) => Some(secret),
        Lookup::None | Lookup::Failed { .. } => None,
    }
}

/// A program that gives one answer.
const GIVES: &str = r#"echo '{"ServerURL":"x","Username":"u","Secret":"p"}'"#;
const HAS_NONE: &str = "echo credentials not found in native keychain; exit 1";
const NAMED: &str =
    r#"{"credHelpers": {"a.org:5000": "one"}, "auths": {"a.org:5000": {"auth": "djpx"}}}"#;

#[tokio::test]
async fn a_program_is_asked_once() {
    let mut scene = Scene::new();
    scene.file(NAMED);
    scene.program("bin/docker-credential-one", GIVES);
    let store = scene.store();
    for place in ["a.org:5000/b", "a.org:5000/c/d"] {
        let found = store.find(place, None).await.unwrap();
        let expected = Lookup::Some(Credentials {
            secret: password("u", "p"),
            origin: Origin {
                path: scene.files[0].clone(),
                helper: Some("docker-credential-one".to_owned()),
            },
        });
        assert_eq!(found, expected);
    }
    assert_eq!(scene.asked(), ["get a.org:5000"]);
    assert_eq!(store.find("b.org/a", None).await.unwrap(), Lookup::None);
    // Whoever wants what is written has no program started.
    let written = store.written("a.org:5000").unwrap().unwrap();
    assert_eq!(written.secret, password("v", "q"));
    assert_eq!(store.written("b.org").unwrap(), None);
    assert_eq!(scene.asked().len(), 1);

    // What was refused is not taken again; what somebody else has got meanwhile is.
    let other = r#"echo "{\"Username\":\"$OF_HELPERS\",\"Secret\":\"new\"}""#;
    scene.program("bin/docker-credential-one", other);
    let old = password("u", "p");
    for _ in 0..2 {
        let found = store.find("a.org:5000/b", Some(&old)).await.unwrap();
        assert_eq!(secret(&found), Some(&password("seen", "new")));
    }
    assert_eq!(scene.asked().len(), 2);
}

#[rstest]
#[case::another(GIVES, Some(password("u", "p")))]
#[case::identity(r#"echo '{"Username":"<token>","Secret":"t"}'"#, Some(Secret::Identity("t".to_owned())))]
#[case::nothing(r#"echo '{"Username":"","Secret":""}'"#, Some(password("v", "q")))]
#[case::none(HAS_NONE, Some(password("v", "q")))]
#[tokio::test]
async fn who_has_none_is_followed_by_others(
    #[case] script: &str,
    #[case] expected: Option<Secret>,
) {
    let mut scene = Scene::new();
    scene.file(NAMED);
    scene.program("bin/docker-credential-one", script);
    let found = scene.store().find("a.org:5000/b", None).await.unwrap();
    assert_eq!(secret(&found), expected.as_ref());
}

#[tokio::test]
async fn the_next_file_counts_where_one_has_nothing() {
    let mut scene = Scene::new();
    scene.program("bin/docker-credential-none", HAS_NONE);
    scene.program("bin/docker-credential-broken", "exit 3");
    scene.file(r#"{"credsStore": "none", "auths": {"a.org": {}}}"#);
    scene.file(r#"{"credsStore": "broken"}"#);
    scene.file(r#"{"auths": {"a.org/b": {"auth": "djpx"}}}"#);
    let store = scene.store();
    let found = store.find("a.org/b/c", None).await.unwrap();
    assert_eq!(secret(&found), Some(&password("v", "q")));
    // If nobody has anything, it is told who could not say.
    let found = store.find("a.org/x", None).await.unwrap();
    let Lookup::Failed { origin, why } = found else {
        panic!("{found:?}");
    };
    assert_eq!(origin.helper.as_deref(), Some("docker-credential-broken"));
    assert_eq!(
        (origin.path, why.as_str()),
        (scene.files[1].clone(), "it ended with 3")
    );
    assert_eq!(scene.asked(), ["get a.org", "get a.org"]);
}

/// What a program does, and what is told of it; never what it may have said of a secret.
#[rstest]
#[case::told_on_stderr(
    "echo 'the card\x1b[2J is gone' >&2; echo SECRET; exit 1",
    "ended with 1: the card\u{fffd}[2J is gone"
)]
#[case::told_on_stdout("echo 'store is locked'; exit 1", "ended with 1: store is locked")]
#[case::answers_and_fails(r#"echo '{"Secret":"SECRET"}'; exit 1"#, "ended with 1")]
#[case::no_answer("echo SECRET", "its answer is not what")]
#[case::other_answer(r#"echo '{"Secret":["SECRET"]}'"#, "its answer is not what")]
#[case::half_an_answer(r#"echo '{"Username":"SECRET"}'"#, "has no secret")]
#[case::floods("cat /dev/zero", "wrote more than")]
#[case::killed("kill -9 $$", "signal 9")]
#[tokio::test]
async fn a_program_that_fails_is_told(#[case] script: &str, #[case] told: &str) {
    let mut scene = Scene::new();
    scene.file(r#"{"credHelpers": {"a.org": "one"}}"#);
    scene.program("bin/docker-credential-one", script);
    let found = scene.store().find("a.org/b", None).await.unwrap();
    let Lookup::Failed { why, .. } = &found else {
        panic!("{found:?}");
    };
    assert!(why.contains(told), "{why}");
    assert!(!format!("{found:?}").contains("SECRET"), "{found:?}");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended() {
    let mut scene = Scene::new();
    scene.file(r#"{"credsStore": "one"}"#);
    scene.program(
        "bin/docker-credential-one",
        "exec cat /dev/zero > /dev/null",
    );
    let store = Store::new(Config {
        files: scene.files.clone(),
        programs: format!("{}/bin", scene.root()),
        patience: Duration::from_millis(50),
        ..Config::default()
    });
    let found = store.find("a.org", None).await.unwrap();
    let Lookup::Failed { why, .. } = found else {
        panic!("{found:?}");
    };
    assert!(why.contains("did not finish"), "{why}");
}

/// What a file names is a name, and is found where the user's programs are.
#[rstest]
#[case::beside("../elsewhere/docker-credential-x")]
#[case::a_path("x/../../elsewhere")]
#[case::absolute("/bin/sh")]
#[case::blank("x y")]
#[case::control("x\\u001b[2J")]
#[case::not_there("no-such-program")]
#[tokio::test]
async fn only_programs_of_the_user_are_started(#[case] name: &str) {
    let mut scene = Scene::new();
    scene.file(&format!(r#"{{"credsStore": "{name}"}}"#));
    fs::create_dir_all(scene.root().join("bin/docker-credential-x")).unwrap();
    fs::create_dir(scene.root().join("elsewhere")).unwrap();
    scene.program("elsewhere/docker-credential-x", GIVES);
    scene.program("elsewhere/docker-credential-no-such-program", GIVES);
    scene.program("bin/elsewhere", GIVES);
    let found = scene.store().find("a.org", None).await.unwrap();
    let Lookup::Failed { origin, why } = found else {
        panic!("{found:?}");
    };
    let told = format!("{origin}: {why}");
    assert!(
        told.contains("not the name of a program") || told.contains("was not found"),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(scene.asked().is_empty());
}

#[test]
fn a_relative_directory_has_no_programs() {
    let here = Utf8PathBuf::from_path_buf(std::env::current_dir().unwrap()).unwrap();
    let absolute = process::find_in("/usr/bin:/bin", "sh").unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = format!(
        "{up}{}",
        absolute.parent().unwrap().strip_prefix("/").unwrap()
    );
    assert!(Utf8Path::new(&relative).join("sh").exists(), "{relative}");
    assert!(process::find_in(&relative, "sh").is_err());
    assert!(process::find_in("/usr/bin:/bin", "/bin/sh").is_err());
}
