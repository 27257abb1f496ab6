//! Removes what was made: everything in a tree's `out/`, or a part of it; or what killed builds have
//! left in an engine's store.
//!
//! Sources are not in there, and what is recorded in `digests/` is not either.

use std::collections::BTreeSet;
use std::fs;
use std::ops::AddAssign;
use std::sync::Arc;

use backend_api::Backend;
use camino::Utf8Path;
use walkdir::WalkDir;

use crate::builder::blocking;
use crate::claim;
use crate::error::{Error, IoContext};
use crate::event::{Event, Listener};
use crate::folders::{Access, Folders, remove_folder};
use crate::site::Site;

/// What is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// Everything: images, archives, records and logs.
    Everything,
    /// The logs of builds.
    Logs,
    /// What is remembered of files and outputs, to be found out again, and what runtimes have kept
    /// themselves for later builds.
    Cache,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cleaned {
    /// How many files.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl AddAssign for Cleaned {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.bytes += more.bytes;
    }
}

/// Removes what was made in the tree of `folders`, as soon as no other `stagex` builds in it. What
/// runtimes have kept themselves is removed by those of them that are among `backends`.
///
/// What a killed build has left is not removed: the next `make` has its engine remove it.
///
/// # Errors
///
/// What a runtime or the operating system does not let go.
pub async fn clean(
    folders: Folders,
    what: Clean,
    backends: Vec<Arc<dyn Backend>>,
    listener: Arc<dyn Listener>,
) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    if !folders.out().exists() {
        return Ok(cleaned);
    }
    let of = folders.clone();
    let mut waiting = move |process| listener.hear(Event::Waiting { process });
    let _lock = blocking(move || of.open(Access::Alone, &mut waiting)).await?;
    for backend in backends.iter().filter(|_| what != Clean::Logs) {
        let kept = folders.kept(backend.id());
        if kept.exists() {
            cleaned.count(&kept);
            backend.forget(&kept).await?;
            remove_folder(&kept).at("remove", &kept)?;
        }
    }
    cleaned += blocking(move || remove(&folders, what)).await?;
    Ok(cleaned)
}

fn remove(folders: &Folders, what: Clean) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    let kept = [folders.own(), folders.lock(), folders.work()];
    let parents = match what {
        Clean::Everything => vec![folders.out(), folders.own()],
        Clean::Logs => vec![folders.logs()],
        Clean::Cache => {
            for path in [folders.hashes(), folders.outputs()] {
                if path.exists() {
                    cleaned.count(&path);
                    remove_path(&path).at("remove", &path)?;
                }
            }
            Vec::new()
        }
    };
    for parent in parents {
        for entry in parent.read_dir_utf8().at("read", &parent)? {
            let path = entry.at("read", &parent)?.into_path();
            if !kept.contains(&path) {
                cleaned.count(&path);
                remove_path(&path).at("remove", &path)?;
            }
        }
    }
    Ok(cleaned)
}

/// Returns the runtimes that have something in their engines' stores that killed builds have put
/// there.
///
/// # Errors
///
/// The work folder cannot be read.
pub fn abandoned_runtimes(folders: &Folders) -> Result<BTreeSet<String>, Error> {
    if !folders.work().exists() {
        return Ok(BTreeSet::new());
    }
    let abandoned = claim::abandoned(folders, Access::Beside)?;
    let claims = abandoned.into_iter().filter_map(|left| left.claim);
    Ok(claims.map(|claim| claim.runtime).collect())
}

/// Has an engine remove what killed builds have put into its store, as soon as no other `stagex`
/// builds in the tree. Returns how many builds that were.
///
/// # Errors
///
/// What the engine or the operating system does not let go.
pub async fn clean_store(
    folders: &Folders,
    backend: &dyn Backend,
    listener: Arc<dyn Listener>,
) -> Result<usize, Error> {
    let site = Site::open(folders, Access::Alone, backend, &listener).await?;
    let count = site.removed();
    site.close(backend).await?;
    Ok(count)
}

impl Cleaned {
    fn count(&mut self, path: &Utf8Path) {
        let entries = WalkDir::new(path).into_iter().filter_map(Result::ok);
        let files = entries.filter_map(|entry| entry.metadata().ok());
        for metadata in files.filter(|metadata| !metadata.is_dir()) {
            self.files += 1;
            self.bytes += metadata.len();
        }
    }
}

/// Removes a folder with all that is in it, or a file; what a link leads to stays.
fn remove_path(path: &Utf8Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        remove_folder(path)
    } else {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_in_out_goes_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let folders = Folders::of_tree(root);
        let image = folders.output("core-a").join("index.json");
        let source = root.join("fetch/source");
        let left = folders.work().join("core-b-1/claim.json");
        for file in [&image, &folders.log("core-a"), &source, &left] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "four").unwrap();
        }
        std::os::unix::fs::symlink(&source, root.join("out/link")).unwrap();

        let logs = clean(folders.clone(), Clean::Logs, Vec::new(), Arc::new(())).await;
        assert_eq!(logs.unwrap(), Cleaned { files: 1, bytes: 4 });
        assert!(image.exists());

        let everything = clean(folders.clone(), Clean::Everything, Vec::new(), Arc::new(())).await;
        assert_eq!(everything.unwrap().files, 2, "the image's and the link");
        assert!(!image.exists() && source.exists() && left.exists());
        let again = clean(folders, Clean::Everything, Vec::new(), Arc::new(())).await;
        assert_eq!(again.unwrap(), Cleaned::default());
    }
}
