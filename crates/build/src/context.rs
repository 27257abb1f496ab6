//! The directory that a build reads with COPY and ADD: the package's own files, as they are in
//! version control, and its sources under `fetch/`.
//!
//! It is assembled anew for each build, so that nothing else reaches a build: no old source that
//! still lies about, no umask, no time of a checkout. What was hashed is what is copied. It knows files,
//! not what they mean.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use state::{Hash, IoContext as _};

use crate::copy;
use crate::error::Error;
use crate::ignore::Ignored;
use crate::listing::{ContextFile, ContextFileKind, FETCH, is_deletion, is_executable};

/// The time of the first file of a context: 2001-09-09T01:46:40Z. It is later than any epoch
/// that images are clamped to, so that a file of a context is never taken for one of a base
/// image; each further file is one second younger, so that two files are never taken for one.
///
/// The fraction of the second is made of the file's bytes. BuildKit keeps the files that it was
/// sent, and takes a file of the same name, size and time for the one that it has.
pub(crate) const FIRST_TIME: u64 = 1_000_000_000;

/// Whose a context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A package's: hard links are separate files and times do not count, as in version control.
    Package,
    /// One that a user has named: hard links stay, as with BuildKit. What is from before the epoch of images is refused,
    /// because its time would stay too.
    User { epoch: i64 },
}

/// Writes the files of `directory` that are not ignored into `context`, with the modes 0755 and 0644 and
/// with times that only the files decide. What lies under `fetch/` keeps its times. Returns whether two of them are hard
/// links to each other there.
///
/// # Errors
///
/// Also if a file is no longer what it was when it was listed and hashed.
pub(crate) fn assemble(
    directory: &Directory,
    files: &[ContextFile],
    ignored: &Ignored,
    whose: Whose,
    context: &Utf8Path,
) -> Result<bool, Error> {
    make_directory(context)?;
    let mut has_links = false;
    let mut copies: BTreeMap<(u64, u64), Utf8PathBuf> = BTreeMap::new();
    for (file, seconds) in without(ignored, files).zip(FIRST_TIME..) {
        let (from, to) = (directory.path().join(&file.path), context.join(&file.path));
        if file.path.file_name().is_some_and(is_deletion) {
            return Err(Error::Deletion { path: from });
        }
        if let Whose::User { epoch } = whose
            && directory
                .metadata(&file.path)
                .at("read", &from)?
                .is_some_and(|found| found.mtime() < epoch)
        {
            return Err(Error::Early { path: from });
        }
        match &file.kind {
            ContextFileKind::Directory => make_directory(&to)?,
            ContextFileKind::Symlink(target) => symlink(target, &to).at("link", &to)?,
            ContextFileKind::Special(found) => return Err(Error::Special { path: from, found }),
            ContextFileKind::File {
                executable,
                hash,
                identity,
            } => {
                if let Whose::User { .. } = whose {
                    match copies.entry((identity.device, identity.inode)) {
                        Entry::Occupied(copy) => {
                            fs::hard_link(copy.get(), &to).at("link", &to)?;
                            has_links = true;
                            continue;
                        }
                        Entry::Vacant(free) => free.insert(to.clone()),
                    };
                }
                let opened = directory.file(&file.path).at("open", &from)?;
                let metadata = opened.metadata().at("read", &from)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                let (copied, found) = copy::copy(&opened, &to, mode).at("copy", &from)?;
                let is_known = hash
                    .as_ref()
                    .is_none_or(|hash| *hash == printable::hex(&found));
                if !is_known || is_executable(&metadata) != *executable {
                    return Err(Error::Changed { path: from });
                }
                let time = if file.path.starts_with(FETCH) {
                    metadata.modified().at("read", &from)?
                } else {
                    time(seconds, &found)
                };
                copied.set_modified(time).at("set time of", &to)?;
            }
        }
    }
    Ok(has_links)
}

/// Returns the files that are not ignored, and the directories that they are in.
fn without<'a>(
    ignored: &Ignored,
    files: &'a [ContextFile],
) -> impl Iterator<Item = &'a ContextFile> {
    // A directory comes before what is in it.
    let mut on_the_way: Vec<&ContextFile> = Vec::new();
    files.iter().flat_map(move |file| {
        on_the_way.retain(|directory| file.path.starts_with(&directory.path));
        if !ignored.has(&file.path) {
            on_the_way.push(file);
            return std::mem::take(&mut on_the_way);
        }
        if file.kind == ContextFileKind::Directory {
            on_the_way.push(file);
        }
        Vec::new()
    })
}

/// Returns the time of a file of a context, whose fraction stands for its contents.
pub(crate) fn time(seconds: u64, hash: &Hash) -> SystemTime {
    let [a, b, c, d, ..] = *hash;
    let fraction = u32::from_be_bytes([a, b, c, d]) % 1_000_000_000;
    SystemTime::UNIX_EPOCH + Duration::new(seconds, fraction)
}

/// Makes a directory that everyone may read, whatever the umask.
pub(crate) fn make_directory(path: &Utf8Path) -> Result<(), state::Error> {
    fs::create_dir_all(path).at("create directory", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).at("set mode of", path)
}

#[cfg(test)]
mod tests;
