//! Registries that do what none should, and those that are as they should be: small servers on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

mod platforms;
mod scene;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../fetch/tests/server/mod.rs"]
mod server;

use std::net::TcpListener;
use std::sync::Arc;

use documents::ErrorKind;
use registry::{Error, Limits};
use rstest::rstest;
use scene::{INDEX, Image, MANIFEST, Scene, blob, digest, json};
use server::{
    Act, Server, answer, end_after, endless, garbage, hang, hang_after, redirect, status,
};

#[tokio::test]
async fn an_image_becomes_a_layout() {
    let scene = Scene::new();
    let image = Image::new(&[b"one", b"two", b""]);
    scene.serve(&image);
    let pulled = scene.pull(&image.digest).await.unwrap();
    assert_eq!(pulled.digest.to_string(), image.digest);
    assert_eq!(pulled.images, 1);
    let mut expected: Vec<_> = image.blobs().map(|(digest, _)| digest).collect();
    expected.sort();
    assert_eq!(scene.layout(), expected);
    assert_eq!(scene.left(), ["image"]);
    let index = scene.read("image/index.json");
    let size = image.manifest.len();
    let top = format!(
        r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":{size}}}"#,
        image.digest
    );
    assert_eq!(
        index,
        format!(r#"{{"schemaVersion":2,"manifests":[{top}]}}"#)
    );
    // It is never replaced.
    let again = scene.pull(&image.digest).await;
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    assert_eq!(scene.left(), ["image"]);
}

#[tokio::test]
async fn a_tag_is_resolved_to_a_digest() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    scene.on("manifests/new", [image.answer()]);
    let pulled = scene.get(&scene.named(":new"), None).await.unwrap();
    assert_eq!(pulled.digest.to_string(), image.digest);
}

/// What a registry sends for a layer of ten bytes, `0123456789`, and what is said of that.
#[rstest]
#[case::another_blob(answer(200, &[], b"9876543210"), "sent other bytes for", ErrorKind::Environment)]
#[case::shorter(answer(200, &[], b"012345678"), "expected 10 bytes, found 9", ErrorKind::Environment)]
#[case::longer(answer(200, &[], b"0123456789x"), "more than 10 bytes", ErrorKind::Environment)]
#[case::nothing(answer(200, &[], b""), "expected 10 bytes, found 0", ErrorKind::Environment)]
#[case::endless(endless(), "more than 10 bytes", ErrorKind::Environment)]
#[case::ends_early(end_after(b"0123456789", &[], 4), "the connection broke", ErrorKind::Transient)]
#[case::hangs(hang(), "it stalled", ErrorKind::Transient)]
#[case::hangs_in_the_middle(hang_after(b"0123456789", "", 4), "it stalled", ErrorKind::Transient)]
#[case::no_http(garbage(), "the connection broke", ErrorKind::Transient)]
#[case::gone(status(404, &[]), "is not in", ErrorKind::Usage)]
#[case::forbidden(status(403, &[]), "does not give", ErrorKind::Environment)]
#[case::broken(status(500, &[]), "500", ErrorKind::Transient)]
#[case::redirect_to_itself(redirect("?x"), "redirects", ErrorKind::Environment)]
#[case::redirect_without_encryption(
    redirect("http://a.org/"),
    "without encryption",
    ErrorKind::Environment
)]
#[case::redirect_to_a_file(
    redirect("file:///etc/passwd?SECRET"),
    "redirects",
    ErrorKind::Environment
)]
#[tokio::test]
async fn a_layer_is_what_its_digest_says(
    #[case] act: Act,
    #[case] told: &str,
    #[case] kind: ErrorKind,
) {
    let mut scene = Scene::new();
    let image = Image::new(&[b"before", b"0123456789", b"after"]);
    scene.serve(&image);
    let path = format!("blobs/{}", digest(b"0123456789"));
    scene.on(&path, [Arc::clone(&act)]);
    scene.on(&format!("{path}?x"), [redirect("?x")]);
    scene.hangs(told);
    let error = scene.pull(&image.digest).await.unwrap_err();
    let text = scene::told(&error);
    assert!(text.contains(told) && text.contains("a/b"), "{text}");
    assert!(!format!("{text} {error:?}").contains("SECRET"), "{error:?}");
    assert_eq!(error.kind(), kind, "{text}");
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}

/// What a registry sends for a manifest.
#[rstest]
#[case::another(answer(200, &[("Content-Type", MANIFEST)], Image::new(&[b"two"]).manifest.as_bytes()), "sent other bytes for")]
#[case::huge(answer(200, &[("Content-Type", MANIFEST)], &vec![b' '; 5 << 20]), "too large: the limit is 4194304 bytes")]
#[case::endless(endless(), "too large: the limit is 4194304 bytes")]
#[case::hangs(hang(), "it stalled")]
#[case::empty(answer(200, &[("Content-Type", MANIFEST)], b""), "sent other bytes for")]
#[case::unauthorized(status(401, &[]), "401")]
#[case::of_another_protocol(status(401, &[("WWW-Authenticate", "Negotiate")]), "401")]
#[case::of_users(status(401, &[("WWW-Authenticate", "Basic realm=\"x\"")]), "401")]
#[tokio::test]
async fn a_manifest_is_what_its_digest_says(#[case] act: Act, #[case] told: &str) {
    let mut scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    scene.on(&format!("manifests/{}", image.digest), [act]);
    scene.hangs(told);
    let error = scene.pull(&image.digest).await.unwrap_err();
    let text = scene::told(&error);
    assert!(text.contains(told), "{text}");
    assert!(scene.left().is_empty());
}

/// Documents whose digests are right, and which say what cannot be.
#[rstest]
#[case::other_kind(
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "{}",
    "its media type is"
)]
#[case::both_kinds(
    MANIFEST,
    r#","config":#P,"layers":[#P],"manifests":[#P]"#,
    "and only those"
)]
#[case::index_as_manifest(MANIFEST, r#","manifests":[#P]"#, "and only those")]
#[case::path_as_digest(
    MANIFEST,
    r#","config":{"digest":"sha256:../../../etc/passwd","size":1}"#,
    "is damaged"
)]
#[case::two_sizes(
    MANIFEST,
    r#","config":#P,"layers":[#Q]"#,
    "is said to have 3 bytes, and 4"
)]
#[case::large_layer(
    MANIFEST,
    r#","config":#P,"layers":[#R]"#,
    "the limit is 34359738368 bytes"
)]
#[case::large_in_total(
    MANIFEST,
    r#","config":#P,"layers":[#S,#T]"#,
    "34359738368 bytes in total"
)]
#[case::large_config(MANIFEST, r#","config":#S"#, "the limit is 4194304 bytes")]
#[tokio::test]
async fn a_document_that_cannot_be_is_refused(
    #[case] media_type: &str,
    #[case] fields: &str,
    #[case] told: &str,
) {
    let mut scene = Scene::new();
    scene.limits.total = Limits::DEFAULT.blob;
    let pointer = |text: &[u8], size: u64| {
        format!(
            r#"{{"mediaType":"x","digest":"{}","size":{size}}}"#,
            digest(text)
        )
    };
    let mut fields = fields
        .replace("#P", &pointer(b"one", 3))
        .replace("#Q", &pointer(b"one", 4));
    for (name, text, size) in [
        ("#R", "r", (32 << 30) + 1),
        ("#S", "s", 20 << 30),
        ("#T", "t", 20 << 30),
    ] {
        fields = fields.replace(name, &pointer(text.as_bytes(), size));
    }
    let document = match fields.as_str() {
        "{}" => fields,
        fields => format!(r#"{{"schemaVersion":2{fields}}}"#),
    };
    let top = scene.document(&document, media_type);
    let text = scene::told(&scene.pull(&top).await.unwrap_err());
    assert!(text.contains(told), "{text}");
    assert!(scene.left().is_empty());
    for part in ["one", "r", "s", "t"] {
        assert!(
            scene
                .requests(&format!("blobs/{}", digest(part.as_bytes())))
                .is_empty()
        );
    }
}

#[tokio::test]
async fn indexes_are_followed_so_far() {
    let mut scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    let (mut top, mut pointer) = (image.digest.clone(), image.pointer());
    for depth in 1..=5 {
        let index = json(INDEX, &format!(r#""manifests":[{{{pointer}}}]"#));
        top = scene.document(&index, INDEX);
        pointer = scene::pointer(INDEX, &index);
        let pulled = scene.pull(&top).await;
        assert_eq!(pulled.is_ok(), depth <= 4, "{depth}: {pulled:?}");
        scene.empty();
    }
    // So are their entries.
    scene.limits.images = 2;
    let text = scene::told(&scene.pull(&top).await.unwrap_err());
    assert!(text.contains("the limit is 2 documents"), "{text}");
}

/// Returns an index that points to `count` documents, of which nobody has any, and their digests.
fn crowd(count: usize) -> (String, Vec<String>) {
    let names: Vec<String> = (0..count)
        .map(|number| format!("{count}.{number}"))
        .collect();
    let entries = names
        .iter()
        .map(|name| format!("{{{}}}", scene::pointer(MANIFEST, name)));
    let entries = entries.collect::<Vec<_>>().join(",");
    let index = json(INDEX, &format!(r#""manifests":[{entries}]"#));
    let digests = names.iter().map(|name| digest(name.as_bytes()));
    (index, digests.collect())
}

#[tokio::test]
async fn no_document_of_too_many_is_asked_for() {
    let mut scene = Scene::new();
    scene.limits.images = 5;
    // One index has too many, or several have them together.
    let ((large, most), (first, some), (second, _)) = (crowd(6), crowd(3), crowd(1));
    let [_, first, second] = [&large, &first, &second].map(|index| {
        scene.document(index, INDEX);
        format!("{{{}}}", scene::pointer(INDEX, index))
    });
    let both = json(INDEX, &format!(r#""manifests":[{first},{second}]"#));
    for index in [&large, &both] {
        let top = scene.document(index, INDEX);
        let text = scene::told(&scene.pull(&top).await.unwrap_err());
        assert!(text.contains("the limit is 5 documents"), "{text}");
    }
    for digest in most.iter().chain(&some) {
        assert!(scene.requests(&format!("manifests/{digest}")).is_empty());
    }
}

#[tokio::test]
async fn a_layer_goes_on_where_a_connection_has_ended() {
    let mut scene = Scene::new();
    scene.tries = 2;
    let layer: Vec<u8> = (0..100_000_u32)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    let image = Image::new(&[&layer]);
    scene.serve(&image);
    let path = format!("blobs/{}", digest(&layer));
    let ends = end_after(&layer, &[("ETag", "\"x\"")], 30_000);
    scene.on(&path, [ends, server::file(&layer, "\"x\"")]);
    scene.pull(&image.digest).await.unwrap();
    let requests = scene.requests(&path);
    assert_eq!(requests[1].header("range"), Some("bytes=30000-"));
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let hangs = hang();
    let act: Act = Arc::new(move |request, connection| {
        let _ = asked.send(());
        hangs(request, connection)
    });
    scene.on(&format!("blobs/{}", digest(b"one")), [act]);
    tokio::select! {
        pulled = scene.pull(&image.digest) => panic!("{pulled:?}"),
        asked = is_asked.recv() => asked.unwrap(),
    }
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}

/// Lets only those through who show this.
fn only(header: &'static str, challenge: String, act: Act) -> Act {
    Arc::new(move |request, connection| {
        if request.header("authorization") == Some(header) {
            return act(request, connection);
        }
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
        );
        connection.write_all(head.as_bytes())?;
        Ok(true)
    })
}

/// A registry that gives its image only to those who show a header.
fn guarded(scene: &Scene, image: &Image, header: &'static str, challenge: &str) {
    let of = |act| only(header, challenge.to_owned(), act);
    scene.on(&format!("manifests/{}", image.digest), [of(image.answer())]);
    for (digest, bytes) in image.blobs().skip(1) {
        scene.on(&format!("blobs/{digest}"), [of(blob(&bytes))]);
    }
}

const TOKEN: &str = "/token?service=here%26there&scope=repository%3Aa%2Fb%3Apull";

fn bearer(server: &Server) -> String {
    format!(
        "Bearer realm=\"{}\",service=\"here&there\",scope=\"repository:a/b:pull,push\"",
        server.url("/token")
    )
}

#[tokio::test]
async fn a_token_is_got_once_and_for_reading_only() {
    let scene = Scene::new();
    let image = Image::new(&[b"one", b"two"]);
    guarded(&scene, &image, "Bearer abc", &bearer(&scene.server));
    scene
        .server
        .on(TOKEN, [answer(200, &[], br#"{"access_token":"abc"}"#)]);
    scene.pull(&image.digest).await.unwrap();
    let asked = scene.server.requests(TOKEN);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
}

#[tokio::test]
async fn a_token_that_has_expired_is_got_again() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    guarded(&scene, &image, "Bearer one", &bearer(&scene.server));
    let path = format!("blobs/{}", digest(b"one"));
    scene.on(
        &path,
        [only("Bearer two", bearer(&scene.server), blob(b"one"))],
    );
    let tokens = [&br#"{"token":"one"}"#[..], br#"{"token":"two"}"#];
    scene
        .server
        .on(TOKEN, tokens.map(|token| answer(200, &[], token)));
    // The config is asked for with either.
    let config = format!("blobs/{}", digest(scene::CONFIG));
    scene.on(&config, [blob(scene::CONFIG)]);
    scene.pull(&image.digest).await.unwrap();
    assert_eq!(scene.server.requests(TOKEN).len(), 2);
}

/// What a token server sends, and what is said of that.
#[rstest]
#[case::loops(answer(200, &[], br#"{"token":"SECRET"}"#), "401")]
#[case::control_characters(answer(200, &[], b"{\"token\":\"SECRET\\r\\nX-Other: y\"}"), "cannot be sent")]
#[case::line_end_as_it_is(answer(200, &[], b"{\"token\":\"SECRET\r\nX-Other: y\"}"), "is not one")]
#[case::space(answer(200, &[], br#"{"token":"SECRET x"}"#), "cannot be sent")]
#[case::empty(answer(200, &[], b"{}"), "cannot be sent")]
#[case::long(answer(200, &[], format!("{{\"token\":\"{}\"}}", "a".repeat(1 << 16)).as_bytes()), "cannot be sent")]
#[case::other_shape(answer(200, &[], br#"{"token":["SECRET"]}"#), "is not one")]
#[case::no_json(answer(200, &[], b"SECRET"), "is not one")]
#[case::endless(endless(), "the limit")]
#[case::hangs(hang(), "it stalled")]
#[case::refuses(status(403, &[]), "does not give a token")]
#[case::asks_itself(status(401, &[("WWW-Authenticate", "Basic realm=\"x\"")]), "does not give a token")]
#[case::loops_itself(redirect(TOKEN), "redirects")]
#[case::redirects_to_a_signature(redirect("file:///a?SECRET"), "it redirects to file:///a: ")]
#[tokio::test]
async fn a_token_server_may_be_broken(#[case] act: Act, #[case] told: &str) {
    let mut scene = Scene::new();
    let image = Image::new(&[b"one"]);
    guarded(&scene, &image, "Bearer other", &bearer(&scene.server));
    scene.server.on(TOKEN, [act]);
    scene.hangs(told);
    let error = scene.pull(&image.digest).await.unwrap_err();
    let text = scene::told(&error);
    assert!(text.contains(told), "{text}");
    assert!(!format!("{text} {error:?}").contains("SECRET"), "{error:?}");
    assert_eq!(scene.server.requests(TOKEN).len(), 1);
    assert!(scene.requests(&format!("manifests/{}", image.digest)).len() <= 2);
    assert!(scene.left().is_empty());
}

#[tokio::test]
async fn what_helps_against_a_broken_token_server_is_told() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let challenge = format!("Bearer realm=\"http://{address}/token\"");
    guarded(&scene, &image, "Bearer x", &challenge);
    let error = scene.pull(&image.digest).await.unwrap_err();
    let text = scene::told(&error);
    for told in [
        &address.to_string(),
        "a token for",
        "cannot connect",
        "check the network",
    ] {
        assert!(text.contains(told), "{text}");
    }
    assert_eq!(error.kind(), ErrorKind::Transient);
}

/// What a registry says of where its token server is.
#[rstest]
#[case::plain("http://a.org/token", "without encryption")]
#[case::file("file:///etc/passwd", "only http and https")]
#[case::credentials("https://user:word@a.org/token", "a user name or a password")]
#[case::no_address("/token", "it is not a valid URL")]
#[tokio::test]
async fn a_token_server_may_be_none(#[case] realm: &str, #[case] told: &str) {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    guarded(
        &scene,
        &image,
        "Bearer x",
        &format!("Bearer realm=\"{realm}\""),
    );
    let text = scene::told(&scene.pull(&image.digest).await.unwrap_err());
    assert!(text.contains(told), "{text}");
}

// `u:p` and `v:q`.
const USER: &str = "Basic dTpw";
const OTHER: &str = "Basic djpx";

#[tokio::test]
async fn a_user_is_known_by_a_password() {
    let mut scene = Scene::new();
    let image = Image::new(&[b"one"]);
    guarded(&scene, &image, USER, "Basic realm=\"x\"");
    let denied = scene::told(&scene.pull(&image.digest).await.unwrap_err());
    assert!(denied.contains("users without credentials"), "{denied}");
    scene.credentials(&format!(
        r#"{{"auths":{{"{}":{{"auth":"djpx"}}}}}}"#,
        scene.host()
    ));
    let denied = scene::told(&scene.pull(&image.digest).await.unwrap_err());
    assert!(
        denied.contains("the user of") && denied.contains("log in again"),
        "{denied}"
    );
    scene.credentials(&format!(
        r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#,
        scene.host()
    ));
    scene.pull(&image.digest).await.unwrap();
    scene.empty();
    // A program that has them, and is not there.
    scene.credentials(&format!(
        r#"{{"credHelpers":{{"{}":"no-such-program"}}}}"#,
        scene.host()
    ));
    let denied = scene::told(&scene.pull(&image.digest).await.unwrap_err());
    for told in [
        "users without credentials",
        "`docker-credential-no-such-program`",
        "was not found",
    ] {
        assert!(denied.contains(told), "{denied}");
    }
}

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let mut scene = Scene::new();
    let (image, elsewhere) = (Image::new(&[b"one"]), Server::start());
    guarded(&scene, &image, "Bearer abc", &bearer(&elsewhere));
    elsewhere.on(TOKEN, [answer(200, &[], br#"{"token":"abc"}"#)]);
    let blob_path = format!("/v2/a/b/blobs/{}", digest(b"one"));
    let there = elsewhere.on(&blob_path, [blob(b"one")]);
    let moved = only("Bearer abc", bearer(&elsewhere), redirect(&there));
    scene.on(&format!("blobs/{}", digest(b"one")), [moved]);

    // Neither a token server of another host nor whoever has the blobs is told what only the registry may know.
    let own = format!(r#""{}":{{"auth":"dTpw"}}"#, scene.host());
    scene.credentials(&format!(r#"{{"auths":{{{own}}}}}"#));
    scene.pull(&image.digest).await.unwrap();
    scene.empty();
    let asked = elsewhere.requests(TOKEN);
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, None));
    let asked = elsewhere.requests(&blob_path);
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, None));

    // If that is why it fails, it is said.
    elsewhere.on(
        TOKEN,
        [status(401, &[("WWW-Authenticate", "Basic realm=\"x\"")])],
    );
    let denied = scene::told(&scene.pull(&image.digest).await.unwrap_err());
    assert!(denied.contains("were not sent"), "{denied}");

    // What the user has for the other host is sent there.
    let host = elsewhere.url("").replace("http://", "");
    elsewhere.on(
        TOKEN,
        [only(
            OTHER,
            bearer(&elsewhere),
            answer(200, &[], br#"{"token":"abc"}"#),
        )],
    );
    scene.credentials(&format!(
        r#"{{"auths":{{{own},"{host}":{{"auth":"djpx"}}}}}}"#
    ));
    scene.pull(&image.digest).await.unwrap();
}

#[tokio::test]
async fn a_token_server_of_the_same_host_knows_the_user() {
    let mut scene = Scene::new();
    let image = Image::new(&[b"one"]);
    guarded(&scene, &image, "Bearer abc", &bearer(&scene.server));
    scene.server.on(
        TOKEN,
        [only(
            USER,
            "Basic realm=\"x\"".to_owned(),
            answer(200, &[], br#"{"token":"abc"}"#),
        )],
    );
    scene.credentials(&format!(
        r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#,
        scene.host()
    ));
    scene.pull(&image.digest).await.unwrap();
}

#[tokio::test]
async fn a_registry_elsewhere_is_asked_with_encryption_only() {
    let scene = Scene::new();
    let image = Image::new(&[b"one"]);
    scene.serve(&image);
    // A name of this machine that is none of loopback; nobody answers TLS there.
    let host = scene.host().replace("127.0.0.1", "0.0.0.0");
    let reference = format!("{host}/a/b@{}", image.digest).parse().unwrap();
    let error = scene.get(&reference, None).await.unwrap_err();
    assert!(matches!(error, Error::Transfer { .. }), "{error}");
    assert!(
        scene
            .requests(&format!("manifests/{}", image.digest))
            .is_empty()
    );
    let mut scene = scene;
    scene.insecure.insert(host);
    scene.get(&reference, None).await.unwrap();
}
