//! The hashes of files that were hashed before: what is unchanged by all that the file system says
//! of it is not read again.
//!
//! It knows files, not what they are for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, PoisonError};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};

use crate::directories::Directories;
use crate::error::Error;
use crate::hashing::hash;
use crate::identity::{Identity, now};
use crate::proof::Purpose;

/// The file, beside what is nobody's output.
pub const FILE: &str = "hashes";
/// The first line of the file. Raised when the rest changes its meaning.
const HEADER: &str = "stagex hashes 2";

/// The hashes of files that were hashed before, in a file that is written whole.
#[derive(Debug)]
pub struct Hashes {
    directories: Directories,
    root: Utf8PathBuf,
    /// What was known at the beginning, by path relative to the root.
    known: Known,
    /// What came to be known since.
    added: Mutex<Known>,
}

type Known = BTreeMap<String, (Identity, String)>;

impl Hashes {
    /// Reads the hashes of a tree's files. What is not there, not proven or cannot be understood is as if
    /// nothing had been hashed.
    pub fn of_tree(directories: &Directories) -> Self {
        let text = directories.read_own(FILE.into(), beneath::LIST);
        let known = text.and_then(|text| {
            let proof = directories.proof();
            proof.open(Purpose::Hashes, "", &text).and_then(parse)
        });
        Self {
            directories: directories.clone(),
            root: directories.root().to_owned(),
            known: known.unwrap_or_default(),
            added: Mutex::default(),
        }
    }

    /// Returns the sha256 of the contents of a file, in hex. `name` is its path relative to the
    /// root, and `identity` what the file system said of it just now.
    pub fn sha256(&self, name: &Utf8Path, identity: Identity) -> io::Result<String> {
        self.sha256_at(name, identity, now())
    }

    fn sha256_at(&self, name: &Utf8Path, before: Identity, second: i64) -> io::Result<String> {
        let same = |known: &(Identity, String)| (known.0 == before).then(|| known.1.clone());
        let known = self.known.get(name.as_str()).and_then(same);
        if let Some(hash) = known.or_else(|| self.added().get(name.as_str()).and_then(same)) {
            return Ok(hash);
        }
        // Both are of the file that is read, whatever has its name by now.
        let file = Directory::open(&self.root)?.file(name)?;
        let opened = Identity::of(&file.metadata()?);
        let hash = printable::hex(&hash(&file)?);
        let after = Identity::of(&file.metadata()?);
        if before == opened && opened == after && before.rested_at(second) {
            let added = (before, hash.clone());
            self.added().insert(name.as_str().to_owned(), added);
        }
        Ok(hash)
    }

    /// Writes the hashes, if there are new ones, without those of files that are gone.
    pub fn write(&self) -> Result<(), Error> {
        let added = self.added();
        if added.is_empty() {
            return Ok(());
        }
        let mut files = self.known.clone();
        files.extend(added.clone());
        files.retain(|name, _| self.root.join(name).is_file());
        let text = text(&files);
        let text = self.directories.proof().seal(Purpose::Hashes, "", &text);
        self.directories.write_own(FILE.into(), text.as_bytes())
    }

    fn added(&self) -> std::sync::MutexGuard<'_, Known> {
        // What a panicking thread left is whole: entries are added in one step.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line for each file; the path last, since it may hold spaces.
fn text(files: &Known) -> String {
    let mut text = format!("{HEADER}\n");
    for (path, (identity, hash)) in files {
        if path.contains('\n') {
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
    text
}

fn parse(text: &str) -> Option<Known> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return None;
    }
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, (Identity, String))> {
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
    Some((words.next()?.to_owned(), (identity, hash)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::directories::Access;

    /// A tree with one file, last changed now, as each test must be fast; later is in the future.
    struct Scene {
        _temporary: tempfile::TempDir,
        root: Utf8PathBuf,
        directories: Directories,
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
            let directories = Directories::of_tree(&root);
            // What is written down is bound to where it is.
            let nobody = &mut |_| panic!("nobody else holds the lock");
            directories.open(Access::Alone, nobody).unwrap();
            Self {
                _temporary: temporary,
                root,
                directories,
            }
        }

        fn file(&self) -> Utf8PathBuf {
            self.root.join("a file")
        }

        fn hashes(&self) -> Hashes {
            Hashes::of_tree(&self.directories)
        }

        /// Returns the hash of a file, asked for at `second`.
        fn hash(&self, hashes: &Hashes, name: &str, second: i64) -> String {
            let identity = Identity::of(&fs::metadata(self.root.join(name)).unwrap());
            hashes.sha256_at(name.into(), identity, second).unwrap()
        }

        /// Returns the hash of the file, as somebody else finds it later.
        fn found(&self) -> String {
            self.hash(&self.hashes(), "a file", later())
        }

        /// Tells for how many files a hash is known after it was asked for at `second`.
        fn known_after(&self, second: i64) -> usize {
            let hashes = self.hashes();
            self.hash(&hashes, "a file", second);
            hashes.write().unwrap();
            self.hashes().known.len()
        }

        /// Puts another hash into what is written, by which it shows where it comes from.
        fn mark(&self) {
            let hashes = self.hashes();
            for (name, (identity, _)) in &hashes.known {
                let marked = (*identity, "marked".to_owned());
                hashes.added().insert(name.clone(), marked);
            }
            hashes.write().unwrap();
        }
    }

    #[test]
    fn what_has_rested_is_not_read_again() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        scene.mark();
        assert_eq!(scene.found(), "marked");
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
        let expected = oci_image::Digest::of(b"two").hex();
        assert_eq!(scene.found(), expected);
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
        assert_ne!(scene.found(), "marked");
    }

    #[test]
    fn what_is_broken_is_as_if_it_were_not_there() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        let path = scene.root.join("out/.stagex/hashes");
        let whole = fs::read_to_string(&path).unwrap();
        let changed = whole.replacen("a file", "b file", 1);
        assert_ne!(whole, changed);
        for broken in [changed.as_str(), &whole[..whole.len() - 70], "", "\n"] {
            fs::write(&path, broken).unwrap();
            assert!(scene.hashes().known.is_empty(), "{broken}");
        }
    }

    #[test]
    fn files_that_are_gone_are_forgotten() {
        let scene = Scene::new("one");
        assert_eq!(scene.known_after(later()), 1);
        fs::rename(scene.file(), scene.root.join("other")).unwrap();
        let hashes = scene.hashes();
        scene.hash(&hashes, "other", later());
        hashes.write().unwrap();
        let names: Vec<_> = scene.hashes().known.into_keys().collect();
        assert_eq!(names, ["other"]);
    }
}
