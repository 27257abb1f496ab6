//! What a registry does wrong while something is pulled from it: a real one, behind a proxy that is faulty.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use beneath::Directory;
use libtest_mimic::Failed;
use registry::{Error, Pulled};

use crate::blobs;
use crate::engines::expect;
use crate::published::faults::{Place, nth, published, status};
use crate::published::proxy::{Act, Request};

/// Where an image is pulled to.
struct Pull {
    place: Place,
    directory: tempfile::TempDir,
}

impl Pull {
    /// Publishes an image to `a/b`, which has the tag `1`.
    fn new(program: &Path) -> Result<Self, Failed> {
        let place = Place::new(program)?;
        let publication = place.publication("a/b", "1");
        place.block_on(published(&place.client.publisher(), &publication))?;
        place.proxy.take();
        Ok(Self {
            place,
            directory: tempfile::tempdir().unwrap(),
        })
    }

    fn pull(&self, version: &str) -> Result<Pulled, Error> {
        let reference = format!("{}/a/b{version}", self.place.proxy.host());
        let directory = Directory::open(self.directory.path().try_into().unwrap()).unwrap();
        let reference = reference.parse().unwrap();
        let client = &self.place.client;
        self.place
            .block_on(client.fetch(&reference, None, &directory, "x".into()))
    }

    /// Returns what is in the directory, hidden or not, and removes it.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        let names = entries.map(|path| {
            fs::remove_dir_all(&path).unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        });
        names.collect()
    }

    /// Returns what was asked for.
    fn asked(&self, part: &str) -> Vec<Request> {
        let asked = self.place.proxy.take();
        asked
            .into_iter()
            .filter(|one| one.is("GET", part))
            .collect()
    }
}

/// What goes wrong once keeps nobody from pulling. What has arrived of a layer is not asked for again.
pub(crate) fn pass(program: &Path) -> Result<(), Failed> {
    type Make = fn() -> Act;
    let pull = Pull::new(program)?;
    let digest = format!("@{}", pull.place.digest);
    let acts: [(&str, Make); 5] = [
        ("lost", || Act::Lose),
        ("answer-lost", || Act::LoseAnswer),
        ("cut", || Act::CutAnswer),
        ("busy", || status(429)),
        ("broken", || status(503)),
    ];
    let whole = {
        let mut whole = blobs(&pull.place.layout);
        // The index that leads to the manifest was not published.
        let index = fs::read_to_string(pull.place.layout.join("index.json")).unwrap();
        whole.retain(|name| *name == pull.place.digest[7..] || !index.contains(name.as_str()));
        whole
    };
    for (name, act) in acts {
        for (version, part) in [
            (":1", "/manifests/"),
            (&digest, "/manifests/"),
            (&digest, "/blobs/"),
        ] {
            pull.place.proxy.on(nth("GET", part, 0, act));
            let done = pull.pull(version);
            let told = format!("{name}: {version} {part}: {done:?}");
            expect(done.is_ok(), &told)?;
            let found = blobs(&pull.directory.path().join("x"));
            expect(found == whole, &format!("{told}: {found:?}"))?;
            expect(pull.left() == ["x"], &told)?;
            let asked = pull.asked(part);
            let again = asked.iter().filter(|one| one.path == asked[0].path);
            let again: Vec<_> = again.collect();
            expect(again.len() == 2, &format!("{told}: {asked:?}"))?;
            let continues = again[1].has_header("range");
            expect(
                continues == ((name, part) == ("cut", "/blobs/")),
                &format!("{told}: {again:?}"),
            )?;
        }
    }
    Ok(())
}

/// What stays wrong is told, and leaves nothing.
pub(crate) fn refuse(program: &Path) -> Result<(), Failed> {
    type Is = fn(&Error) -> bool;
    let pull = Pull::new(program)?;
    let digest = format!("@{}", pull.place.digest);
    let changed: Is = |error| matches!(error, Error::Changed { .. });
    let passing: Is = |error| error.kind().may_pass();
    let other = |body: &'static [u8]| move || Act::Answer(200, Vec::new(), body.to_vec());
    // Another manifest by its digest, and another layer.
    for (part, body) in [
        ("/manifests/", &b"{}"[..]),
        ("/blobs/", b"other"),
        ("/blobs/", b""),
    ] {
        pull.place.proxy.on(nth("GET", part, 0, other(body)));
        refused(&pull, &digest, "sent other bytes for", changed)?;
    }
    for (part, code) in [("/manifests/", 503), ("/blobs/", 429)] {
        pull.place.proxy.on(move |request| {
            if request.path.contains(part) {
                return status(code);
            }
            Act::Pass
        });
        refused(&pull, &digest, &code.to_string(), passing)?;
    }
    pull.place.proxy.on(|request| {
        if request.path.contains("/blobs/") {
            return Act::CutAnswer;
        }
        Act::Pass
    });
    // Half of the rest comes each time: tries that bring something are not counted, and one byte has no half.
    let done = pull.pull(&digest);
    let ends = done.as_ref().map_or_else(passing, |_| true);
    expect(ends, &format!("{done:?}"))?;
    pull.left();

    // A tag is asked for once: what it is moved to meanwhile is not mixed with what it was.
    let body = b"{}".to_vec();
    pull.place.proxy.on(nth("GET", "/manifests/", 1, move || {
        Act::Answer(200, Vec::new(), body.clone())
    }));
    pull.place.proxy.take();
    let done = pull.pull(":1")?;
    expect(
        done.digest.to_string() == pull.place.digest,
        &format!("{done:?}"),
    )?;
    let asked = pull.asked("/manifests/");
    expect(asked.len() == 1, &format!("{asked:?}"))
}

fn refused(
    pull: &Pull,
    version: &str,
    told: &str,
    is_it: fn(&Error) -> bool,
) -> Result<(), Failed> {
    let Err(error) = pull.pull(version) else {
        return Err(format!("{told}: it is pulled").into());
    };
    let said = format!("{error} {error:?}");
    expect(is_it(&error) && said.contains(told), &said)?;
    let left = pull.left();
    expect(left.is_empty(), &format!("{told}: {left:?}"))
}

/// A token expires between the manifest and the blobs, which are asked for at the same time.
pub(crate) fn expired(program: &Path) -> Result<(), Failed> {
    let pull = Pull::new(program)?;
    let host = pull.place.proxy.host();
    let digest = format!("@{}", pull.place.digest);
    // The first token is for the manifest, and the second one for all that follows.
    let guard = |tokens: usize| {
        let (given, host) = (AtomicUsize::new(0), host.clone());
        move |request: &Request| {
            if request.path.starts_with("/token") {
                let number = given.fetch_add(1, Ordering::Relaxed);
                if number >= tokens {
                    return Act::Answer(401, Vec::new(), Vec::new());
                }
                let body = format!("{{\"token\":\"{tokens}-{number}\"}}").into_bytes();
                return Act::Answer(200, Vec::new(), body);
            }
            let wanted = usize::from(request.path.contains("/blobs/"));
            if request.authorization == Some(format!("Bearer {tokens}-{wanted}")) {
                return Act::Pass;
            }
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            Act::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
        }
    };
    pull.place.proxy.on(guard(2));
    pull.pull(&digest)?;
    let tokens = pull.asked("/token").len();
    expect(tokens == 2, &format!("{tokens} tokens"))?;
    pull.left();
    pull.place.proxy.on(guard(1));
    refused(&pull, &digest, "a token for", |error| {
        matches!(error, Error::Denied { .. })
    })
}
