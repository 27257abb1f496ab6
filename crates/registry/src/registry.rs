//! A registry that packages are published to: what is read there, and what is written.
//!
//! Nothing that it says of what it has is believed without a look: documents are compared byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oci_image::Digest;
use transfer::{Address, Answered, Exchange, Verb};

use crate::ask::{Trouble, exchange};
use crate::document::{ACCEPT, Stored};
use crate::error::Error;
use crate::reference::Repository;
use crate::shared::{Access, Shared};

/// How long it takes at most until somebody else has put a document.
const AGAIN: Duration = Duration::from_millis(200);

/// A registry that packages are published to, and what came to be known of it meanwhile.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) shared: Arc<Shared>,
    /// Where blobs are, from which they may be mounted elsewhere.
    known: Mutex<BTreeMap<Digest, Repository>>,
    /// Whether there is a referrers API.
    pub(crate) api: tokio::sync::Mutex<Option<bool>>,
}

impl Registry {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            known: Mutex::default(),
            api: tokio::sync::Mutex::default(),
        }
    }

    /// Returns a repository that has a blob.
    pub(crate) fn place_of(&self, blob: Digest) -> Option<Repository> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&blob).cloned()
    }

    /// Notes that a repository has a blob.
    pub(crate) fn has(&self, blob: Digest, repository: &Repository) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(blob).or_insert_with(|| repository.clone());
    }

    /// Makes a request that may be made twice.
    pub(crate) async fn repeated(
        &self,
        repository: &Repository,
        address: &Address,
        request: &Exchange,
    ) -> Result<Answered, Trouble> {
        let accept = matches!(request.verb, Verb::Get).then_some(ACCEPT);
        let of = (repository, &Access::Push);
        exchange(&self.shared, of, address, accept, (request, true)).await
    }

    /// Makes a request once.
    pub(crate) async fn once(
        &self,
        repository: &Repository,
        address: &Address,
        request: &Exchange,
    ) -> Result<Answered, Trouble> {
        let of = (repository, &Access::Push);
        exchange(&self.shared, of, address, None, (request, false)).await
    }

    /// Asks once for a blob of another repository of the registry.
    pub(crate) async fn mount(
        &self,
        repository: &Repository,
        digest: Digest,
        from: Repository,
    ) -> Result<Answered, Trouble> {
        let uploads = self.shared.address(repository, "blobs/uploads/")?;
        let digest = digest.to_string();
        let uploads = uploads.with_query(&[("mount", digest.as_str()), ("from", from.name())]);
        let post = Exchange::of(Verb::Post);
        let of = (repository, &Access::Mount(from));
        exchange(&self.shared, of, &uploads, None, (&post, false)).await
    }

    /// Returns the document that a digest or a tag stands for, if there is one.
    pub(crate) async fn document(
        &self,
        repository: &Repository,
        version: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let address = self
            .shared
            .address(repository, &format!("manifests/{version}"))?;
        let get = Exchange::of(Verb::Get);
        match self.repeated(repository, &address, &get).await {
            Ok(answered) => Ok(Some(answered.body)),
            Err(trouble) if trouble.code() == Some(404) => Ok(None),
            Err(trouble) => {
                Err(trouble.of_reading(repository, &format!("the document `{version}`")))
            }
        }
    }

    /// Puts a document where a digest or a tag stands for it, and reads it back by its digest. Whoever sets a tag has to
    /// look at that too.
    pub(crate) async fn put(
        &self,
        repository: &Repository,
        version: &str,
        stored: &Stored,
    ) -> Result<(), Error> {
        let address = self
            .shared
            .address(repository, &format!("manifests/{version}"))?;
        let put = Exchange {
            verb: Verb::Put,
            headers: vec![("content-type", stored.media_type.to_owned())],
            body: stored.bytes.clone().into(),
        };
        let what = format!("the document `{version}`");
        for last in [false, false, true] {
            match self.repeated(repository, &address, &put).await {
                Ok(_) => break,
                // Debian's docker-registry takes a document for a wrong one in the moment in which somebody else puts
                // the same, whose links it has half written.
                Err(trouble) if trouble.code() == Some(400) && !last => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(trouble) => return Err(trouble.of_writing(repository, &what)),
            }
        }
        let digest = stored.digest;
        let found = self.document(repository, &digest.to_string()).await?;
        if found.as_ref() == Some(&stored.bytes) {
            return Ok(());
        }
        Err(Error::Changed {
            expected: digest,
            place: repository.to_string(),
            found: found.map_or_else(
                || "it is not there, though it was taken".to_owned(),
                |found| format!("it has the digest {}", Digest::of(&found)),
            ),
        })
    }
}
