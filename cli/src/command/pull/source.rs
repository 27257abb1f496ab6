//! An image of a registry that is only looked at: it is pulled into a temporary directory, which is there as long as
//! somebody reads the image.

use std::io::{self, Read};
use std::sync::Arc;

use beneath::Directory;
use camino::Utf8PathBuf;
use images::{Blobs, Digest, Error, Limits, Source};
use registry::{Client, Reference};
use tempfile::TempDir;

use super::client::client;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::wait;

/// Pulls the image that a text names (`host[:port]/name@sha256:...`), and opens it. With a platform, only what is for
/// that.
pub(in crate::command) fn source(
    context: &Context,
    reference: &str,
    platform: Option<&str>,
    limits: &Limits,
) -> Result<Source, Failure> {
    let reference = reference.parse().map_err(registry::Error::from)?;
    let client = client(context, "pull")?;
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let pulling = pulled(&client, &reference, platform, limits);
        wait::unless(&mut interrupted, pulling).await?
    })
}

async fn pulled(
    client: &Client,
    reference: &Reference,
    platform: Option<&str>,
    limits: &Limits,
) -> Result<Source, Failure> {
    let cannot = |error: io::Error| Failure::new(ErrorKind::Environment, &error, None);
    let temporary = tempfile::tempdir().map_err(cannot)?;
    let path = Utf8PathBuf::try_from(temporary.path().to_owned());
    let path = path.map_err(|error| cannot(io::Error::other(error)))?;
    let parent = Directory::open(&path).map_err(cannot)?;
    let pulled = client
        .fetch(reference, platform, &parent, "image".into())
        .await?;
    let blobs = parent
        .directory("image/blobs/sha256".into())
        .map_err(cannot)?;
    let top = blobs.file(pulled.digest.hex().as_str().into());
    let size = top.and_then(|top| top.metadata()).map_err(cannot)?.len();
    let held = Held {
        place: reference.to_string(),
        blobs,
        _temporary: temporary,
    };
    let source = Source::of_blobs(Arc::new(held), pulled.digest, size, limits);
    source.map_err(|error| Failure::new(error.kind(), &error, error.hint()))
}

/// The blobs of a layout in a temporary directory.
struct Held {
    place: String,
    blobs: Directory,
    _temporary: TempDir,
}

impl Blobs for Held {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>, Error> {
        match self.blobs.file(digest.hex().as_str().into()) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing {
                name: format!("the blob {digest}"),
                place: self.place.clone(),
            }),
            Err(source) => Err(Error::Io {
                action: "read",
                path: self.blobs.path().join(digest.hex()),
                source,
            }),
        }
    }

    fn place(&self) -> &str {
        &self.place
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../../../crates/fetch/tests/server/mod.rs"]
mod server;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use registry::Config;

    use super::*;
    use server::{Server, answer};

    #[test]
    fn an_image_is_there_as_long_as_it_is_read() {
        let server = Server::start();
        let digest = |bytes: &[u8]| Digest::of(bytes);
        let pointer =
            |bytes: &[u8]| format!(r#"{{"digest":"{}","size":{}}}"#, digest(bytes), bytes.len());
        let layer = b"layer";
        let config = format!(
            r#"{{"os":"linux","architecture":"amd64","rootfs":{{"diff_ids":["{}"]}}}}"#,
            digest(layer)
        );
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let (first, second) = (pointer(config.as_bytes()), pointer(layer));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{first},"layers":[{second}]}}"#
        );
        let top = digest(manifest.as_bytes());
        for (kind, bytes) in [
            ("manifests", manifest.as_bytes()),
            ("blobs", config.as_bytes()),
            ("blobs", layer),
        ] {
            let path = format!("/v2/a/b/{kind}/{}", digest(bytes));
            server.on(&path, [answer(200, &[], bytes)]);
        }
        let host = server.url("").replace("http://", "");
        let reference = format!("{host}/a/b@{top}").parse().unwrap();
        let client = Client::new(Config::default()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let pulling = pulled(&client, &reference, None, &Limits::DEFAULT);
        let Ok(source) = runtime.block_on(pulling) else {
            panic!("it cannot be pulled");
        };
        assert_eq!(source.images().len(), 1);
        let image = source.only(Some("linux/amd64")).ok().unwrap();
        drop(source);
        let mut reader = image.layers[0].open_blob().ok().unwrap();
        let mut found = Vec::new();
        reader.read_to_end(&mut found).unwrap();
        assert_eq!(found, layer);
    }
}
