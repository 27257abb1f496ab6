//! What plugins can do wrong, each shown by a shell script of a few lines: no engine has these
//! faults on demand. Each must be told in a message that names the plugin, and none may hang.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::time::Duration;

use backend_api::{
    Availability, Backend as _, BuildArgument, BuildKey, BuildRequest, Cache, ContextSource, Error,
    ErrorKind, Event, Events, NamedContext, Network, OpenFiles, Reason, Stage, Step, StepId,
    StepKind, Unavailable, Variations,
};
use backend_plugin::{Limits, Plugin};
use camino::{Utf8Path, Utf8PathBuf};
use rstest::rstest;

const READY: &str = r#"{"type":"result","protocol":1,"version":"7","details":{"b":"2","a":"1"},
"capabilities":{"dialect":{"heredocs":false,"run_network":false,"named_contexts":true,
"workdir_layers":false,"add_zstd":false},"offline_builds":true,"layers":"touched",
"leaves_mount_points":false}}"#;

/// Limits of time that nothing comes near to which ends by itself, on a busy machine neither.
const PATIENT: Limits = Limits {
    probe: LONG,
    silence: LONG,
    farewell: LONG,
    output: 1 << 16,
};
const LONG: Duration = Duration::from_secs(300);
/// For what never ends by itself.
const SHORT: Duration = Duration::from_secs(1);

/// A script that is a plugin, in a directory of its own.
struct Fake {
    directory: Utf8PathBuf,
    plugin: Plugin,
    _temporary: tempfile::TempDir,
}

impl Fake {
    fn new(script: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        let program = directory.join("stagex-runtime-fake");
        let text = format!("#!/bin/sh\ncd '{directory}'\n{script}\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.join("export")).unwrap();
        let plugin = Plugin::new("fake".parse().unwrap(), Some(program)).with_limits(PATIENT);
        Self {
            directory,
            plugin,
            _temporary: temporary,
        }
    }

    /// Gives it other limits.
    fn within(mut self, limits: Limits) -> Self {
        self.plugin = self.plugin.with_limits(limits);
        self
    }

    /// A script that reads the request and then answers with `lines`.
    fn saying(lines: &str) -> Self {
        Self::new(&format!("cat > request\ncat <<'END'\n{lines}\nEND"))
    }

    fn build(&self, events: &dyn Events) -> Result<backend_api::BuiltImage, Error> {
        block_on(self.plugin.build(&request(), events))
    }

    fn unavailable(&self) -> Unavailable {
        match block_on(self.plugin.probe()) {
            Availability::Unavailable(why) => why,
            Availability::Ready(ready) => panic!("{ready:?}"),
        }
    }

    fn asked(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.directory.join("request")).unwrap()).unwrap()
    }
}

const RUN: Step = Step {
    id: StepId { stage: 1, index: 2 },
    kind: StepKind::Run,
};

fn request() -> BuildRequest {
    BuildRequest {
        key: BuildKey::new("core-x"),
        containerfile: "/c/Containerfile".into(),
        context: "/c/context".into(),
        contexts: vec![
            NamedContext {
                name: "stagex/a".to_owned(),
                source: ContextSource::Image("/a".into()),
            },
            NamedContext {
                name: "fetch".to_owned(),
                source: ContextSource::Directory("/f".into()),
            },
        ],
        target: None,
        steps: vec![RUN],
        stages: vec![Stage {
            name: None,
            begins_with_image: true,
            steps: vec![RUN],
        }],
        base_layers: 3,
        platform: "linux/amd64".to_owned(),
        build_arguments: vec![BuildArgument {
            name: "A".to_owned(),
            value: "1".to_owned(),
        }],
        network: Network::None,
        cache: Cache::Refuse,
        varied: Variations::default(),
        hard_links: false,
        open_files: OpenFiles { soft: 10, hard: 20 },
        work: "/w".into(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Events for Heard {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn a_probe_is_answered() {
    let fake = Fake::saying(&READY.replace('\n', ""));
    let Availability::Ready(ready) = block_on(fake.plugin.probe()) else {
        panic!("{:?}", fake.unavailable());
    };
    assert_eq!(ready.program, fake.directory.join("stagex-runtime-fake"));
    assert_eq!(ready.version, "7");
    assert_eq!(ready.details[0], ("a".to_owned(), "1".to_owned()));
    assert!(ready.capabilities.dialect.named_contexts);
    let asked = serde_json::json!({ "protocol": 1, "operation": "probe" });
    assert_eq!(fake.asked(), asked);
}

#[test]
fn a_build_is_told_everything_and_tells_what_happens() {
    let fake = Fake::saying(
        r#"{"type":"output","line":"one","step":{"stage":1,"index":2}}
{"type":"notice","message":"two"}
{"type":"result","reference":"sha256:1","also_made":["x"]}"#,
    );
    let heard = Heard::default();
    let built = fake.build(&heard).unwrap();
    assert_eq!(
        (built.reference.as_str(), built.base_layers),
        ("sha256:1", 3)
    );
    assert_eq!(built.also_made, ["x"]);
    let expected = [
        Event::Output {
            step: Some(StepId { stage: 1, index: 2 }),
            line: "one".to_owned(),
        },
        Event::Notice {
            message: "two".to_owned(),
        },
    ];
    assert_eq!(*heard.0.lock().unwrap(), expected);
    let asked = serde_json::json!({
        "protocol": 1,
        "operation": "build",
        "request": {
            "key": "core-x",
            "name": "localhost/stagex/core-x",
            "containerfile": "/c/Containerfile",
            "context": "/c/context",
            "contexts": [
                { "name": "stagex/a", "image": "/a" },
                { "name": "fetch", "folder": "/f" },
            ],
            "target": null,
            "steps": [{ "stage": 1, "index": 2, "kind": "run" }],
            "stages": [{
                "name": null,
                "begins_with_image": true,
                "steps": [{ "stage": 1, "index": 2, "kind": "run" }],
            }],
            "base_layers": 3,
            "platform": "linux/amd64",
            "build_arguments": [{ "name": "A", "value": "1" }],
            "network": "none",
            "cache": "refuse",
            "open_files": { "soft": 10, "hard": 20 },
            "work": "/w",
        },
    });
    assert_eq!(fake.asked(), asked);
}

#[rstest]
#[case::older(0, Reason::TooOld, "install a later version of the plugin")]
#[case::newer(2, Reason::WillNotRun, "install a later stagex")]
fn another_version_is_told(#[case] version: u32, #[case] reason: Reason, #[case] hint: &str) {
    let fake = Fake::saying(&format!(r#"{{"type":"result","protocol":{version}}}"#));
    let why = fake.unavailable();
    assert_eq!(why.reason, reason);
    assert!(
        why.message.contains(&format!("version {version}")),
        "{why:?}"
    );
    assert!(why.message.contains("stagex-runtime-fake"), "{why:?}");
    assert!(why.hint.contains(hint), "{why:?}");
}

#[test]
fn a_plugin_without_its_engine_says_why() {
    let fake = Fake::saying(
        r#"{"type":"unavailable","reason":"too-old","version":"1","message":"it is old","hint":"renew it"}"#,
    );
    let why = fake.unavailable();
    assert_eq!(
        (why.reason, why.hint.as_str()),
        (Reason::TooOld, "renew it")
    );
    assert_eq!(why.version.as_deref(), Some("1"));
    assert!(
        why.message.ends_with("stagex-runtime-fake`: it is old"),
        "{why:?}"
    );
}

#[rstest]
#[case::dies("exit 3", "ended without an answer (exit status: 3)")]
#[case::is_killed("kill -9 $$", "ended without an answer (signal: 9")]
#[case::says_nothing("true", "ended without an answer (exit status: 0)")]
#[case::no_version(r#"echo '{"type":"result"}'"#, "did not say which version")]
#[case::no_json(
    "echo hello",
    "is no message: expected value at line 1 column 1: `hello`"
)]
#[case::half_json(r#"printf '{"type":"res'"#, "is no message: EOF")]
#[case::no_utf8(r#"printf '"\377"\n'"#, "is not UTF-8")]
#[case::floods(
    "exec yes '{\"type\":\"notice\",\"message\":\"m\"}'",
    "wrote more than 65536 bytes"
)]
#[case::floods_its_log("exec yes >&2", "wrote more than 65536 bytes")]
#[case::goes_on(
    r#"echo '{"type":"result"}'; echo '{"type":"result"}'"#,
    "wrote more after its answer"
)]
#[case::fails_after(r#"echo '{"type":"result","protocol":1}'; exit 1"#, "and then failed")]
fn faults_in_a_probe(#[case] script: &str, #[case] message: &str) {
    let why = Fake::new(script).unavailable();
    assert_eq!(why.reason, Reason::WillNotRun);
    assert!(why.message.contains(message), "{why:?}");
    assert!(why.message.contains("stagex-runtime-fake"), "{why:?}");
}

#[rstest]
#[case::dies(
    "echo reason >&2; exit 3",
    ErrorKind::EngineFailed,
    "ended without an answer"
)]
#[case::killed(
    "echo reason >&2; kill -9 $$",
    ErrorKind::EngineKilled,
    "ended without an answer"
)]
#[case::no_result(
    r#"echo reason >&2; echo '{"type":"result"}'"#,
    ErrorKind::Unexpected,
    "missing field `reference`"
)]
fn faults_in_a_build(#[case] script: &str, #[case] kind: ErrorKind, #[case] message: &str) {
    let heard = Heard::default();
    let error = Fake::new(script).build(&heard).unwrap_err();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.runtime(), "fake");
    let text = error.to_string();
    assert!(
        text.contains(message) && text.contains("stagex-runtime-fake"),
        "{text}"
    );
    // Its log is heard as it comes.
    let reason = Event::Output {
        step: None,
        line: "reason".to_owned(),
    };
    assert!(heard.0.lock().unwrap().contains(&reason));
}

#[test]
fn what_hangs_is_ended() {
    let hangs = |limits| Fake::new("exec sleep 1000").within(limits);
    let probe = SHORT;
    let why = hangs(Limits { probe, ..PATIENT }).unavailable();
    assert_eq!(why.reason, Reason::WillNotRun);
    let message = "did not finish within 1 s";
    assert!(why.message.contains(message), "{why:?}");
    let silence = SHORT;
    let fake = hangs(Limits { silence, ..PATIENT });
    let error = fake.build(&()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EngineFailed);
    let text = error.to_string();
    assert!(text.contains("wrote nothing for 1 s"), "{text}");
}

#[test]
fn output_belongs_to_a_step_that_there_is() {
    let fake = Fake::saying(r#"{"type":"output","line":"x","step":{"stage":9,"index":9}}"#);
    let error = fake.build(&()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(
        error
            .to_string()
            .contains("named the step 9.9, which does not exist"),
        "{error}"
    );
}

#[test]
fn a_build_that_fails_is_the_packages_fault() {
    let fake = Fake::saying(
        r#"{"type":"error","kind":"build-failed","message":"RUN make: exit status 2","hint":"h","output":"o","step":{"stage":1,"index":2}}"#,
    );
    let error = fake.build(&()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BuildFailed);
    assert_eq!(error.step(), Some(RUN.id));
    assert_eq!((error.hint(), error.output()), (Some("h"), Some("o")));
    assert!(
        error.to_string().ends_with("RUN make: exit status 2"),
        "{error}"
    );
}

#[test]
fn a_plugin_that_does_not_end_after_its_answer_is_ended() {
    let fake = Fake::new(r#"echo '{"type":"result","reference":"r"}'; exec sleep 1000"#);
    let farewell = SHORT;
    let fake = fake.within(Limits {
        farewell,
        ..PATIENT
    });
    assert_eq!(fake.build(&()).unwrap().reference, "r");
}

#[test]
fn an_image_is_asked_for_in_the_protocols_words() {
    let fake = Fake::saying(
        r#"{"type":"result","reference":"r","layers":[{"step":{"stage":1,"index":2},"tar":"a.tar"}]}"#,
    );
    let directory = fake.directory.join("export");
    fs::write(directory.join("a.tar"), "x").unwrap();
    let built = fake.build(&()).unwrap();
    let image = serde_json::json!({
        "key": "core-x",
        "name": "localhost/stagex/core-x",
        "reference": "r",
        "also_made": [],
        "steps": [{ "stage": 1, "index": 2, "kind": "run" }],
        "base_layers": 3,
        "work": "/w",
    });
    block_on(fake.plugin.export(&built, &directory)).unwrap();
    let asked = serde_json::json!({
        "protocol": 1,
        "operation": "export",
        "image": image,
        "folder": directory,
    });
    assert_eq!(fake.asked(), asked);
    block_on(fake.plugin.remove(built)).unwrap();
    let asked = serde_json::json!({ "protocol": 1, "operation": "remove", "image": image });
    assert_eq!(fake.asked(), asked);
}

#[rstest]
#[case::outside("../secret", "not a relative path without `..`")]
#[case::a_link("link", "is a symbolic link")]
#[case::absent("absent", "No such file")]
fn layers_lie_in_the_directory(#[case] tar: &str, #[case] message: &str) {
    let fake = Fake::saying(&format!(
        r#"{{"type":"result","reference":"r","layers":[{{"step":{{"stage":1,"index":2}},"tar":"{tar}"}}]}}"#
    ));
    let directory: &Utf8Path = &fake.directory.join("export");
    fs::write(fake.directory.join("secret"), "x").unwrap();
    std::os::unix::fs::symlink("../secret", directory.join("link")).unwrap();
    let built = fake.build(&()).unwrap();
    let error = block_on(fake.plugin.export(&built, directory)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    let text = error.to_string();
    assert!(
        text.contains(message) && text.contains("stagex-runtime-fake"),
        "{text}"
    );
}
