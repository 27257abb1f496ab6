//! Who is asking a registry: passwords, tokens for one repository and for two, tokens that expire, and programs that keep
//! passwords.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;
use registry::Error;

use super::faults::{Place, auth, published};
use super::proxy::{Act, Proxy, Request};
use crate::engines::{expect, variable};
use crate::{PACKAGE, Real, Scene, keep, program};

/// Lets those through who have a token, of which there are so many. Each is good for so many requests.
fn guard(
    host: &str,
    requests: usize,
    tokens: usize,
) -> impl Fn(&Request) -> Act + Send + Sync + 'static {
    let (given, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let host = host.to_owned();
    move |request: &Request| {
        if request.path.starts_with("/token") {
            let number = given.fetch_add(1, Ordering::Relaxed);
            if number >= tokens {
                return Act::Answer(401, Vec::new(), Vec::new());
            }
            used.store(0, Ordering::Relaxed);
            let body = format!("{{\"token\":\"t{number}\"}}").into_bytes();
            return Act::Answer(200, Vec::new(), body);
        }
        let last = given.load(Ordering::Relaxed).wrapping_sub(1);
        let expected = format!("Bearer t{last}");
        let is_good = request.authorization.as_ref() == Some(&expected);
        if is_good && used.fetch_add(1, Ordering::Relaxed) < requests {
            return Act::Pass;
        }
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
        Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    }
}

/// A token that has expired is replaced by another; whoever gets none is told of the file with the credentials.
pub(crate) fn expired(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let host = place.proxy.host();
    // `user:word`
    let text = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"dXNlcjp3b3Jk\"}}}}}}");
    std::fs::write(auth(&place.scene), text).unwrap();
    place.proxy.on(guard(&host, 5, usize::MAX));
    let publication = place.publication("a/b", "1");
    place.block_on(published(&place.client.publisher(), &publication))?;
    let requests = place.proxy.take();
    let tokens: Vec<_> = requests
        .iter()
        .filter(|one| one.path.starts_with("/token"))
        .collect();
    expect(tokens.len() > 2, &format!("{} tokens", tokens.len()))?;
    let is_known = |one: &&Request| {
        one.path.contains("pull%2Cpush")
            && one.authorization.as_deref() == Some("Basic dXNlcjp3b3Jk")
    };
    expect(tokens.iter().all(is_known), &format!("{tokens:?}"))?;

    place.proxy.on(guard(&host, 5, 2));
    let publication = place.publication("c/d", "1");
    let error = place
        .block_on(published(&place.client.publisher(), &publication))
        .unwrap_err();
    let said = format!("{error} {:?}", error.hint());
    let is_told = matches!(error, Error::Denied { .. }) && said.contains("auth.json");
    expect(is_told && !said.contains("dXNl"), &said)?;
    std::fs::remove_file(auth(&place.scene)).unwrap();
    let found = place.found("c/d", "1");
    expect(found.is_none(), "a tag was set")
}

/// Returns the scopes that a token server is asked for.
fn scopes(path: &str) -> Vec<String> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let values = query
        .split('&')
        .filter_map(|one| one.strip_prefix("scope="));
    let plain = |value: &str| {
        value
            .replace("%3A", ":")
            .replace("%2F", "/")
            .replace("%2C", ",")
    };
    values.map(plain).collect()
}

/// A blob is mounted with a token that permits to write the one repository and to read the other; where there is none, it
/// is sent.
pub(crate) fn mounted(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let host = place.proxy.host();
    // A token permits what it was asked for, but to read `secret/a`.
    let tokens: Mutex<BTreeMap<String, Vec<String>>> = Mutex::default();
    place.proxy.on(move |request| {
        let mut tokens = tokens.lock().unwrap();
        if request.path.starts_with("/token") {
            let name = format!("t{}", tokens.len());
            let mut scopes = scopes(&request.path);
            scopes.retain(|scope| scope != "repository:secret/a:pull");
            tokens.insert(name.clone(), scopes);
            let body = format!("{{\"token\":\"{name}\"}}").into_bytes();
            return Act::Answer(200, Vec::new(), body);
        }
        let repository = request.path.strip_prefix("/v2/").unwrap();
        let repository = repository.split('/').take(2).collect::<Vec<_>>().join("/");
        let from = request.path.split_once("&from=").map(|(_, from)| from);
        let from = from.map(|from| format!("repository:{}:pull", from.replace("%2F", "/")));
        let needed = [Some(format!("repository:{repository}:pull,push")), from];
        let shown = request.authorization.as_deref();
        let shown = shown.and_then(|shown| shown.strip_prefix("Bearer "));
        let permits = shown.and_then(|shown| tokens.get(shown));
        let has = |scope| permits.is_some_and(|permits| permits.contains(scope));
        if needed.iter().flatten().all(has) {
            return Act::Pass;
        }
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
        Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    });
    let publisher = place.client.publisher();
    let sent = place.block_on(published(&publisher, &place.publication("a/b", "1")))?;
    let all = sent.sent;
    expect(sent.mounted == 0 && all > 2, &format!("{sent:?}"))?;
    place.proxy.take();
    let sent = place.block_on(published(&publisher, &place.publication("c/d", "1")))?;
    expect(sent.mounted == all && sent.sent == 0, &format!("{sent:?}"))?;
    let asked = place.proxy.take();
    let asked = asked.iter().filter(|one| one.path.starts_with("/token"));
    let asked: Vec<_> = asked.map(|one| scopes(&one.path).join(" ")).collect();
    let expected = [
        "repository:c/d:pull,push",
        "repository:c/d:pull,push repository:a/b:pull",
    ];
    expect(asked == expected, &format!("{asked:?}"))?;

    // Who may not read the other repository sends the blobs, with the token for its own.
    let publisher = place.client.publisher();
    place.block_on(published(&publisher, &place.publication("secret/a", "1")))?;
    let sent = place.block_on(published(&publisher, &place.publication("e/f", "1")))?;
    expect(sent.mounted == 0 && sent.sent == all, &format!("{sent:?}"))
}

/// An identity token is exchanged for one of the repository, and sent nowhere else.
pub(crate) fn exchanged(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let host = place.proxy.host();
    let text = format!("{{\"auths\":{{\"{host}\":{{\"identitytoken\":\"a+secret/token=\"}}}}}}");
    fs::write(auth(&place.scene), text).unwrap();
    let guard = |code: u16| {
        let host = host.clone();
        move |request: &Request| {
            if request.path.starts_with("/token") {
                return Act::Answer(code, Vec::new(), b"{\"access_token\":\"good\"}".to_vec());
            }
            if request.authorization.as_deref() == Some("Bearer good") {
                return Act::Pass;
            }
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
        }
    };
    place.proxy.on(guard(200));
    let publication = place.publication("a/b", "1");
    place.block_on(published(&place.client.publisher(), &publication))?;
    let asked = place.proxy.take();
    let (tokens, others): (Vec<_>, Vec<_>) =
        asked.iter().partition(|one| one.path.starts_with("/token"));
    let bodies: Vec<_> = tokens
        .iter()
        .map(|one| String::from_utf8_lossy(&one.body))
        .collect();
    let expected = "grant_type=refresh_token&client_id=stagex&scope=repository%3Aa%2Fb%3Apull%2Cpush&\
                    refresh_token=a%2Bsecret%2Ftoken%3D&service=s";
    expect(bodies == [expected], &format!("{bodies:?}"))?;
    let is_form = |one: &&Request| {
        one.is("POST", "/token")
            && one.path == "/token"
            && one.authorization.is_none()
            && one.has("content-type: application/x-www-form-urlencoded")
    };
    expect(tokens.iter().all(is_form), &format!("{tokens:?}"))?;
    let told = others
        .iter()
        .any(|one| format!("{one:?}").contains("secret"));
    expect(!told, "the registry was told")?;

    // A token server that does not take it is told of, and the token is not.
    place.proxy.on(guard(401));
    let publication = place.publication("c/d", "1");
    let error = place
        .block_on(published(&place.client.publisher(), &publication))
        .unwrap_err();
    let said = format!("{error} {error:?} {:?}", error.hint());
    let is_told = matches!(error, Error::Denied { .. }) && said.contains("auth.json");
    expect(is_told && !said.contains("secret"), &said)
}

/// Writes a program that keeps passwords, which notes what it is asked, and does then what is said.
fn keeper(scene: &Scene, script: &str) {
    let bin = scene.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let path = bin.join("docker-credential-test");
    let asked = scene.path().join("asked");
    let text = format!(
        "#!/bin/sh\nread -r server\necho \"$1 $server\" >> {}\n{script}\n",
        asked.display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A real registry wants a password, which a program has that Docker's file names.
pub(crate) fn program(program: &Path) -> Result<(), Failed> {
    let scene = Scene::new();
    let (layout, hex) = scene.built()?;
    let data = tempfile::tempdir().unwrap();
    keep(
        data.path(),
        &format!("stagex/{PACKAGE}"),
        &layout,
        &hex,
        "1",
    );
    let registry = Real::with_users(program, data.path())?;
    let host = &registry.host;
    fs::create_dir_all(scene.path().join(".docker")).unwrap();
    let config = scene.path().join(".docker/config.json");
    fs::write(config, "{\"credsStore\":\"test\",\"auths\":{}}").unwrap();
    let image = format!("{host}/stagex/{PACKAGE}@sha256:{hex}");
    let to = format!("{host}/other");
    let command = |words: &[&str]| {
        let mut command = scene.command(words);
        let path = variable("PATH").unwrap();
        command.env("PATH", format!("{}/bin:{path}", scene.path().display()));
        command
    };
    let pull = |output: &str| program::ran(&mut command(&["pull", &image, "--output", output]));
    let asked = || {
        let path = scene.path().join("asked");
        let asked = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        asked
    };
    let once = format!("get {host}\n");

    keeper(&scene, "echo '{\"Username\":\"user\",\"Secret\":\"word\"}'");
    let ran = pull("a");
    expect(ran.code == 0 && asked() == once, &ran.stderr)?;
    let words = ["publish", "--without-quorum", "--to", &to, PACKAGE];
    let ran = program::ran(&mut command(&words));
    expect(ran.code == 0 && asked() == once, &ran.stderr)?;

    // Without a password the registry gives nothing, and why there is none is told.
    keeper(&scene, "printf 'the \\033[2Jcard is gone' >&2; exit 1");
    let ran = pull("b");
    let told = [
        "users without credentials",
        "`docker-credential-test`",
        "card is gone",
    ];
    let is_told = told.iter().all(|told| ran.stderr.contains(told));
    expect(
        ran.code == 5 && is_told && !ran.stderr.contains('\u{1b}'),
        &ran.stderr,
    )?;
    keeper(
        &scene,
        "echo 'credentials not found in native keychain'; exit 1",
    );
    let ran = pull("b");
    let is_told = ran.stderr.contains("users without credentials");
    expect(ran.code == 5 && is_told, &ran.stderr)?;
    keeper(
        &scene,
        "echo '{\"Username\":\"user\",\"Secret\":\"S3CRET\"}'",
    );
    let ran = pull("b");
    let is_told = ran.stderr.contains("the user of `docker-credential-test`");
    expect(
        ran.code == 5 && is_told && !ran.stderr.contains("S3CRET"),
        &ran.stderr,
    )?;

    // Ctrl-C ends a program that does not end by itself. It holds the pipe, whose end is seen here.
    let pipe = scene.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let hangs = format!(
        "exec > {}; echo ready; exec tail -f /dev/null",
        pipe.display()
    );
    keeper(&scene, &hangs);
    let mut waiting = command(&["pull", &image, "--output", "b"]);
    let child = waiting.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let mut reader = fs::File::open(&pipe).unwrap();
    reader.read_exact(&mut [0; 6]).unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(output.status.code() == Some(130), &told)?;
    reader.read_to_end(&mut Vec::new()).unwrap();
    expect(!scene.path().join("b").exists(), "something was left")
}

/// A registry may name any token server: what a program has for that one is not asked for, nor sent there.
pub(crate) fn elsewhere(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    fs::write(auth(&place.scene), "{\"credsStore\":\"test\"}").unwrap();
    keeper(&place.scene, "echo '{\"Username\":\"u\",\"Secret\":\"p\"}'");
    let other = Proxy::start(&place.proxy.host());
    other.on(|_| Act::Answer(200, Vec::new(), b"{\"token\":\"good\"}".to_vec()));
    let realm = format!("http://{}/token", other.host());
    place.proxy.on(move |request| {
        if request.authorization.as_deref() == Some("Bearer good") {
            return Act::Pass;
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    });
    let publication = place.publication("a/b", "1");
    place.block_on(published(&place.client.publisher(), &publication))?;
    let asked = other.take();
    let is_told = asked.iter().any(|one| one.authorization.is_some());
    expect(asked.len() == 1 && !is_told, &format!("{asked:?}"))?;
    let asked = fs::read_to_string(place.scene.path().join("asked")).unwrap();
    let expected = format!("get {}\n", place.proxy.host());
    expect(asked == expected, &asked)
}

/// A password that is not taken any more is asked for again, once for all that wait for it.
pub(crate) fn renewed(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    fs::write(auth(&place.scene), "{\"credsStore\":\"test\"}").unwrap();
    // The first password is `word1`, the next one `word2`.
    let counts = format!(
        "echo \"{{\\\"Username\\\":\\\"user\\\",\\\"Secret\\\":\\\"word$(wc -l < {})\\\"}}\"",
        place.scene.path().join("asked").display()
    );
    keeper(&place.scene, &counts);
    let basics = ["Basic dXNlcjp3b3JkMQ==", "Basic dXNlcjp3b3JkMg=="];
    let seen = AtomicUsize::new(0);
    place.proxy.on(move |request| {
        let good = basics[usize::from(seen.load(Ordering::Relaxed) >= 9)];
        if request.authorization.as_deref() == Some(good) {
            seen.fetch_add(1, Ordering::Relaxed);
            return Act::Pass;
        }
        let challenge = "Basic realm=\"x\"".to_owned();
        Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    });
    let publisher = place.client.publisher();
    let (one, two) = (place.publication("a/b", "1"), place.publication("c/d", "1"));
    let done = place
        .block_on(async { tokio::join!(published(&publisher, &one), published(&publisher, &two)) });
    expect(done.0.is_ok() && done.1.is_ok(), &format!("{done:?}"))?;
    let asked = fs::read_to_string(place.scene.path().join("asked")).unwrap();
    expect(asked.lines().count() == 2, &asked)
}
