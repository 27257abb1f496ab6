//! Real children: their output, their limits, and that none survives.

use std::io::Read as _;
use std::time::Duration;

use camino::Utf8Path;
use process::{Channel, Error, Invocation};

fn shell(script: &str) -> Invocation {
    Invocation::new(Utf8Path::new("/bin/sh"))
        .argument("-c")
        .argument(script)
}

#[tokio::test]
async fn both_streams_and_the_status_are_reported() {
    let mut lines = Vec::new();
    let finished = shell("echo out; echo err >&2; printf tail; exit 3")
        .run_with(&mut |channel, line| lines.push((channel, line.to_owned())))
        .await
        .unwrap();
    lines.sort_by_key(|(channel, line)| (*channel == Channel::Stderr, line.clone()));
    assert_eq!(finished.status.code(), Some(3));
    assert_eq!(finished.stdout_text(), "out\ntail");
    assert_eq!(finished.stderr, "err\n");
    let expected = [
        (Channel::Stdout, "out"),
        (Channel::Stdout, "tail"),
        (Channel::Stderr, "err"),
    ];
    assert_eq!(
        lines,
        expected.map(|(channel, line)| (channel, line.to_owned()))
    );
}

#[tokio::test]
async fn the_environment_is_pinned() {
    let finished = shell("env").variable("ONLY_HERE", "1").run().await.unwrap();
    let text = finished.stdout_text().into_owned();
    assert!(text.contains("LC_ALL=C.UTF-8"));
    assert!(text.contains("ONLY_HERE=1"));
    assert!(
        !text.contains("CARGO"),
        "cargo's variables are this test's own, not a child's: {text}"
    );
}

#[tokio::test]
async fn a_missing_program_is_said_to_be_missing() {
    let error = Invocation::new(Utf8Path::new("/nonexistent/engine"))
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

/// A program that is being written, as by a thread of this process whose file a child has inherited.
#[rstest::rstest]
#[case::for_a_moment(Duration::from_millis(100), Ok("done\n"))]
#[case::for_long(Duration::from_secs(60), Err("busy"))]
#[tokio::test]
async fn a_program_that_is_being_written_is_waited_for(
    #[case] written: Duration,
    #[case] expected: Result<&str, &str>,
) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path())
        .unwrap()
        .join("program");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o755);
    let mut file = options.open(&path).unwrap();
    file.write_all(b"#!/bin/sh\necho done\n").unwrap();
    let closing = tokio::spawn(async move {
        tokio::time::sleep(written).await;
        drop(file);
    });
    let finished = Invocation::new(&path).run().await;
    closing.abort();
    match (finished, expected) {
        (Ok(finished), Ok(said)) => assert_eq!(finished.stdout_text(), said),
        (Err(Error::Io { source, .. }), Err(said)) => {
            assert!(source.to_string().contains(said), "{source}");
        }
        (finished, _) => panic!("{finished:?}"),
    }
}

#[tokio::test]
async fn whoever_takes_lines_may_be_given_any_number() {
    let mut count = 0;
    let many = shell("head -c 20000000 /dev/zero | tr '\\0' x | fold -w 99");
    let done = many.run_with(&mut |_, _| count += 1).await.unwrap();
    assert!(done.succeeded());
    assert_eq!(count, 202_021);
    assert!(done.stdout.len() < 3 << 20);
}

#[tokio::test]
async fn floods_are_ended() {
    let error = shell("exec yes")
        .output_limit(100_000)
        .run()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Flooded { limit: 100_000, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_grandchild_ends_with_the_time_limit() {
    // The grandchild holds the write end of a fifo: the read below ends when it has ended, and
    // for no other reason. Until it has it this test has one too, for whoever opens one end waits
    // for the other.
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("held").to_str().unwrap().to_owned();
    let made = shell(&format!("mkfifo {fifo}")).run().await.unwrap();
    assert!(made.succeeded());
    let both = std::fs::File::options().read(true).write(true).open(&fifo);
    let held = both.unwrap();
    let mut reader = std::fs::File::open(&fifo).unwrap();
    let script = format!("(exec 3>{fifo}; sleep 1000) & wait");
    let limited = shell(&script).time_limit(Duration::from_millis(500)).run();
    let error = limited.await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    drop(held);
    let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).unwrap());
    assert_eq!(read.await.unwrap(), 0);
    assert!(process::wait_for_ended_groups(Duration::from_secs(20)));
}

#[tokio::test]
async fn a_clean_up_runs_after_the_groups_that_were_told_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    // What is to be cleaned up is only there once the group has ended.
    let script = format!("trap 'echo > {path}/left; exit' TERM; echo up; while :; do :; done");
    let (up, mut is_up) = tokio::sync::mpsc::unbounded_channel();
    let mut line = move |_, text: &str| up.send(text.to_owned()).unwrap();
    tokio::select! {
        ended = shell(&script).run_with(&mut line) => panic!("ended by itself: {ended:?}"),
        text = is_up.recv() => assert_eq!(text.as_deref(), Some("up")),
    }
    shell(&format!("mv {path}/left {path}/cleaned")).run_unattended();
    assert!(process::wait_for_ended_groups(Duration::from_secs(20)));
    assert!(directory.path().join("cleaned").exists());
}

#[tokio::test]
async fn input_is_given_whole_while_output_is_read() {
    let input = "0123456789abcdef".repeat(1 << 16);
    let finished = Invocation::new(Utf8Path::new("/bin/cat"))
        .input(input.clone())
        .run()
        .await
        .unwrap();
    assert_eq!(finished.stdout_text(), input);
}

#[tokio::test]
async fn input_need_not_be_read() {
    let finished = shell("exec true").input(vec![b'x'; 1 << 20]).run().await;
    assert!(finished.unwrap().succeeded());
}

#[tokio::test]
async fn silence_has_a_limit() {
    let limit = Duration::from_millis(200);
    for script in ["exec sleep 1000", "exec >&- 2>&-; exec sleep 1000"] {
        let error = shell(script).silence_limit(limit).run().await.unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    }
}
