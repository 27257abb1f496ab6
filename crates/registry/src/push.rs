//! Pushing one image under a tag that its owner moves, as `docker push` does.

use oci_image::Digest;

use crate::error::Error;
use crate::publication::{LATEST, Publication};
use crate::publish::{Publisher, Sent, Standing};

/// What was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// What was sent.
    pub sent: Sent,
    /// What the tag stood for before, if that was something else.
    pub before: Option<Digest>,
}

impl Publisher {
    /// Sends an image, and lets its tag stand for it, whatever it stood for before.
    ///
    /// # Errors
    ///
    /// The first thing that could not be sent, or is not there afterwards as it was sent; the tag stands for something
    /// else afterwards.
    pub async fn push(&self, publication: &Publication) -> Result<Pushed, Error> {
        let tag = publication.tag().unwrap_or(LATEST);
        let found = self.stands_for(publication.repository(), tag).await?;
        let standing = Standing {
            tagged: found == Some(publication.digest()),
            missing: 0,
            latest: None,
        };
        let sent = self.send(publication, &standing).await?;
        if !standing.tagged {
            self.set(publication, tag).await?;
        }
        Ok(Pushed {
            sent,
            before: found.filter(|found| *found != publication.digest()),
        })
    }
}
