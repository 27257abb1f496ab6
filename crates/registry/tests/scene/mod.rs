//! A registry on loopback with a repository `a/b`, images for it, and a directory that they are pulled into.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use registry::{Client, Config, Error, Limits, Pulled, Reference};
use sha2::{Digest as _, Sha256};

use crate::server::{Act, Request, Server, answer};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The config of most images here.
pub(crate) const CONFIG: &[u8] = br#"{"os":"linux","architecture":"amd64"}"#;

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", printable::hex(&Sha256::digest(bytes)))
}

/// Returns the fields of what points to a document.
pub(crate) fn pointer(media_type: &str, document: &str) -> String {
    let (digest, size) = (digest(document.as_bytes()), document.len());
    format!(r#""mediaType":"{media_type}","digest":"{digest}","size":{size}"#)
}

/// Returns a document.
pub(crate) fn json(media_type: &str, fields: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}",{fields}}}"#)
}

/// Returns all that a user is told of an error.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    format!("{text}\n{}", error.hint().unwrap_or_default())
}

pub(crate) fn blob(bytes: &[u8]) -> Act {
    answer(200, &[("Content-Type", "application/octet-stream")], bytes)
}

/// An image.
pub(crate) struct Image {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
    pub(crate) manifest: String,
    pub(crate) digest: String,
}

impl Image {
    pub(crate) fn new(layers: &[&[u8]]) -> Self {
        Self::with_config(CONFIG, layers)
    }

    pub(crate) fn with_config(config: &[u8], layers: &[&[u8]]) -> Self {
        let pointer = |media_type: &str, bytes: &[u8]| {
            let (digest, size) = (digest(bytes), bytes.len());
            format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
        };
        let pointer_to_config = pointer("application/vnd.oci.image.config.v1+json", config);
        let each = layers
            .iter()
            .map(|layer| pointer("application/vnd.oci.image.layer.v1.tar+gzip", layer));
        let each = each.collect::<Vec<_>>().join(",");
        let fields = format!(r#""config":{pointer_to_config},"layers":[{each}]"#);
        let manifest = json(MANIFEST, &fields);
        Self {
            config: config.to_vec(),
            layers: layers.iter().map(|layer| layer.to_vec()).collect(),
            digest: digest(manifest.as_bytes()),
            manifest,
        }
    }

    /// Returns the manifest, the config and the layers.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let first = [self.manifest.as_bytes().to_vec(), self.config.clone()];
        let all = first.into_iter().chain(self.layers.iter().cloned());
        all.map(|bytes| (digest(&bytes), bytes))
    }

    pub(crate) fn answer(&self) -> Act {
        answer(200, &[("Content-Type", MANIFEST)], self.manifest.as_bytes())
    }

    /// Returns the fields of what points to it.
    pub(crate) fn pointer(&self) -> String {
        pointer(MANIFEST, &self.manifest)
    }
}

/// A registry, and what its user has.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) limits: Limits,
    pub(crate) insecure: BTreeSet<String>,
    pub(crate) tries: u32,
    stall: Duration,
    credentials: Vec<Utf8PathBuf>,
    temporary: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("images")).unwrap();
        Self {
            server: Server::start(),
            limits: Limits::DEFAULT,
            insecure: BTreeSet::new(),
            tries: 1,
            stall: Duration::from_secs(3600),
            credentials: Vec::new(),
            temporary,
        }
    }

    /// Waits no longer than this for a server that hangs, if that is what is to be told.
    pub(crate) fn hangs(&mut self, told: &str) {
        if told == "it stalled" {
            self.stall = Duration::from_millis(200);
        }
    }

    fn root(&self) -> &Utf8Path {
        self.temporary.path().try_into().unwrap()
    }

    pub(crate) fn host(&self) -> String {
        self.server.url("").replace("http://", "")
    }

    /// Says what is done with requests for something in the repository.
    pub(crate) fn on(&self, path: &str, acts: impl IntoIterator<Item = Act>) {
        self.server.on(&format!("/v2/a/b/{path}"), acts);
    }

    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.server.requests(&format!("/v2/a/b/{path}"))
    }

    /// Has an image, as a good registry does.
    pub(crate) fn serve(&self, image: &Image) {
        self.on(&format!("manifests/{}", image.digest), [image.answer()]);
        for (digest, bytes) in image.blobs().skip(1) {
            self.on(&format!("blobs/{digest}"), [blob(&bytes)]);
        }
    }

    /// Has a document. Returns its digest.
    pub(crate) fn document(&self, text: &str, media_type: &str) -> String {
        let digest = digest(text.as_bytes());
        let act = answer(200, &[("Content-Type", media_type)], text.as_bytes());
        self.on(&format!("manifests/{digest}"), [act]);
        digest
    }

    /// Writes what the user has.
    pub(crate) fn credentials(&mut self, text: &str) {
        let path = self.root().join("auth.json");
        fs::write(&path, text).unwrap();
        self.credentials = vec![path];
    }

    pub(crate) fn named(&self, version: &str) -> Reference {
        format!("{}/a/b{version}", self.host()).parse().unwrap()
    }

    pub(crate) async fn pull(&self, digest: &str) -> Result<Pulled, Error> {
        self.get(&self.named(&format!("@{digest}")), None).await
    }

    pub(crate) async fn get(
        &self,
        reference: &Reference,
        platform: Option<&str>,
    ) -> Result<Pulled, Error> {
        let parent = Directory::open(&self.root().join("images")).unwrap();
        self.client()?
            .fetch(reference, platform, &parent, "image".into())
            .await
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        Client::new(Config {
            credentials: credentials::Config {
                files: self.credentials.clone(),
                programs: "/usr/bin:/bin".to_owned(),
                ..credentials::Config::default()
            },
            insecure: self.insecure.clone(),
            limits: self.limits,
            transfer: transfer::Config {
                tries: self.tries,
                stall: self.stall,
                pause: Duration::from_millis(1),
                ..transfer::Config::default()
            },
        })
    }

    /// Returns what is in the directory that images are pulled into.
    pub(crate) fn left(&self) -> Vec<String> {
        names(&self.root().join("images"))
    }

    /// Removes what was pulled.
    pub(crate) fn empty(&self) {
        let images = self.root().join("images");
        let _ = fs::remove_dir_all(&images);
        fs::create_dir(&images).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join("images").join(path)).unwrap()
    }

    /// Returns the digests of the blobs that were pulled. Each is what its name says.
    pub(crate) fn layout(&self) -> Vec<String> {
        assert_eq!(
            self.read("image/oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#
        );
        let blobs = self.root().join("images/image/blobs/sha256");
        let of = |name: String| {
            let found = digest(&fs::read(blobs.join(&name)).unwrap());
            assert_eq!(found, format!("sha256:{name}"));
            found
        };
        names(&blobs).into_iter().map(of).collect()
    }
}

fn names(directory: &Utf8Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
