//! The hashes of files that were hashed before: what is unchanged by all that the file system says
//! of it is not read again.
//!
//! It knows files and their times, not what they are for. A hash is remembered only if the file had
//! rested for a while when it was read: one that is written again within the same tick of the
//! clock, with the same size, would look the same. (Version control calls such files racy.)

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use crate::context::{hex, sha256};
use crate::error::{Error, IoContext};
use crate::folders::write_whole;

/// The first line of the file. Raised when the rest changes its meaning.
const HEADER: &str = "stagex hashes 1";

/// For how many seconds a file must have rested. File systems' clocks are coarse (2 s at worst), and
/// that of a server may not be ours.
const REST: i64 = 3;

/// What the file system says of a file, all of which stays the same while its contents do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Tells whether the file had rested at `second`.
    fn rested_at(&self, second: i64) -> bool {
        self.modified.0.max(self.changed.0) < second - REST
    }
}

/// The hashes of files that were hashed before, in a file that is written whole.
#[derive(Debug)]
pub(crate) struct Hashes {
    path: Utf8PathBuf,
    root: Utf8PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By path, relative to the root.
    files: BTreeMap<Utf8PathBuf, (Identity, String)>,
    changed: bool,
}

impl Hashes {
    /// Reads the hashes in `path`, of files below `root`. What is not there, not whole or cannot be
    /// understood is as if nothing had been hashed.
    pub(crate) fn read(path: Utf8PathBuf, root: &Utf8Path) -> Self {
        let files = fs::read_to_string(&path).ok();
        let files = files.and_then(|text| parse(&text)).unwrap_or_default();
        let known = Known {
            files,
            changed: false,
        };
        Self {
            path,
            root: root.to_owned(),
            known: Mutex::new(known),
        }
    }

    /// Returns the sha256 of the contents of the file at `path`, in hex.
    pub(crate) fn sha256(&self, path: &Utf8Path) -> io::Result<String> {
        self.sha256_at(path, now())
    }

    fn sha256_at(&self, path: &Utf8Path, second: i64) -> io::Result<String> {
        let before = Identity::of(&fs::metadata(path)?);
        let name = path.strip_prefix(&self.root).unwrap_or(path);
        if let Some((known, hash)) = self.known().files.get(name)
            && *known == before
        {
            return Ok(hash.clone());
        }
        let hash = sha256(path)?;
        let after = Identity::of(&fs::metadata(path)?);
        if before == after && before.rested_at(second) {
            let mut known = self.known();
            known.files.insert(name.to_owned(), (before, hash.clone()));
            known.changed = true;
        }
        Ok(hash)
    }

    /// Writes the hashes, if there are new ones, without those of files that are gone.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let mut known = self.known();
        if !known.changed {
            return Ok(());
        }
        let Known { files, changed } = &mut *known;
        files.retain(|name, _| self.root.join(name).is_file());
        write_whole(&self.path, text(files).as_bytes()).at("write", &self.path)?;
        *changed = false;
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // What a panicking thread left is whole: entries are added in one step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the time, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock only decides whether a hash is remembered, and never reaches an output"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// Writes a line for each file; the path last, since it may hold spaces. The last line is the
/// sha256 over all others.
fn text(files: &BTreeMap<Utf8PathBuf, (Identity, String)>) -> String {
    let mut text = format!("{HEADER}\n");
    for (path, (identity, hash)) in files {
        if path.as_str().contains('\n') {
            continue;
        }
        let Identity {
            device,
            inode,
            size,
            modified: (modified, modified_fraction),
            changed: (changed, changed_fraction),
        } = identity;
        let _ = writeln!(
            text,
            "{hash} {device} {inode} {size} {modified} {modified_fraction} {changed} \
             {changed_fraction} {path}"
        );
    }
    let sum = hex(&Sha256::digest(&text));
    let _ = writeln!(text, "{sum}");
    text
}

fn parse(text: &str) -> Option<BTreeMap<Utf8PathBuf, (Identity, String)>> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    if hex(&Sha256::digest(body)) != sum {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != HEADER {
        return None;
    }
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(Utf8PathBuf, (Identity, String))> {
    let mut words = line.splitn(9, ' ');
    let hash = words.next()?.to_owned();
    let (device, inode, size) = (
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    );
    let mut time = || Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?));
    let identity = Identity {
        device,
        inode,
        size,
        modified: time()?,
        changed: time()?,
    };
    Some((words.next()?.into(), (identity, hash)))
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::Duration;

    use super::*;

    /// A tree with one file, last changed now, as each test must be fast; later is in the future.
    struct Scene {
        _temporary: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    /// A time at which everything in a scene has rested.
    fn later() -> i64 {
        now() + 60
    }

    impl Scene {
        fn new(contents: &str) -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
            fs::write(root.join("a file"), contents).unwrap();
            Self {
                _temporary: temporary,
                root,
            }
        }

        fn file(&self) -> Utf8PathBuf {
            self.root.join("a file")
        }

        fn hashes(&self) -> Hashes {
            Hashes::read(self.root.join("out/hashes"), &self.root)
        }

        /// Tells for how many files a hash is known after it was asked for at `second`.
        fn known_after(&self, second: i64) -> usize {
            let hashes = self.hashes();
            hashes.sha256_at(&self.file(), second).unwrap();
            hashes.write().unwrap();
            self.hashes().known().files.len()
        }

        /// Puts another hash into what is written, by which it shows where it comes from.
        fn mark(&self) {
            let hashes = self.hashes();
            for (_, hash) in hashes.known().files.values_mut() {
                "marked".clone_into(hash);
            }
            hashes.known().changed = true;
            hashes.write().unwrap();
        }
    }

    #[test]
    fn what_has_rested_is_not_read_again() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        scene.mark();
        assert_eq!(scene.hashes().sha256(&scene.file()).unwrap(), "marked");
    }

    #[test]
    fn what_was_written_just_now_is_read_again() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(now()), 0);
    }

    #[test]
    fn other_contents_of_the_same_size_and_time_are_read() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        scene.mark();
        let modified = fs::metadata(scene.file()).unwrap().modified().unwrap();
        fs::write(scene.file(), "two").unwrap();
        let file = fs::File::options().write(true).open(scene.file()).unwrap();
        let times = FileTimes::new().set_modified(modified);
        file.set_times(times).unwrap();
        let expected = sha256(&scene.file()).unwrap();
        assert_eq!(scene.hashes().sha256(&scene.file()).unwrap(), expected);
    }

    #[test]
    fn another_time_is_another_file() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        scene.mark();
        let file = fs::File::options().write(true).open(scene.file()).unwrap();
        let modified = UNIX_EPOCH + Duration::new(1, 1);
        file.set_times(FileTimes::new().set_modified(modified))
            .unwrap();
        assert_ne!(scene.hashes().sha256(&scene.file()).unwrap(), "marked");
    }

    #[test]
    fn what_is_broken_is_as_if_it_were_not_there() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        let path = scene.root.join("out/hashes");
        let whole = fs::read_to_string(&path).unwrap();
        let changed = whole.replacen("a file", "b file", 1);
        assert_ne!(whole, changed);
        for broken in [changed.as_str(), &whole[..whole.len() - 70], "", "\n"] {
            fs::write(&path, broken).unwrap();
            assert!(scene.hashes().known().files.is_empty(), "{broken}");
        }
    }

    #[test]
    fn files_that_are_gone_are_forgotten() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        fs::rename(scene.file(), scene.root.join("other")).unwrap();
        let hashes = scene.hashes();
        hashes
            .sha256_at(&scene.root.join("other"), later())
            .unwrap();
        hashes.write().unwrap();
        let known = scene.hashes();
        let names: Vec<_> = known.known().files.keys().cloned().collect();
        assert_eq!(names, ["other"]);
    }
}
