//! Publishing to one registry: a look at all packages, then all that their tags lead to, and the tags last.
//!
//! What came of each package stays in its place, whatever ends the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use documents::{PublishOutcome, PublishedParts};
use registry::{Error, Publication, Publisher, Sent, Standing};

use crate::exit::ErrorKind;
use crate::failure::chain;
use crate::render;

/// A package on its way, and what came of it so far.
pub(super) struct Item {
    pub(super) package: String,
    pub(super) publication: Publication,
    standing: Option<Standing>,
    sent: Option<Sent>,
    is_done: bool,
    pub(super) failure: Option<Error>,
}

/// How it is published.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) latest: bool,
    pub(super) dry_run: bool,
    pub(super) quiet: bool,
}

impl Item {
    pub(super) fn new(package: String, publication: Publication) -> Self {
        Self {
            package,
            publication,
            standing: None,
            sent: None,
            is_done: false,
            failure: None,
        }
    }

    fn is_whole(&self) -> bool {
        self.standing.is_some_and(|standing| standing.is_whole())
    }

    pub(super) fn outcome(&self, how: How) -> PublishOutcome {
        let parts = |sent: Sent| PublishedParts {
            blobs: sent.sent,
            bytes: sent.bytes,
            mounted: sent.mounted,
            there: sent.there,
            referrers: sent.artifacts,
        };
        let sent = self.sent.map(parts);
        if let Some(error) = &self.failure {
            return PublishOutcome::Failed {
                kind: error.kind(),
                message: chain(error),
                hint: error.hint(),
            };
        }
        if self.is_whole() {
            PublishOutcome::Unchanged
        } else if self.is_done || (how.dry_run && self.standing.is_some()) {
            PublishOutcome::Published { sent }
        } else {
            PublishOutcome::Unpublished { sent }
        }
    }
}

/// Publishes packages to one registry.
pub(super) async fn publish(publisher: &Publisher, items: &mut [Item], how: How) {
    let looked = each(items, async |item: &mut Item| {
        let standing = publisher.look(&item.publication, how.latest).await?;
        item.standing = Some(standing);
        Ok(())
    });
    if !looked.await || how.dry_run {
        return;
    }
    let sent = each(items, async |item: &mut Item| {
        let Some(standing) = item.standing.filter(|standing| !standing.is_whole()) else {
            return Ok(());
        };
        let sent = publisher.send(&item.publication, &standing).await?;
        item.sent = Some(sent);
        if !how.quiet && sent != Sent::default() {
            let repository = item.publication.repository();
            render::note(&format!("{repository}: {sent}"));
        }
        Ok(())
    });
    if !sent.await {
        return;
    }
    let tagged = each(items, async |item: &mut Item| {
        if item.is_whole() {
            return Ok(());
        }
        publisher.tag(&item.publication).await?;
        item.is_done = !how.latest;
        Ok(())
    });
    if !tagged.await || !how.latest {
        return;
    }
    each(items, async |item: &mut Item| {
        if item.standing.and_then(|standing| standing.latest) == Some(false) {
            publisher.set_latest(&item.publication).await?;
        }
        item.is_done = true;
        Ok(())
    })
    .await;
}

/// Does something with each package, with several at the same time, and notes what fails. Nothing more is begun then,
/// unless it concerns that package alone. Tells whether nothing failed.
async fn each(items: &mut [Item], work: impl AsyncFn(&mut Item) -> Result<(), Error>) -> bool {
    let (ended, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let items = Mutex::new(items.iter_mut());
    let next = || {
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        items.next().filter(|_| !ended.load(Ordering::Relaxed))
    };
    let several = async || {
        while let Some(item) = next() {
            // It holds an upload, and is large.
            if let Err(error) = Box::pin(work(item)).await {
                failed.store(true, Ordering::Relaxed);
                ended.fetch_or(error.kind() != ErrorKind::Differs, Ordering::Relaxed);
                item.failure = Some(error);
            }
        }
    };
    tokio::join!(several(), several(), several(), several());
    !failed.load(Ordering::Relaxed)
}
