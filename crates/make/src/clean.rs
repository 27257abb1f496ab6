//! Removes what was made: everything in a tree's `out/`, or a part of it; or what killed builds have
//! left in an engine's store.
//!
//! Sources are not in there, and what is recorded in `digests/` is not either.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Arc;

use backend_api::Backend;
use beneath::Directory;
use build::{Error, Event, Listener, Session, Work, abandoned, blocking};
use camino::{Utf8Path, Utf8PathBuf};
use state::{
    Access, Directories, HASHES, IoContext as _, LOCK, LOGS, MADE, OUTPUTS, OWN, PULLED, WORK,
};
use walkdir::WalkDir;

/// What is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// Everything: images, archives, records and logs.
    Everything,
    /// Everything but what has a name of its own in `out/`: where there is no tree, that may be somebody
    /// else's.
    Own,
    /// The logs of builds.
    Logs,
    /// What is remembered of files and outputs, to be found out again, what was pulled from registries, and what
    /// runtimes have kept themselves for later builds.
    Cache,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Removes what was made in the tree of `directories`, as soon as no other `stagex` builds in it. What
/// runtimes have kept themselves, and what belongs to users of their namespaces, is removed by those of
/// them that are among `backends`.
///
/// Everything goes to another place first, so that nobody waits while it is removed; what is left there when
/// this process is killed goes with the next build. What a killed build has left in an engine's store is not
/// removed: the next `make` has its engine remove it.
///
/// # Errors
///
/// What a runtime or the operating system does not let go.
pub async fn clean(
    directories: Directories,
    what: Clean,
    backends: Vec<Arc<dyn Backend>>,
    listener: Arc<dyn Listener>,
) -> Result<Cleaned, Error> {
    if directories.open_out()?.is_none() {
        return Ok(Cleaned::default());
    }
    let mut cleaned = Cleaned::default();
    if matches!(what, Clean::Everything | Clean::Own) {
        let of = directories.clone();
        cleaned.files += blocking(move || of.clear_parts()).await?;
    }
    let of = directories.clone();
    let hearing = Arc::clone(&listener);
    let mut waiting = move |process| hearing.hear(Event::Waiting { process });
    let lock = blocking(move || of.open(Access::Alone, &mut waiting)).await?;
    let backends: Vec<&dyn Backend> = backends.iter().map(AsRef::as_ref).collect();
    let kept: Vec<String> = backends
        .iter()
        .map(|backend| backend.id().to_owned())
        .collect();
    let of = directories.clone();
    let (mut names, aside) = blocking(move || {
        let aside = Work::begin(&of, "clean")?;
        let names = put_aside(&of, what, &kept, &aside)?;
        Ok::<_, Error>((names, aside))
    })
    .await?;
    if matches!(what, Clean::Everything | Clean::Own) {
        names.extend(left_in_work(&directories, &backends)?);
    }
    drop(lock);
    if !names.is_empty() {
        listener.hear(Event::Cleaning);
    }

    let mut result = Ok(());
    for (directory, name) in names {
        let mut found = Cleaned::default();
        found.count(&directory.as_std_path().join(&name));
        // What cannot be removed is no reason to keep the rest.
        match build::remove(&directory, &name, &backends).await {
            Ok(()) => cleaned += found,
            Err(error) => result = result.and(Err(error)),
        }
    }
    result?;
    blocking(move || aside.end(false)).await?;
    Ok(cleaned)
}

/// Something that is to be removed: the directory that it is in, and its name there.
type Goner = (Utf8PathBuf, OsString);

/// Puts what is to be removed into another directory. Returns each of it; what cannot be moved, such as what
/// belongs to another user, where it is.
fn put_aside(
    directories: &Directories,
    what: Clean,
    kept: &[String],
    aside: &Work,
) -> Result<Vec<Goner>, Error> {
    let (Some(out), Some(own)) = (directories.open_out()?, directories.open_own()?) else {
        return Ok(Vec::new());
    };
    let names = |directory: &Directory, but: &[&str]| -> Result<Vec<OsString>, Error> {
        let entries = directory.entries().at("read", directory.path())?;
        let names = entries.into_iter().map(|entry| entry.raw);
        Ok(names
            .filter(|name| !but.iter().any(|but| name == but))
            .collect())
    };
    let logs = || {
        own.directory(LOGS.into())
            .at("open", &own.path().join(LOGS))
    };
    let mut goners: Vec<(Directory, Vec<OsString>)> = Vec::new();
    let open = |directory: &Directory| {
        let opened = directory.directory(Utf8Path::new(""));
        opened.at("open", directory.path())
    };
    match what {
        Clean::Everything => {
            goners.push((open(&out)?, names(&out, &[OWN])?));
            goners.push((open(&own)?, names(&own, &[LOCK, MADE, WORK])?));
        }
        Clean::Own => goners.push((open(&own)?, names(&own, &[LOCK, MADE, WORK])?)),
        Clean::Logs => {
            let logs = logs()?;
            let names = names(&logs, &[])?;
            goners.push((logs, names));
        }
        Clean::Cache => {
            let ours = [HASHES, OUTPUTS, PULLED].map(str::to_owned);
            let all = ours.iter().chain(kept).cloned();
            goners.push((open(&own)?, all.map(OsString::from).collect()));
        }
    }
    if matches!(what, Clean::Everything | Clean::Own)
        && let Some(work) = directories.open_work()?
    {
        // No build of ours has such a name.
        let mut names = names(&work, &[])?;
        names.retain(|name| name.to_str().is_none());
        goners.push((work, names));
    }
    let mut moved = Vec::new();
    for (directory, names) in goners {
        for name in names {
            match aside.take(&directory, &name, moved.len()) {
                Ok(new) => moved.push((aside.directory().to_owned(), new.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => moved.push((directory.path().to_owned(), name)),
            }
        }
    }
    Ok(moved)
}

/// Returns what killed builds have left in the work directory, but for those that may have something in an
/// engine's store: there only the engine can tell.
fn left_in_work(directories: &Directories, backends: &[&dyn Backend]) -> Result<Vec<Goner>, Error> {
    let storeless = |runtime: &str| {
        let mut backends = backends.iter();
        backends.any(|backend| backend.id() == runtime && !backend.has_store())
    };
    let left = abandoned(directories, Access::Alone)?.into_iter();
    let gone = left.filter(|left| {
        let claim = left.claim.as_ref();
        claim.is_none_or(|claim| storeless(&claim.runtime))
    });
    Ok(gone.map(|left| (left.work, left.name.into())).collect())
}

/// Returns the runtimes that have something in their engines' stores that killed builds have put
/// there.
///
/// # Errors
///
/// The work directory cannot be read.
pub fn abandoned_runtimes(directories: &Directories) -> Result<BTreeSet<String>, Error> {
    let left = abandoned(directories, Access::Beside)?;
    let claims = left.into_iter().filter_map(|left| left.claim);
    Ok(claims.map(|claim| claim.runtime).collect())
}

/// Has an engine remove what killed builds have put into its store, as soon as no other `stagex`
/// builds in the tree. Returns how many builds that were.
///
/// # Errors
///
/// What the engine or the operating system does not let go.
pub async fn clean_store(
    directories: &Directories,
    backend: &dyn Backend,
    listener: Arc<dyn Listener>,
) -> Result<usize, Error> {
    let session = Session::open(directories, Access::Alone, backend, &listener).await?;
    let count = session.removed();
    session.close(backend).await?;
    Ok(count)
}

impl Cleaned {
    fn count(&mut self, path: &Path) {
        // Of a symbolic link, only the link goes.
        let entries = WalkDir::new(path).follow_root_links(false);
        for entry in entries {
            match entry.and_then(|entry| entry.metadata()) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(metadata) => {
                    self.files += 1;
                    self.bytes += metadata.len();
                }
                // Another user's directory: what is in it cannot be counted.
                Err(_) => self.files += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use state::RECORDS;

    #[tokio::test]
    async fn everything_in_out_goes_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let directories = Directories::of_tree(root);
        let image = directories.output("core-a").join("index.json");
        let source = root.join("fetch/source");
        let left = directories.work().join("core-b-1/claim.json");
        let kept = directories.make_seeds("core-a").unwrap().join("one");
        for file in [&image, &directories.log("core-a"), &source, &left, &kept] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "four").unwrap();
        }
        std::os::unix::fs::symlink(&source, root.join("out/link")).unwrap();

        let logs = clean(directories.clone(), Clean::Logs, Vec::new(), Arc::new(())).await;
        assert_eq!(logs.unwrap(), Cleaned { files: 1, bytes: 4 });
        assert!(image.exists());

        let everything = clean(
            directories.clone(),
            Clean::Everything,
            Vec::new(),
            Arc::new(()),
        )
        .await;
        // The claim in the work directory was not written by this user.
        assert_eq!(
            everything.unwrap().files,
            4,
            "the image's, the link, the claim and what seeds gave"
        );
        assert!(!image.exists() && source.exists() && !left.exists() && !kept.exists());
        let again = clean(directories, Clean::Everything, Vec::new(), Arc::new(())).await;
        assert_eq!(again.unwrap(), Cleaned::default());
    }

    #[tokio::test]
    async fn what_is_no_directory_of_ours_goes_and_so_does_a_name_that_is_not_utf_8() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let (directories, outside) = (
            Directories::of_tree(&root.join("tree")),
            root.join("outside"),
        );
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("core-a.json"), "precious").unwrap();
        fs::create_dir_all(directories.work()).unwrap();
        std::os::unix::fs::symlink(&outside, directories.own().join(RECORDS)).unwrap();
        fs::write(directories.own().join(LOGS), "").unwrap();
        let places = [directories.out(), directories.own(), directories.work()];
        for place in &places {
            let directory = place.as_std_path().join(OsStr::from_bytes(b"\xff"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join(OsStr::from_bytes(b"\xfe")), "").unwrap();
        }
        let cleaned = clean(
            directories.clone(),
            Clean::Everything,
            Vec::new(),
            Arc::new(()),
        );
        assert_eq!(cleaned.await.unwrap().files, 5);
        let left = |place: &Utf8PathBuf| {
            let mut left = fs::read_dir(place).unwrap();
            left.any(|entry| entry.unwrap().file_name().to_str().is_none())
        };
        assert!(!places.iter().any(left));
        assert!(outside.join("core-a.json").exists());
    }

    #[test]
    fn a_directory_is_replaced_where_a_file_of_ours_is_written() {
        let temporary = tempfile::tempdir().unwrap();
        let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
        let record = directories.record("core-a");
        fs::create_dir_all(record.join("deep")).unwrap();
        let path = Utf8Path::new(RECORDS).join("core-a.json");
        directories.write_own(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(record).unwrap(), "new");
    }

    #[tokio::test]
    async fn what_a_killed_build_left_in_a_store_is_its_engines() {
        let temporary = tempfile::tempdir().unwrap();
        let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
        let nobody = &mut |_| panic!("nobody else holds the lock");
        drop(directories.open(Access::Alone, nobody).unwrap());
        let work = Work::begin(&directories, "core-a").unwrap();
        let claim = build::CleanupRecord {
            runtime: "docker".to_owned(),
            image: backend_api::BuiltImage {
                key: backend_api::BuildKey::new(work.name()),
                reference: work.name().to_owned(),
                also_made: Vec::new(),
                steps: Vec::new(),
                base_layers: 0,
                work: work.directory().join("engine"),
            },
        };
        work.claim(&claim).unwrap();
        let directory = work.directory().to_owned();
        drop(work);
        let cleaning = clean(
            directories.clone(),
            Clean::Everything,
            Vec::new(),
            Arc::new(()),
        );
        cleaning.await.unwrap();
        assert!(directory.exists());
        let runtimes = abandoned_runtimes(&directories).unwrap();
        assert_eq!(runtimes.into_iter().collect::<Vec<_>>(), ["docker"]);
    }
}
