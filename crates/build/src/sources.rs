//! The sources of a package, on their way from the tree's `fetch/` into a context: each is the file
//! that was checked, and no other.
//!
//! It does not know how they are downloaded.

use std::io;

use camino::Utf8Path;
use package_tree::Source;

use crate::context::{FIRST_TIME, make_directory, time};
use crate::copy;
use crate::error::Error;
use crate::missing::MissingSource;
use state::IoContext as _;

/// Puts sources from the tree's `fetch/<stage>/<name>/` into `to`, each of them with the hash that is
/// said of it.
///
/// A source may be a symbolic link, and so may that directory: archives may lie elsewhere. What is copied
/// is the file that was opened, once, and what is hashed is the copy. It is a copy in any case, since some engines
/// let a build write into its context.
pub(crate) fn take(sources: &[Source], from: &Utf8Path, to: &Utf8Path) -> Result<(), Error> {
    make_directory(to)?;
    for source in sources {
        let path = from.join(&source.file);
        let opened = match beneath::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::MissingSources(
                    MissingSource::of(sources, from).collect(),
                ));
            }
            opened => opened.at("open", &path)?,
        };
        let (copied, hash) =
            copy::copy(&opened, &to.join(&source.file), 0o644).at("copy", &path)?;
        let found = printable::hex(&hash);
        if found != source.hash {
            let (key, expected) = (source.key.clone(), source.hash.clone());
            return Err(Error::WrongSource {
                key,
                path,
                expected,
                found,
            });
        }
        copied
            .set_modified(time(FIRST_TIME, &hash))
            .at("set time of", &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
