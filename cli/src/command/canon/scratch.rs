//! Where an image is worked on: a directory that goes away again, also if the user interrupts the work.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use canon::Request;
use delivery::Delivery;
use tempfile::{Builder, TempDir};

use super::known::KnownImage;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::wait;

/// How often it is tried to remove the directory while work that was interrupted still writes into it.
const TRIES: usize = 10;

/// A directory for what is written on the way.
pub(super) struct Scratch(TempDir, Utf8PathBuf);

impl Scratch {
    /// Makes one beside where the image goes, so that the image can be moved there; otherwise where temporary
    /// files go.
    pub(super) fn new(delivery: Option<&Delivery>) -> Result<Self, Failure> {
        let beside = match delivery {
            Some(Delivery::Directory(path) | Delivery::File(path)) => path.parent(),
            _ => None,
        };
        let mut builder = Builder::new();
        builder.prefix(".stagex-canon.");
        let made = match beside {
            Some(parent) => fs::create_dir_all(parent)
                .and_then(|()| builder.tempdir_in(parent))
                .map_err(|error| place::cannot("write into", parent, &error))?,
            None => builder.tempdir().map_err(|error| {
                let directory = std::env::temp_dir();
                cannot_write(&directory.to_string_lossy(), &error.to_string())
            })?,
        };
        let path = Utf8PathBuf::from_path_buf(made.path().to_owned());
        let path =
            path.map_err(|path| cannot_write(&path.to_string_lossy(), "the path is not UTF-8"))?;
        Ok(Self(made, path))
    }

    /// Works on an image on a thread of its own, so that the user can interrupt it. The work is given where its
    /// layout goes, and an empty directory.
    pub(super) fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        found: KnownImage,
        work: impl FnOnce(&Request<'_>, &Utf8Path, &Utf8Path) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let (layout, unpacked) = (self.1.join("layout"), self.1.join("work"));
        fs::create_dir(&unpacked).map_err(|error| place::cannot("make", &unpacked, &error))?;
        wait::block_on(async {
            let mut interrupted = wait::watch();
            let worked = build::blocking(move || work(&found.request(), &layout, &unpacked));
            Ok(wait::unless(&mut interrupted, worked).await??)
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let gone = |_: &usize| fs::remove_dir_all(self.0.path()).is_ok();
        let _ = (0..TRIES).find(gone);
    }
}

/// Says why nothing can be written where temporary files go.
fn cannot_write(directory: &str, why: &str) -> Failure {
    let message = format!("cannot write into {}: {why}", printable::line(directory));
    let hint = "set TMPDIR to a directory that can be written".to_owned();
    Failure::of(ErrorKind::Environment, [(message, Some(hint))])
}
