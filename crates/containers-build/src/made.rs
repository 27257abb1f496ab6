//! What a build makes elsewhere without a name: the images of its single instructions, written down
//! as they come, so that they can be removed even if the build is killed.

use std::fs::File;
use std::io::Write as _;

use camino::Utf8Path;

use crate::error::Error;

/// The list's name in a build's work directory.
const LIST: &str = "made";

/// The list of what a build makes.
#[derive(Debug)]
pub(crate) struct MadeList {
    list: File,
}

impl MadeList {
    /// Begins a list in a build's work directory.
    pub(crate) fn begin(work: &Utf8Path) -> Result<Self, Error> {
        let path = work.join(LIST);
        let list = File::create(&path).map_err(|source| Error::file(&path, source))?;
        Ok(Self { list })
    }

    /// Writes down an image. That this fails is no reason to fail a build.
    pub(crate) fn note(&self, id: &str) {
        if let Err(error) = writeln!(&self.list, "{id}") {
            tracing::debug!(%error, id, "could not be written down");
        }
    }

    /// Reads what was written down in a work directory, in order.
    pub(crate) fn read(work: &Utf8Path) -> Vec<String> {
        let text = beneath::read_text(work.join(LIST), beneath::LIST).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
