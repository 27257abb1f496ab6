//! The cases. Each is a sentence of the trait's documentation, and panics where it does not hold.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use camino::Utf8Path;

use super::fixture::{Fixture, entries};
use crate::{Backend, ContextSource, ErrorKind, Event, Events, NamedContext, StepId, StepKind};

/// A case under way.
type Run<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a dyn Backend) -> Run<'a>,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// Every case.
        pub(super) const ALL: &[Case] = &[
            $(Case { name: stringify!($name), run: |backend| Box::pin($name(backend)) }),*
        ];
    };
}

cases![
    every_step_makes_one_layer,
    an_image_is_a_base_and_a_source,
    an_image_may_be_of_another_platform,
    files_of_a_directory_belong_to_nobody_else,
    an_instruction_that_fails_is_the_builds_fault,
    lines_come_with_their_step,
    builds_at_once_do_not_meet,
    nothing_is_left,
];

async fn every_step_makes_one_layer(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let containerfile = "FROM scratch AS one\n\
         COPY program /bin/\n\
         COPY program /bin/\n\
         ENV A=1\n\
         RUN [\"/bin/program\"]\n\
         FROM one\n\
         RUN [\"/bin/program\"]\n\
         COPY file /\n";
    let kinds = [
        StepKind::Copy,
        StepKind::Copy,
        StepKind::Run,
        StepKind::Run,
        StepKind::Copy,
    ];
    let request = fixture.request("layers", containerfile, 0, &kinds);
    let (built, exported) = fixture.export(backend, &request).await;

    let steps: Vec<StepId> = exported.layers.iter().map(|layer| layer.step).collect();
    let expected: Vec<StepId> = request.steps.iter().map(|step| step.id).collect();
    assert_eq!(steps, expected);
    let last = entries(&exported.layers[4].tar);
    let [file] = last.as_slice() else {
        panic!("expected one file, found {last:?}");
    };
    assert_eq!(
        (file.path.as_str(), file.contents.as_str()),
        ("file", "text\n")
    );
    assert_eq!((file.mode, file.owner), (0o644, (0, 0)));
    backend
        .remove(built)
        .await
        .expect("what was built can be removed");
}

async fn an_image_is_a_base_and_a_source(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let base = fixture.context_name(backend, "image", "base").await;
    let source = fixture.context_name(backend, "image", "source").await;
    let containerfile = format!(
        "FROM {base}\n\
         RUN [\"/program\"]\n\
         COPY --from={source} /from-image /copy\n"
    );
    let kinds = [StepKind::Run, StepKind::Copy];
    let mut request = fixture.request("image", &containerfile, 1, &kinds);
    request.contexts = vec![fixture.image(base, "amd64"), fixture.image(source, "amd64")];
    let (built, exported) = fixture.export(backend, &request).await;

    assert_eq!(
        exported.layers.len(),
        2,
        "the base's layer is not among them"
    );
    let last = entries(&exported.layers[1].tar);
    let copy = last.iter().find(|entry| entry.path == "copy");
    let copy = copy.unwrap_or_else(|| panic!("no copy in {last:?}"));
    assert_eq!((copy.mode, copy.owner), (0o640, (12, 34)));
    assert_eq!(copy.contents, "image\n");
    backend
        .remove(built)
        .await
        .expect("what was built can be removed");
}

async fn an_image_may_be_of_another_platform(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let base = fixture.context_name(backend, "platform", "base").await;
    let other = fixture.context_name(backend, "platform", "other").await;
    // Of what is in the engine's store, there is one for every platform.
    let flag = if other.starts_with("stagex/") {
        "--platform=linux/386 "
    } else {
        ""
    };
    let containerfile = format!(
        "FROM {flag}{other} AS other\n\
         RUN [\"/program\"]\n\
         COPY --from={base} /from-image /copy\n\
         FROM {base}\n\
         COPY --from=other /copy /copy\n"
    );
    let mut request = fixture.request("platform", &containerfile, 1, &[StepKind::Copy]);
    request.contexts = vec![fixture.image(base, "amd64"), fixture.image(other, "386")];
    let (built, exported) = fixture.export(backend, &request).await;
    let last = entries(&exported.layers[0].tar);
    assert_eq!(
        last.last().map(|entry| entry.path.as_str()),
        Some("copy"),
        "{last:?}"
    );
    backend
        .remove(built)
        .await
        .expect("what was built can be removed");
}

async fn files_of_a_directory_belong_to_nobody_else(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let file = fixture.write("side/sub/file", b"side\n", 0o600);
    // Only root may give files away; for others the case still shows that directories are read.
    let _ = std::os::unix::fs::chown(&file, Some(1234), Some(1234));
    let name = fixture.context_name(backend, "directory", "side").await;
    let containerfile = format!("FROM scratch\nCOPY --from={name} /sub/ /to/\n");
    let mut request = fixture.request("directory", &containerfile, 0, &[StepKind::Copy]);
    request.contexts = vec![NamedContext {
        name,
        source: ContextSource::Directory(fixture.empty("side")),
    }];
    let (built, exported) = fixture.export(backend, &request).await;

    let found = entries(&exported.layers[0].tar);
    let copy = found.iter().find(|entry| entry.path == "to/file");
    let copy = copy.unwrap_or_else(|| panic!("no copy in {found:?}"));
    assert_eq!((copy.mode, copy.owner), (0o600, (0, 0)));
    backend
        .remove(built)
        .await
        .expect("what was built can be removed");
}

async fn an_instruction_that_fails_is_the_builds_fault(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let containerfile = "FROM scratch\nCOPY program /\nRUN [\"/program\", \"1\", \"2\", \"3\"]\n";
    let request = fixture.request(
        "failure",
        containerfile,
        0,
        &[StepKind::Copy, StepKind::Run],
    );
    let error = backend
        .build(&request, &())
        .await
        .expect_err("the program exits with 3");
    assert_eq!(
        error.kind(),
        ErrorKind::BuildFailed,
        "{error}\n{:?}",
        error.output()
    );
    assert_eq!(error.runtime(), backend.id());
    assert!(
        error.output().is_some_and(|output| output.contains('3')),
        "{error:?}"
    );
    assert_is_empty(&request.work);
}

/// Keeps every line with its step.
#[derive(Default)]
struct Lines(Mutex<Vec<(Option<StepId>, String)>>);

impl Events for Lines {
    fn emit(&self, event: Event) {
        if let Event::Output { step, line } = event {
            self.0
                .lock()
                .expect("no test panics with it")
                .push((step, line));
        }
    }
}

async fn lines_come_with_their_step(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let containerfile = "FROM scratch\nENV A=1\nCOPY program /\nRUN [\"/program\"]\n";
    let request = fixture.request("lines", containerfile, 0, &[StepKind::Copy, StepKind::Run]);
    let lines = Lines::default();
    let built = backend.build(&request, &lines).await.expect("it builds");
    let lines = lines.0.into_inner().expect("no test panics with it");
    // Not every engine says where it is, but none may say something else.
    let step_of = |text: &str| lines.iter().find(|(_, line)| line.contains(text));
    for (text, step) in [("COPY program /", 0), ("RUN [\"/program\"]", 1)] {
        let (found, line) = step_of(text).unwrap_or_else(|| panic!("no `{text}` in {lines:?}"));
        let expected = request.steps[step].id;
        assert!(
            found.is_none_or(|found| found == expected),
            "{line}: {found:?}"
        );
    }
    backend
        .remove(built)
        .await
        .expect("what was built can be removed");
}

async fn builds_at_once_do_not_meet(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let build = async |name: &str, contents: &str| {
        let base = fixture.context_name(backend, name, "base").await;
        let side = fixture.context_name(backend, name, "side").await;
        let containerfile =
            format!("FROM {base}\nRUN [\"/program\"]\nCOPY --from={side} {name} /file\n");
        let kinds = [StepKind::Run, StepKind::Copy];
        let mut request = fixture.request(name, &containerfile, 1, &kinds);
        fixture.write(&format!("side-{name}/{name}"), contents.as_bytes(), 0o644);
        let side = NamedContext {
            name: side,
            source: ContextSource::Directory(fixture.empty(&format!("side-{name}"))),
        };
        request.contexts = vec![fixture.image(base, "amd64"), side];
        let (built, exported) = fixture.export(backend, &request).await;
        let found = entries(&exported.layers[1].tar);
        backend
            .remove(built)
            .await
            .expect("what was built can be removed");
        assert_is_empty(&request.work);
        found
            .into_iter()
            .map(|entry| entry.contents)
            .collect::<String>()
    };
    let (one, two, three) = tokio::join!(
        build("one", "1\n"),
        build("two", "2\n"),
        build("three", "3\n")
    );
    assert_eq!([one, two, three], ["1\n", "2\n", "3\n"]);
}

async fn nothing_is_left(backend: &dyn Backend) {
    let fixture = Fixture::new();
    let request = fixture.request("left", "FROM scratch\nCOPY file /\n", 0, &[StepKind::Copy]);
    let (built, _) = fixture.export(backend, &request).await;
    backend
        .remove(built.clone())
        .await
        .expect("what was built can be removed");
    assert_is_empty(&request.work);
    backend
        .remove(built)
        .await
        .expect("what is gone already is no error");
}

fn assert_is_empty(directory: &Utf8Path) {
    let left = directory.read_dir_utf8().map(Iterator::count);
    assert_eq!(left.ok(), Some(0), "{directory} has something left");
}
