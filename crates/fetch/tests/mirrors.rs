//! Mirrors that do what no mirror should: real servers on loopback, each of which behaves badly in one way.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod scene;
mod server;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use fetch::{How, Why};
use rstest::rstest;
use scene::{Scene, contents, hash, of_package, wanted};
use server::{
    Act, Server, answer, drip, end_after, endless, file, garbage, hang, hang_after, of_length,
    redirect, status,
};
use transfer::{Error, Roots};

/// How many bytes the file of a test has.
const LENGTH: usize = 100_000;
/// How many of them come from a mirror that breaks off.
const PART: usize = 30_000;
/// A strong validator, and a weak one.
const TAG: &str = "\"one\"";
const WEAK: &str = "W/\"one\"";

fn body() -> Vec<u8> {
    contents(LENGTH)
}

/// Another file of the same length.
fn other() -> Vec<u8> {
    body().into_iter().rev().collect()
}

fn good() -> Act {
    file(&body(), TAG)
}

/// From where a mirror is asked for the file, request by request.
fn asked(server: &Server, path: &str) -> Vec<usize> {
    let from = |request: server::Request| match request.header("range") {
        None => 0,
        Some(range) => {
            assert!(request.header("if-range").is_some_and(|tag| tag == TAG));
            let from = range.strip_prefix("bytes=").unwrap();
            from.strip_suffix('-').unwrap().parse().unwrap()
        }
    };
    server.requests(path).into_iter().map(from).collect()
}

/// What a mirror that behaves so is asked for, request by request, until it has given the file: nobody else has it.
#[rstest]
#[case::good(vec![good()], &[0])]
#[case::fine_after_a_fault(vec![status(500, &[]), good()], &[0, 0])]
#[case::unavailable(vec![status(503, &[]), status(502, &[]), good()], &[0, 0, 0])]
#[case::busy_for_no_time(vec![status(429, &[("Retry-After", "0")]), good()], &[0, 0])]
#[case::no_http(vec![garbage(), good()], &[0, 0])]
#[case::relative_redirect(vec![redirect("/first?x"), good()], &[0])]
#[case::ends_early_and_continues(vec![end_after(&body(), &[("ETag", TAG)], PART), good()], &[0, PART])]
#[case::ends_early_without_a_validator(vec![end_after(&body(), &[], PART), good()], &[0, 0])]
#[case::ends_early_with_a_weak_validator(vec![end_after(&body(), &[("ETag", WEAK)], PART), good()], &[0, 0])]
#[case::says_it_is_longer(vec![of_length(&body(), LENGTH + 1), good()], &[0, 0])]
#[case::ignores_the_range(
    vec![end_after(&body(), &[("ETag", TAG)], PART), answer(200, &[("ETag", TAG)], &body())],
    &[0, PART]
)]
#[case::sends_another_range(
    vec![
        end_after(&body(), &[("ETag", TAG)], PART),
        answer(206, &[("ETag", TAG), ("Content-Range", "bytes 0-9/100000")], &body()[..10]),
        good(),
    ],
    &[0, PART, 0]
)]
#[case::sends_a_shorter_range(
    vec![
        end_after(&body(), &[("ETag", TAG)], PART),
        answer(206, &[("ETag", TAG), ("Content-Range", "bytes 30000-30009/100000")], &body()[PART..PART + 10]),
        good(),
    ],
    &[0, PART, 0]
)]
#[case::sends_a_range_without_saying_which(
    vec![
        end_after(&body(), &[("ETag", TAG)], PART),
        answer(206, &[("ETag", TAG)], &body()[PART..]),
        good(),
    ],
    &[0, PART, 0]
)]
#[case::changes_between_two_ranges(
    vec![end_after(&other(), &[("ETag", TAG)], PART), file(&body(), "\"two\"")],
    &[0, PART]
)]
#[case::changes_and_does_not_look(
    vec![
        end_after(&other(), &[("ETag", TAG)], PART),
        answer(206, &[("ETag", "\"two\""), ("Content-Range", "bytes 30000-99999/100000")], &body()[PART..]),
        good(),
    ],
    &[0, PART, 0]
)]
#[case::has_no_such_range(
    vec![end_after(&other(), &[("ETag", TAG)], PART), status(416, &[]), good()],
    &[0, PART, 0]
)]
#[case::changes_under_one_validator(
    vec![end_after(&other(), &[("ETag", TAG)], PART), good(), good()],
    &[0, PART, 0]
)]
#[case::a_range_unasked(
    vec![answer(206, &[("Content-Range", "bytes 0-9/100000")], &body()[..10]), good()],
    &[0, 0]
)]
fn a_mirror_gives_the_file_in_the_end(#[case] acts: Vec<Act>, #[case] expected: &[usize]) {
    let scene = Scene::new();
    let server = Server::start();
    server.on("/first?x", [good()]);
    let url = server.on("/first", acts);
    let how = scene.fetch_one(&wanted(&body(), std::slice::from_ref(&url)));
    let bytes = LENGTH as u64;
    assert_eq!(how.unwrap(), How::Fetched { mirror: url, bytes });
    assert_eq!(asked(&server, "/first"), expected);
    assert_eq!(fs::read(scene.tree("fetch/core/a/a.tar")).unwrap(), body());
    scene.holds();
}

/// What a mirror that behaves so is said to have done, and how often it is asked; the next one has the file.
/// The first case is <https://github.com/bazelbuild/bazel/issues/8737>.
#[rstest]
#[case::wrong_contents(vec![file(&other(), TAG)], 1, "the contents are others: sha256")]
#[case::wrong_contents_continued(
    vec![end_after(&other(), &[("ETag", TAG)], PART), file(&other(), TAG)], 3, "the contents are others"
)]
#[case::not_found(vec![status(404, &[])], 1, "the server answered 404 Not Found")]
#[case::gone(vec![status(410, &[])], 1, "410 Gone")]
#[case::forbidden(vec![status(403, &[])], 1, "403 Forbidden")]
#[case::never_implemented(vec![status(501, &[])], 1, "501 Not Implemented")]
#[case::no_content(vec![status(204, &[])], 1, "204 No Content")]
#[case::always_a_fault(vec![status(500, &[])], 3, "500 Internal Server Error")]
#[case::busy_for_a_day(vec![status(429, &[("Retry-After", "86400")])], 1, "asked again after 86400 s only")]
#[case::busy_until_a_date(
    vec![status(503, &[
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 09:49:37 GMT")
    ])],
    1, "asked again after 3600 s only"
)]
#[case::page(
    vec![answer(200, &[("Content-Type", "text/html")], b"<html>Sorry</html>")], 1, "called text/html"
)]
#[case::compressed_unasked(
    vec![answer(200, &[("Content-Encoding", "gzip")], b"\x1f\x8b")], 1, "said to be encoded as gzip"
)]
#[case::says_it_is_shorter(vec![of_length(&body(), LENGTH - 1)], 1, "the contents are others")]
#[case::ends_early(vec![end_after(&body(), &[], PART)], 3, "the connection broke")]
#[case::no_http(vec![garbage()], 3, "the connection broke")]
#[case::too_large(vec![of_length(b"", 1 << 30)], 1, "it sends more than 16777216 bytes")]
#[case::endless(vec![endless()], 1, "it sends more than 16777216 bytes")]
#[case::circle(vec![redirect("/first")], 1, "leads back to an address that was asked already")]
#[case::larger_circle(vec![redirect("/b")], 1, "leads back to an address that was asked already")]
#[case::many_redirects(vec![redirect("/r1")], 1, "one redirect too many")]
#[case::redirect_to_nowhere(vec![status(302, &[])], 1, "302 Found")]
#[case::redirect_to_a_file(vec![redirect("file:///etc/passwd")], 1, "only http and https")]
#[case::redirect_with_a_password(vec![redirect("http://u:p@127.0.0.1/")], 1, "a user name or a password")]
fn the_next_mirror_is_tried_when_one_fails_or_sends_other_contents(
    #[case] acts: Vec<Act>,
    #[case] requests: usize,
    #[case] expected: &str,
) {
    let scene = Scene::new();
    let server = Server::start();
    server.on("/b", [redirect("/first")]);
    for number in 1..9 {
        server.on(
            &format!("/r{number}"),
            [redirect(&format!("/r{}", number + 1))],
        );
    }
    let mirrors = [server.on("/first", acts), server.on("/second", [good()])];
    let how = scene.fetch_one(&wanted(&body(), &mirrors)).unwrap();
    assert!(matches!(how, How::Fetched { mirror, .. } if mirror == mirrors[1]));
    let heard = scene.heard.0.lock().unwrap();
    let failed = heard.iter().find(|line| line.starts_with("failed"));
    assert!(
        failed.is_some_and(|line| line.contains(expected)),
        "{heard:?}"
    );
    assert_eq!(server.requests("/first").len(), requests);
    drop(heard);
    scene.holds();
}

/// <https://github.com/bazelbuild/bazel/issues/26164>: that nothing arrives any more is a failure like others.
#[rstest]
#[case::at_once(hang())]
#[case::in_the_middle(hang_after(&body(), TAG, PART))]
fn a_mirror_that_stalls_is_tried_again(#[case] stalls: Act) {
    let mut scene = Scene::new();
    scene.config.transfer.stall = Duration::from_millis(100);
    // The good answer may stall as well, on a busy machine.
    scene.config.transfer.tries = u32::MAX;
    let server = Server::start();
    let url = server.on("/first", [stalls, good()]);
    scene.fetch_one(&wanted(&body(), &[url])).unwrap();
    assert!(scene.heard("it stalled: nothing arrived for 0.1 s"));
    assert!(server.requests("/first").len() >= 2);
    scene.holds();
}

#[rstest]
#[case::hangs(hang(), "it stalled")]
#[case::drips(drip(), "it is too slow: less than 1000000 bytes a second")]
fn a_mirror_without_an_end_is_left(#[case] act: Act, #[case] expected: &str) {
    let mut scene = Scene::new();
    let server = Server::start();
    let mirrors = [server.on("/first", [act]), server.on("/second", [good()])];
    (scene.config.transfer.stall, scene.config.transfer.slowest) =
        (Duration::from_millis(200), 1_000_000);
    // The good mirror may be slow as well, on a busy machine: then it is asked another time.
    while scene.fetch_one(&wanted(&body(), &mirrors)).is_err() {
        let heard = scene.heard.0.lock().unwrap();
        let patience =
            |line: &String| line.contains("it stalled") || line.contains("it is too slow");
        let failed = heard.iter().filter(|line| line.starts_with("failed"));
        assert!(
            failed.cloned().collect::<Vec<_>>().iter().all(patience),
            "{heard:?}"
        );
    }
    assert!(scene.heard(&format!("failed: {expected}")));
    scene.holds();
}

/// <https://github.com/bazelbuild/bazel/issues/15379>: what has arrived is not fetched again by the next process.
#[test]
fn the_next_process_continues_where_one_has_ended() {
    let scene = Scene::new();
    let server = Server::start();
    let url = server.on(
        "/first",
        [
            end_after(&body(), &[("ETag", TAG)], PART),
            status(404, &[]),
            good(),
        ],
    );
    let source = wanted(&body(), &[url]);
    let unfetched = scene.fetch_one(&source).unwrap_err();
    assert!(matches!(
        unfetched.attempts[0].why,
        Why::Transfer(Error::Status { code: 404, .. })
    ));
    let kept = fs::metadata(scene.store("partial").join(hash(&body()))).unwrap();
    assert_eq!(kept.len(), PART as u64);
    scene.fetch_one(&source).unwrap();
    assert_eq!(asked(&server, "/first"), [0, PART, PART]);
    assert!(scene.heard("sends from 30000"));
    scene.holds();
}

#[test]
fn what_has_no_end_is_not_kept() {
    let scene = Scene::new();
    let server = Server::start();
    let url = server.on("/first", [endless()]);
    let unfetched = scene.fetch_one(&wanted(&body(), &[url])).unwrap_err();
    assert!(matches!(
        unfetched.attempts[0].why,
        Why::Transfer(Error::TooLarge(_))
    ));
    let kept = fs::read_dir(scene.store("partial")).unwrap();
    assert_eq!(kept.count(), 0);
    scene.holds();
}

#[test]
fn what_is_of_one_mirror_is_not_continued_by_another() {
    let scene = Scene::new();
    let server = Server::start();
    let first = server.on(
        "/first",
        [end_after(&body(), &[("ETag", TAG)], PART), status(404, &[])],
    );
    let second = server.on("/second", [good()]);
    scene.fetch_one(&wanted(&body(), &[first, second])).unwrap();
    assert_eq!(asked(&server, "/second"), [0]);
}

#[test]
fn a_pause_that_a_server_asks_for_is_made() {
    let scene = Scene::new();
    let server = Server::start();
    let url = server.on("/first", [status(429, &[("Retry-After", "1")]), good()]);
    scene.fetch_one(&wanted(&body(), &[url])).unwrap();
    assert!(scene.heard("again in 1s: the server answered 429"));
}

#[test]
fn a_request_says_nothing_of_who_asks_and_wants_no_compression() {
    let scene = Scene::new();
    let server = Server::start();
    let target = Server::start();
    let url = server.on("/first", [redirect(&target.on("/second", [good()]))]);
    scene.fetch_one(&wanted(&body(), &[url])).unwrap();
    for request in [server.requests("/first"), target.requests("/second")].concat() {
        let mut names: Vec<_> = request.headers.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
}

#[test]
fn a_file_that_is_only_said_to_be_encoded_is_taken() {
    let scene = Scene::new();
    let server = Server::start();
    let url = server.on(
        "/first",
        [answer(200, &[("Content-Encoding", "x-gzip")], &body())],
    );
    scene.fetch_one(&wanted(&body(), &[url])).unwrap();
}

#[test]
fn a_certificate_is_checked_and_https_is_not_left() {
    let (config, pem) = server::certificate();
    let (secret, open) = (Server::with_certificate(config), Server::start());
    let mirrors = [secret.on("/first", [good()])];
    let mut scene = Scene::new();
    let unfetched = scene.fetch_one(&wanted(&body(), &mirrors)).unwrap_err();
    assert!(
        matches!(
            unfetched.attempts[0].why,
            Why::Transfer(Error::Certificate(_))
        ),
        "{unfetched}"
    );
    assert!(unfetched.hint().contains("SSL_CERT_FILE"));
    assert!(secret.requests("/first").is_empty());

    let trusted = scene.root.join("trusted.pem");
    fs::write(&trusted, pem).unwrap();
    scene.config.transfer.roots = Roots::File(trusted);
    let leaves = [secret.on("/leaves", [redirect(&open.on("/second", [good()]))])];
    let unfetched = scene.fetch_one(&wanted(&body(), &leaves)).unwrap_err();
    assert!(
        unfetched.to_string().contains("it would leave https"),
        "{unfetched}"
    );
    assert!(open.requests("/second").is_empty());
    let comes = [open.on("/comes", [redirect(&secret.url("/first"))])];
    scene.fetch_one(&wanted(&body(), &comes)).unwrap();
    scene.holds();
}

#[test]
fn a_host_that_cannot_be_reached_is_waited_for_once() {
    let scene = Scene::new();
    // A port that nobody listens on any more.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start();
    let mut config = scene.config.clone();
    config.transfer.connections = 1;
    let sources: Vec<_> = (0..3_u8)
        .map(|number| {
            let body = [number; 100];
            let path = format!("/{number}");
            let mirrors = [
                format!("http://{closed}{path}"),
                server.on(&path, [file(&body, "")]),
            ];
            of_package("core", "a", &format!("{number}.tar"), &body, &mirrors)
        })
        .collect();
    let fetcher = fetch::Fetcher::new(config).unwrap();
    let listener: std::sync::Arc<dyn fetch::Listener> = std::sync::Arc::clone(&scene.heard) as _;
    for source in &sources {
        let report =
            scene::block_on(fetcher.fetch(std::slice::from_ref(source), &listener)).unwrap();
        assert_eq!(report.failed().count(), 0);
    }
    let heard = scene.heard.0.lock().unwrap();
    let count = |text: &str| heard.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (count("again in"), count("failed: cannot connect")),
        (2, 3),
        "{heard:?}"
    );
}

#[test]
fn a_proxy_is_asked_instead() {
    let mut scene = Scene::new();
    let proxy = Server::start();
    proxy.on("/a.tar", [good()]);
    scene.config.transfer.proxies.http = Some(proxy.url(""));
    let source = wanted(&body(), &["http://sources.invalid/a.tar".to_owned()]);
    scene.fetch_one(&source).unwrap();
    assert_eq!(
        proxy.requests("/a.tar")[0].header("host"),
        Some("sources.invalid")
    );

    scene.config.transfer.proxies.http = Some("http://user:word@[".to_owned());
    let error = scene.try_fetch(&[source]).unwrap_err();
    assert_eq!(error.to_string(), "http_proxy is not the URL of a proxy");
}

#[test]
fn sources_by_their_hash_are_asked_behind_a_packages_own_mirrors_or_before_them() {
    let server = Server::start();
    let by_hash = server.on(&format!("/by/{}", hash(&body())), [good()]);
    let own = server.on("/own", [status(404, &[]), good()]);
    let template = server.url("/by/{sha256}").parse().unwrap();
    let mut scene = Scene::new();
    scene.config.by_hash = vec![template];
    let source = wanted(&body(), std::slice::from_ref(&own));
    let mirror = |how| match how {
        Ok(How::Fetched { mirror, .. }) => mirror,
        other => panic!("{other:?}"),
    };
    assert_eq!(mirror(scene.fetch_one(&source)), by_hash);
    assert_eq!(server.requests("/own").len(), 1);

    let mut again = Scene::new();
    again.config.by_hash = std::mem::take(&mut scene.config.by_hash);
    again.config.by_hash_first = true;
    assert_eq!(mirror(again.fetch_one(&source)), by_hash);
    assert_eq!(server.requests("/own").len(), 1);
}

#[test]
fn no_more_than_so_many_files_come_from_a_host_at_once() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    let mut scene = Scene::new();
    let limit = 3;
    (
        scene.config.transfer.connections,
        scene.config.transfer.per_host,
    ) = (8, limit);
    let server = Server::start();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // Nobody is answered before so many ask.
    let all = Arc::new(Barrier::new(limit));
    let sources: Vec<_> = (0..30_u8)
        .map(|number| {
            let (running, most, all) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&all));
            let inner = file(&[number; 5000], "");
            let act: Act = Arc::new(move |request, connection| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                inner(request, connection)
            });
            let url = server.on(&format!("/{number}"), [act]);
            of_package(
                "core",
                "a",
                &format!("{number}.tar"),
                &[number; 5000],
                &[url],
            )
        })
        .collect();
    assert_eq!(scene.fetch(&sources).failed().count(), 0);
    assert_eq!(most.load(Ordering::SeqCst), limit);
}
