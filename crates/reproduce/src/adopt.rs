//! Takes what several runtimes made alike for a tree's own images: nothing builds it once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use build::{Event, Listener, blocking};
use documents::Digest;
use oci_image::put_together;
use state::{Access, Outputs, Record, Trust};
use tokio::sync::watch;

use crate::bootstrap::{Proven, ProvenPackage};
use crate::error::Error;
use crate::reproduce::Job;

/// The digests of images that were taken, by the full names of their packages.
pub type Adopted = BTreeMap<String, oci_image::Digest>;

/// Puts the proven images of a reproduction into `out/`, with the records of their builds, in place of what is there.
/// A package of which the same is there already is left as it is. Returns the digest of each.
///
/// # Errors
///
/// What cannot be read, verified or written; an interruption.
pub async fn adopt(
    job: &Job,
    proven: &Proven,
    listener: &Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<Adopted, Error> {
    let directories = job.directories.clone();
    let (profile, proven) = (job.profile, proven.by.clone());
    let listener = Arc::clone(listener);
    blocking(move || {
        let waiting = &mut |process| listener.hear(Event::Waiting { process });
        let _tree = directories.open(Access::Alone, waiting)?;
        let outputs = Outputs::of_tree(&directories, Trust::FileSystem);
        let mut adopted = BTreeMap::new();
        for ProvenPackage {
            package,
            runtimes,
            digests,
        } in &proven
        {
            if *interrupted.borrow() {
                return Err(build::Error::Interrupted.into());
            }
            let of_first = directories.of_reproduction(&runtimes[0]);
            let changed = || Error::Changed {
                package: package.clone(),
            };
            let found = Record::read(&of_first, package)?.record();
            let record = found.ok_or_else(changed)?;
            let image = of_first.images(package).map_err(state::Error::from)?;
            let manifests = image
                .platforms()
                .into_iter()
                .map(|(_, digest)| digest.into());
            if image.digest() != record.digest || manifests.collect::<Vec<Digest>>() != *digests {
                return Err(changed());
            }
            let output = outputs.look(package)?;
            let is_same = output.is_some_and(|output| {
                output.whole && (&output.key, output.digest) == (&record.key, record.digest)
            });
            if !is_same {
                Record::remove(&directories, package)?;
                put_together(image.images(), profile, &directories.output(package))
                    .map_err(state::Error::from)?;
                record.write(&directories, package)?;
            }
            adopted.insert(package.clone(), record.digest);
        }
        Ok(adopted)
    })
    .await
}
