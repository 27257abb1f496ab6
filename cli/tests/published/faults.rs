//! What a registry does wrong while something is published to it, seen by the client itself: its pieces are small here,
//! and its pauses short.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beneath::Directory;
use camino::Utf8Path;
use images::Digest;
use libtest_mimic::Failed;
use registry::{Artifact, Client, Config, Error, Kind, Limits, Publication, Publisher, Sent};

use super::proxy::{Act, Proxy, Request};
use crate::engines::expect;
use crate::{Real, Scene};

/// A real registry behind a proxy, and an image that is published there.
pub(crate) struct Place {
    pub(crate) scene: Scene,
    _registry: Real,
    pub(crate) proxy: Proxy,
    pub(crate) layout: std::path::PathBuf,
    pub(crate) digest: String,
    pub(crate) client: Client,
    runtime: tokio::runtime::Runtime,
    _data: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(program: &Path) -> Result<Self, Failed> {
        let scene = Scene::new();
        let (layout, hex) = scene.built()?;
        let data = tempfile::tempdir().unwrap();
        let registry = Real::start(program, data.path(), "")?;
        let proxy = Proxy::start(&registry.host);
        let config = Config {
            credentials: credentials::Config {
                files: vec![auth(&scene).try_into().unwrap()],
                programs: scene.path().join("bin").to_str().unwrap().to_owned(),
                ..credentials::Config::default()
            },
            limits: Limits {
                chunk: 600,
                ..Limits::DEFAULT
            },
            transfer: transfer::Config {
                pause: Duration::from_millis(1),
                ..transfer::Config::default()
            },
            ..Config::default()
        };
        Ok(Self {
            scene,
            _registry: registry,
            proxy,
            layout,
            digest: format!("sha256:{hex}"),
            client: Client::new(config).unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            _data: data,
        })
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Returns the image as it is published to a repository, with a signature.
    pub(crate) fn publication(&self, repository: &str, tag: &str) -> Publication {
        let to = format!("{}/{repository}", self.proxy.host());
        let blobs = Utf8Path::from_path(&self.layout)
            .unwrap()
            .join("blobs/sha256");
        let blobs = Directory::open(&blobs).unwrap();
        let top: Digest = self.digest.parse().unwrap();
        let to = to.parse().unwrap();
        let mut publication =
            Publication::open(&to, Some(tag), blobs, top, &Limits::DEFAULT).unwrap();
        let artifact = Artifact {
            subject: top,
            kind: Kind::Signature,
            title: "signature-1".to_owned(),
            bytes: b"signed".to_vec(),
        };
        publication.add(artifact).unwrap();
        publication
    }

    /// Asks the registry itself.
    pub(super) fn found(&self, repository: &str, version: &str) -> Option<String> {
        self.proxy.on(|_| Act::Pass);
        let reference = format!("{}/{repository}:{version}", self.proxy.host());
        let parent = tempfile::tempdir().unwrap();
        let directory = Directory::open(parent.path().try_into().unwrap()).unwrap();
        let reference = reference.parse().unwrap();
        let fetching = self.client.fetch(&reference, None, &directory, "x".into());
        match self.block_on(fetching) {
            Ok(pulled) => Some(pulled.digest.to_string()),
            Err(Error::Missing { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Where the user's credentials are, if there are some.
pub(super) fn auth(scene: &Scene) -> std::path::PathBuf {
    scene.path().join("auth.json")
}

pub(crate) async fn published(
    publisher: &Publisher,
    publication: &Publication,
) -> Result<Sent, Error> {
    let standing = publisher.look(publication, false).await?;
    let sent = publisher.send(publication, &standing).await?;
    publisher.tag(publication).await?;
    let standing = publisher.look(publication, false).await?;
    assert!(standing.is_whole(), "{standing:?}");
    Ok(sent)
}

/// Does something with one request of a kind, and hands on all others.
pub(crate) fn nth(
    method: &'static str,
    part: &'static str,
    number: usize,
    act: impl Fn() -> Act + Send + Sync + 'static,
) -> impl Fn(&Request) -> Act + Send + Sync + 'static {
    let seen = AtomicUsize::new(0);
    move |request| {
        if request.is(method, part) && seen.fetch_add(1, Ordering::Relaxed) == number {
            return act();
        }
        Act::Pass
    }
}

pub(crate) fn status(code: u16) -> Act {
    Act::Answer(code, vec![("Retry-After", "0".to_owned())], Vec::new())
}

/// What goes wrong once keeps nobody from publishing.
pub(crate) fn pass(program: &Path) -> Result<(), Failed> {
    type Make = fn() -> Act;
    let place = Place::new(program)?;
    let acts: [(&'static str, Make); 5] = [
        ("lost", || Act::Lose),
        ("answer-lost", || Act::LoseAnswer),
        ("halved", || Act::Halve),
        ("busy", || status(429)),
        ("broken", || status(503)),
    ];
    let requests = [
        ("POST", "/blobs/uploads/", 0),
        ("PATCH", "/blobs/uploads/", 0),
        ("PATCH", "/blobs/uploads/", 1),
        ("PUT", "/blobs/uploads/", 0),
        ("PUT", "/manifests/", 0),
        ("GET", "/manifests/", 0),
        ("HEAD", "/blobs/", 0),
    ];
    for (name, act) in acts {
        for (number, (method, part, nth_one)) in requests.into_iter().enumerate() {
            // How a request fails matters where something was sent.
            let is_sent = matches!((method, nth_one), ("PATCH", 1)) || part == "/manifests/";
            if !name.contains("lost") && (method == "GET" || !is_sent) {
                continue;
            }
            let repository = format!("{name}/{number}");
            let publication = place.publication(&repository, "1");
            place.proxy.take();
            place.proxy.on(nth(method, part, nth_one, act));
            let done = place.block_on(published(&place.client.publisher(), &publication));
            let told = || format!("{name}: {method} {part} {nth_one}: {done:?}");
            expect(done.is_ok(), &told())?;
            let requests = place.proxy.take();
            let again = requests.iter().filter(|one| one.is(method, part)).count();
            expect(again > nth_one, &told())?;
            let found = place.found(&repository, "1");
            expect(found == Some(place.digest.clone()), &told())?;
            // A piece that was lost is continued: no blob is begun anew.
            if (name, method) == ("lost", "PATCH") {
                let asked = requests.iter().any(|one| one.is("GET", "/blobs/uploads/"));
                expect(asked, &told())?;
            }
        }
    }
    Ok(())
}

/// Of a piece of which half has arrived, the other half is sent.
pub(crate) fn halves(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let kept: Arc<Mutex<String>> = Arc::default();
    let seen = AtomicUsize::new(0);
    let answer = Arc::clone(&kept);
    place.proxy.on(move |request| {
        if request.is("PATCH", "") && seen.fetch_add(1, Ordering::Relaxed) == 0 {
            return Act::Shorten(Arc::clone(&answer));
        }
        // Debian's registry has only one name for an upload at a time: that of the answer that was lost.
        if request.is("GET", "/blobs/uploads/") {
            let answer = answer.lock().unwrap();
            let of = |name: &str| {
                let found = answer.lines().find_map(|line| line.strip_prefix(name));
                found.unwrap().to_owned()
            };
            let headers = vec![("Location", of("Location: ")), ("Range", of("Range: "))];
            return Act::Answer(204, headers, Vec::new());
        }
        Act::Pass
    });
    let done = place.block_on(published(
        &place.client.publisher(),
        &place.publication("a/b", "1"),
    ));
    expect(done.is_ok(), &format!("{done:?} {}", kept.lock().unwrap()))?;
    let requests = place.proxy.take();
    let pieces: Vec<_> = requests.iter().filter(|one| one.is("PATCH", "")).collect();
    let is_rest = |one: &&&Request| one.has("content-range: 300-899");
    let continued = pieces.iter().filter(is_rest).count();
    expect(continued == 1, &format!("{pieces:?}"))?;
    let begun = requests.iter().filter(|one| one.is("POST", "")).count();
    expect(begun == done.unwrap().sent, "a blob was begun anew")
}

/// What stays wrong is told, and no tag is set.
pub(crate) fn refuse(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let publish = |repository: &str| {
        let publication = place.publication(repository, "1");
        place.block_on(published(&place.client.publisher(), &publication))
    };
    let refused = |repository: &str, told: &str, is_it: fn(&Error) -> bool| {
        let Err(error) = publish(repository) else {
            return Err(format!("{repository}: it is published").into());
        };
        let said = format!("{error} {error:?} {:?}", error.hint());
        expect(is_it(&error) && said.contains(told), &said)?;
        let found = place.found(repository, "1");
        expect(found.is_none(), &format!("{repository}: {found:?}"))
    };

    place.proxy.on(|request| match request.method.as_str() {
        "POST" => status(503),
        _ => Act::Pass,
    });
    refused("never/taken", "503", |error| {
        matches!(error, Error::Upload { .. }) && error.kind().may_pass()
    })?;

    place.proxy.on(|request| match request.method.as_str() {
        "POST" => status(403),
        _ => Act::Pass,
    });
    refused("never/allowed", "permission to write the blob", |error| {
        matches!(error, Error::Denied { .. })
    })?;

    // Another manifest is read back than was written.
    place.proxy.on(nth("GET", "/manifests/sha256:", 0, || {
        Act::Answer(200, Vec::new(), b"{}".to_vec())
    }));
    refused("other/manifest", "sha256:44136fa3", |error| {
        matches!(error, Error::Changed { .. })
    })?;

    // It is taken, and listed nowhere.
    place.proxy.on(|request| match request.path.as_str() {
        path if path.contains("/referrers/") => {
            Act::Answer(200, Vec::new(), b"{\"manifests\":[]}".to_vec())
        }
        _ => Act::Pass,
    });
    refused("never/listed", "signature-1 of", |error| {
        matches!(error, Error::Unlisted { .. })
    })?;

    // A blob that is damaged here never gets its name there.
    let blobs = place.layout.join("blobs/sha256");
    let layer = crate::blobs(&place.layout)
        .into_iter()
        .map(|name| blobs.join(name))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&layer).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&layer, &bytes).unwrap();
    refused("never/damaged", "it is not what its digest says", |error| {
        matches!(error, Error::Local { .. })
    })
}

/// A registry that takes nothing, or forgets again and again what it has taken, is not sent the same without an end.
pub(crate) fn endless(program: &Path) -> Result<(), Failed> {
    /// More requests than are made of a registry that gets anywhere.
    const MANY: usize = 200;
    type Make = fn(&Request) -> Option<Act>;
    /// Tells whether it is a piece that is not the first, or a question on what was taken.
    fn is_second(request: &Request) -> bool {
        let is_first = request.has("content-range: 0-599");
        request.is("GET", "/blobs/uploads/") || (request.is("PATCH", "") && !is_first)
    }
    let place = Place::new(program)?;
    let nothing: Make = |request| {
        request.is("PATCH", "").then(|| {
            let headers = vec![("Range", "0-0".to_owned())];
            Act::Answer(202, headers, Vec::new())
        })
    };
    let cases: [(&str, Make, &str); 3] = [
        ("nothing/taken", nothing, "0 bytes were taken"),
        (
            "busy/then",
            |request| is_second(request).then(|| status(503)),
            "503",
        ),
        (
            "lost/then",
            |request| is_second(request).then(|| status(404)),
            "NoRepository",
        ),
    ];
    for (repository, wrong, told) in cases {
        let seen = AtomicUsize::new(0);
        place.proxy.take();
        place.proxy.on(move |request| {
            // The end of what would have none.
            if seen.fetch_add(1, Ordering::Relaxed) > MANY {
                return status(403);
            }
            wrong(request).unwrap_or(Act::Pass)
        });
        let publication = place.publication(repository, "1");
        let done = place.block_on(published(&place.client.publisher(), &publication));
        let requests = place.proxy.take().len();
        let said = done.map_or_else(
            |error| format!("{error} {error:?}"),
            |sent| format!("{sent:?}"),
        );
        expect(
            requests < MANY && said.contains(told),
            &format!("{repository}: {requests} requests: {said}"),
        )?;
    }
    Ok(())
}

/// A tag is never moved to another digest, whenever somebody else sets it.
pub(crate) fn moved(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let publisher = place.client.publisher();
    let mut publication = place.publication("a/b", "1");
    place.block_on(published(&publisher, &publication))?;
    let ran = place
        .scene
        .stagex(&["--runtime", "native", "make", "--quiet", crate::NEEDS_IT]);
    expect(ran.code == 0, &ran.stderr)?;
    // Another image has the tag: nothing is sent.
    let out = place.scene.path().join("out").join(crate::NEEDS_IT);
    let index = std::fs::read_to_string(out.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let other = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let blobs = Utf8Path::from_path(&out).unwrap().join("blobs/sha256");
    let open = |repository: &str| {
        let to = format!("{}/{repository}", place.proxy.host());
        let (to, blobs) = (to.parse().unwrap(), Directory::open(&blobs).unwrap());
        let top = other.parse().unwrap();
        Publication::open(&to, Some("1"), blobs, top, &Limits::DEFAULT).unwrap()
    };
    place.proxy.take();
    let error = place
        .block_on(publisher.look(&open("a/b"), false))
        .unwrap_err();
    let said = error.to_string();
    let told = said.contains(&place.digest) && said.contains(&other);
    expect(told && said.contains("a/b:1"), &said)?;
    let is_asked = |request: &Request| request.method == "GET";
    expect(
        place.proxy.take().iter().all(is_asked),
        "something was sent",
    )?;

    // Somebody else sets it between the look and the tag, or at the same time.
    for (repository, lies) in [("c/d", 1), ("e/f", 2)] {
        let theirs = open(repository);
        let digest = theirs.digest();
        place.block_on(published(&publisher, &theirs))?;
        let manifest = std::fs::read(blobs.join(digest.hex())).unwrap();
        publication = place.publication(repository, "1");
        // What is there at the beginning, and before the tag is set, is not seen.
        place.proxy.on({
            let seen = AtomicUsize::new(0);
            let manifest = manifest.clone();
            move |request| match request {
                one if one.is("GET", "/manifests/1") => {
                    if seen.fetch_add(1, Ordering::Relaxed) < lies {
                        Act::Answer(404, Vec::new(), Vec::new())
                    } else {
                        Act::Answer(200, Vec::new(), manifest.clone())
                    }
                }
                _ => Act::Pass,
            }
        });
        let publisher = place.client.publisher();
        let error = place
            .block_on(published(&publisher, &publication))
            .unwrap_err();
        let is_it = matches!(&error, Error::Moved { there, .. } if *there == digest);
        expect(is_it, &format!("{repository}: {error:?}"))?;
    }
    expect(
        place.found("c/d", "1") == Some(other),
        "a tag was moved that was seen in time",
    )
}

/// A blob is mounted where that works, and sent where it does not.
pub(crate) fn mounted(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let publisher = place.client.publisher();
    let sent = place.block_on(published(&publisher, &place.publication("a/b", "1")))?;
    expect(sent.mounted == 0 && sent.sent > 2, &format!("{sent:?}"))?;
    let all = sent.sent;
    let sent = place.block_on(published(&publisher, &place.publication("c/d", "1")))?;
    expect(sent.mounted == all && sent.sent == 0, &format!("{sent:?}"))?;
    for (repository, code) in [("e/f", 403), ("g/h", 405), ("i/j", 500)] {
        place.proxy.on(move |request| {
            if request.is("POST", "mount=") {
                return status(code);
            }
            Act::Pass
        });
        let sent = place.block_on(published(&publisher, &place.publication(repository, "1")))?;
        expect(sent.mounted == 0 && sent.sent == all, &format!("{sent:?}"))?;
    }
    Ok(())
}

/// Registries list what refers to an image by their API, or have a list that is written, also by others at the same
/// time.
pub(crate) fn referred(program: &Path) -> Result<(), Failed> {
    let place = Place::new(program)?;
    let list = format!("sha256-{}", &place.digest[7..]);
    // By an API, on two pages, each of which has all manifests that were put.
    let put: Arc<Mutex<Vec<String>>> = Arc::default();
    place.proxy.on(move |request| {
        if request.is("PUT", "/manifests/sha256:") {
            let digest = request.path.rsplit('/').next().unwrap().to_owned();
            put.lock()
                .unwrap()
                .push(format!("{{\"digest\":\"{digest}\"}}"));
        }
        if !request.path.contains("/referrers/") {
            return Act::Pass;
        }
        if !request.path.contains("?page=2") {
            let next = format!("<{}?page=2>; rel=\"next\"", request.path);
            let body = b"{\"manifests\":[]}".to_vec();
            return Act::Answer(200, vec![("Link", next)], body);
        }
        let body = format!("{{\"manifests\":[{}]}}", put.lock().unwrap().join(","));
        Act::Answer(200, Vec::new(), body.into_bytes())
    });
    let done = place.block_on(published(
        &place.client.publisher(),
        &place.publication("a/b", "1"),
    ));
    expect(done.is_ok(), &format!("{done:?}"))?;
    let wrote = place.proxy.take();
    let listed = wrote.iter().any(|request| request.path.contains(&list));
    expect(!listed, "a list was written beside the API")?;

    // Somebody else writes the list between our writing and our reading: both are in it at the end.
    place.proxy.on(|_| Act::Pass);
    let theirs = place.publication("c/d", "other");
    place.block_on(published(&place.client.publisher(), &theirs))?;
    let before = list_of(&place, "c/d", &list);
    let mut ours = place.publication("c/d", "1");
    let second = Artifact {
        subject: ours.digest(),
        kind: Kind::Attestation,
        title: "attestation-1.jsonl".to_owned(),
        bytes: b"{}\n".to_vec(),
    };
    ours.add(second).unwrap();
    let answer = before.to_string().into_bytes();
    let seen = AtomicUsize::new(0);
    let path = format!("/manifests/{list}");
    place.proxy.on(move |request| {
        // The list is as they left it, once after ours was taken.
        if request.is("GET", &path) && seen.fetch_add(1, Ordering::Relaxed) == 2 {
            return Act::Answer(200, Vec::new(), answer.clone());
        }
        Act::Pass
    });
    place.block_on(published(&place.client.publisher(), &ours))?;
    let wrote = place.proxy.take();
    let writes = wrote.iter().filter(|one| one.is("PUT", &list)).count();
    expect(writes >= 2, &format!("{writes} writes"))?;
    let after = list_of(&place, "c/d", &list);
    expect(
        after["manifests"].as_array().unwrap().len() == 2,
        &after.to_string(),
    )?;

    // Two at once.
    place.proxy.on(|_| Act::Pass);
    let (one, two) = (place.publication("e/f", "1"), place.publication("e/f", "1"));
    let (first, second) = (place.client.publisher(), place.client.publisher());
    let done =
        place.block_on(async { tokio::join!(published(&first, &one), published(&second, &two)) });
    expect(done.0.is_ok() && done.1.is_ok(), &format!("{done:?}"))
}

fn list_of(place: &Place, repository: &str, list: &str) -> serde_json::Value {
    place.proxy.on(|_| Act::Pass);
    let address = format!(
        "http://{}/v2/{repository}/manifests/{list}",
        place.proxy.host()
    );
    let address = transfer::Address::parse(&address).unwrap();
    let terms = transfer::Terms {
        accept: Some("application/vnd.oci.image.index.v1+json"),
        ..transfer::Terms::default()
    };
    let client = transfer::Client::new(transfer::Config::default()).unwrap();
    let get = transfer::Exchange::of(transfer::Verb::Get);
    let answered = place
        .block_on(transfer::exchange(&client, &address, &terms, &get))
        .unwrap();
    place.proxy.take();
    serde_json::from_slice(&answered.body).unwrap()
}
