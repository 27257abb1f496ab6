//! What lies in `out/` of a package: its record, and the layout that the record is of. What was
//! found there is remembered, and not read again while all that the file system says of every file
//! of it is the same.
//!
//! It knows files. It does not know what a package is made from, so not what is up to date.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beneath::Directory;
use camino::Utf8Path;
use oci_image::Digest;

use crate::directories::{Directories, record_file};
use crate::error::Error;
use crate::identity::{Identity, now};
use crate::proof::Purpose;
use crate::record::Record;

/// The file, beside what is nobody's output.
pub const FILE: &str = "outputs";
/// The first line of the file. Raised when the rest changes its meaning.
const HEADER: &str = "stagex outputs 3";
/// Where blobs are in a layout, and how its index is seen from there.
const BLOBS: &str = "blobs/sha256";
const INDEX: &str = "../../index.json";

/// What a package's record says, and whether what it says is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The key of the inputs of its last build.
    pub key: String,
    /// The digest of what came out.
    pub digest: Digest,
    /// How long it took.
    pub duration: Duration,
    /// Whether the layout in `out/` has that digest, and all its blobs have theirs.
    pub whole: bool,
}

/// What is taken for unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// What the file system says the same of as before.
    FileSystem,
    /// Nothing: all bytes are read.
    Nothing,
}

/// What lies in a tree's `out/`.
#[derive(Debug)]
pub struct Outputs {
    directories: Directories,
    /// The directories with all outputs and with all records, if they are there.
    places: Option<(Directory, Directory)>,
    /// Whether what is known is believed.
    trust: Trust,
    /// What was known at the beginning, by the package's full name.
    known: Known,
    /// What came to be known since.
    added: Mutex<Known>,
}

type Known = BTreeMap<String, Seen>;

/// An output that was found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    key: String,
    digest: Digest,
    duration: Duration,
    /// The blobs of its layout.
    blobs: Vec<Digest>,
    /// The sha256 over what the file system said of its record and of all files of its layout.
    state: Digest,
}

impl Outputs {
    /// Reads what was found before. What is not there, not proven or cannot be understood is as if
    /// nothing had been found.
    pub fn of_tree(directories: &Directories, trust: Trust) -> Self {
        let read = || {
            let text = directories.read_own(FILE.into(), beneath::LIST)?;
            let proof = directories.proof();
            proof.open(Purpose::Outputs, "", &text).and_then(parse)
        };
        let known = match trust {
            Trust::FileSystem => read(),
            Trust::Nothing => None,
        };
        // Whatever is wrong with them is said by whoever has to have them.
        let open = || {
            Some((
                directories.open_out().ok()??,
                directories.open_records().ok()??,
            ))
        };
        Self {
            directories: directories.clone(),
            places: open(),
            trust,
            known: known.unwrap_or_default(),
            added: Mutex::default(),
        }
    }

    /// Returns what lies in `out/` of the package `name`; `None` if there is no record of it.
    pub fn look(&self, name: &str) -> Result<Option<Output>, Error> {
        self.look_at(name, now())
    }

    fn look_at(&self, name: &str, second: i64) -> Result<Option<Output>, Error> {
        let is_same = |seen: &Seen| {
            let state = self.state(name, seen.blobs.iter());
            state.is_ok_and(|(_, state)| state == seen.state)
        };
        if let Some(seen) = self.known.get(name).filter(|seen| is_same(seen)) {
            return Ok(Some(seen.output()));
        }
        let added = self.added().get(name).cloned();
        if let Some(seen) = added.filter(is_same) {
            return Ok(Some(seen.output()));
        }
        let Some(record) = Record::read(&self.directories, name)?.record() else {
            return Ok(None);
        };
        let mut output = Output {
            key: record.key,
            digest: record.digest,
            duration: Duration::from_millis(record.milliseconds),
            whole: false,
        };
        let Ok(image) = self.directories.images(name) else {
            return Ok(Some(output));
        };
        let all = image.blobs();
        let blobs = || all.iter().map(|blob| &blob.digest);
        let Ok((files, state)) = self.state(name, blobs()) else {
            return Ok(Some(output));
        };
        output.whole = image.digest() == output.digest && image.verify().is_ok();
        if output.whole && files.iter().all(|file| file.rested_at(second)) {
            let seen = Seen {
                key: output.key.clone(),
                digest: output.digest,
                duration: output.duration,
                blobs: blobs().copied().collect(),
                state,
            };
            self.added().insert(name.to_owned(), seen);
        }
        Ok(Some(output))
    }

    /// Returns each platform and digest of what lies in `out/` of the package `name`, recorded or not;
    /// nothing if nothing lies there. What does not have the digests that it says is an error.
    pub fn images(&self, name: &str) -> Result<Vec<(String, Digest)>, Error> {
        let is_there = match self.directories.open_out()? {
            Some(out) => out.metadata(&Utf8Path::new(name).join("index.json")),
            None => Ok(None),
        };
        if matches!(is_there, Ok(None)) {
            return Ok(Vec::new());
        }
        let image = self.directories.images(name)?;
        // What was looked at just now may have been built before this process began.
        if self.trust == Trust::Nothing || !self.look(name)?.is_some_and(|output| output.whole) {
            image.verify()?;
        }
        Ok(image.platforms())
    }

    /// Asks the file system for all files of an output, the record and the index first, and
    /// returns what it says, and the sha256 over that.
    fn state<'a>(
        &self,
        name: &str,
        blobs: impl Iterator<Item = &'a Digest>,
    ) -> io::Result<(Vec<Identity>, Digest)> {
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        let (out, records) = self.places.as_ref().ok_or_else(absent)?;
        // Once it is known that no link leads there, each file is one system call.
        let inner = out.directory(&Utf8Path::new(name).join(BLOBS))?;
        let mut files = Vec::new();
        for (directory, file) in [(records, record_file(name)), (&inner, INDEX.to_owned())] {
            files.push(Identity::of_status(&directory.status(&file)?));
        }
        for blob in blobs {
            files.push(Identity::of_status(&inner.status(&blob.hex())?));
        }
        let bytes: Vec<u8> = files.iter().flat_map(|file| file.to_bytes()).collect();
        Ok((files, Digest::of(&bytes)))
    }

    /// Writes what was found, if anything is new, without what is gone.
    pub fn write(&self) -> Result<(), Error> {
        let added = self.added();
        if added.is_empty() {
            return Ok(());
        }
        let mut outputs = self.known.clone();
        outputs.extend(added.clone());
        if let Some(records) = self.directories.open_records()? {
            outputs.retain(|name, _| records.status(&record_file(name)).is_ok());
        }
        let text = text(&outputs);
        let text = self.directories.proof().seal(Purpose::Outputs, "", &text);
        self.directories.write_own(FILE.into(), text.as_bytes())
    }

    fn added(&self) -> std::sync::MutexGuard<'_, Known> {
        // What a panicking thread left is whole: entries are added in one step.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn output(&self) -> Output {
        Output {
            key: self.key.clone(),
            digest: self.digest,
            duration: self.duration,
            whole: true,
        }
    }
}

/// Writes a line for each output; the name last, since it may hold spaces.
fn text(outputs: &Known) -> String {
    let mut text = format!("{HEADER}\n");
    for (name, seen) in outputs {
        if name.contains('\n') || seen.key.contains(char::is_whitespace) {
            continue;
        }
        let milliseconds = seen.duration.as_millis();
        let (key, digest, state) = (&seen.key, seen.digest, seen.state);
        let _ = write!(text, "{key} {digest} {milliseconds} {state} ");
        for (place, blob) in seen.blobs.iter().enumerate() {
            let _ = write!(text, "{}{blob}", if place > 0 { "," } else { "" });
        }
        let _ = writeln!(text, " {name}");
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

fn parse_line(line: &str) -> Option<(String, Seen)> {
    let mut words = line.splitn(6, ' ');
    let key = words.next()?.to_owned();
    let digest = words.next()?.parse().ok()?;
    let duration = Duration::from_millis(words.next()?.parse().ok()?);
    let state = words.next()?.parse().ok()?;
    let blobs = words.next()?.split(',').map(|blob| blob.parse().ok());
    let seen = Seen {
        key,
        digest,
        duration,
        blobs: blobs.collect::<Option<_>>()?,
        state,
    };
    Some((words.next()?.to_owned(), seen))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8PathBuf;
    use containerfile::{Platform, Scope};
    use oci_image::{ImageRequest, LayerSource, Layout, Recorded};

    use super::*;
    use crate::directories::Access;
    use crate::record::Inputs;

    /// A tree with one output, written now, as each test must be fast; later is in the future.
    struct Scene {
        _temporary: tempfile::TempDir,
        directories: Directories,
    }

    const NAME: &str = "core-a";

    /// A time at which everything in a scene has rested.
    fn later() -> i64 {
        now() + 60
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
            let nobody = &mut |_| panic!("nobody else holds the lock");
            directories.open(Access::Alone, nobody).unwrap();
            let layout = directories.output(NAME);
            let platform: Platform = "linux/amd64".parse().unwrap();
            let build = containerfile::parse("FROM scratch\nCOPY a /\n").unwrap();
            let build = build.resolve(&Scope::new(platform.clone())).unwrap();
            let layer = LayerSource {
                tar: None,
                recorded: Recorded::Changes,
                leftovers: Vec::new(),
                destination: None,
            };
            let request = ImageRequest {
                repository: "stagex/core-a".to_owned(),
                tag: "1".to_owned(),
                platform,
                profile: oci_image::Profile::STAGEX_2026,
                base: None,
                build: &build,
                layers: vec![layer],
            };
            let image = oci_image::assemble(&request, &layout).unwrap();
            let scene = Self {
                _temporary: temporary,
                directories,
            };
            scene.record("key", image.manifest);
            scene
        }

        fn record(&self, key: &str, digest: Digest) {
            let record = Record {
                key: key.to_owned(),
                digest,
                runtime: "none".to_owned(),
                milliseconds: 5,
                inputs: Inputs::default(),
                seeds: Vec::new(),
            };
            record.write(&self.directories, NAME).unwrap();
        }

        fn outputs(&self) -> Outputs {
            Outputs::of_tree(&self.directories, Trust::FileSystem)
        }

        fn look(&self) -> Output {
            self.outputs().look_at(NAME, later()).unwrap().unwrap()
        }

        /// Looks at the output at `second`, and tells whether that is remembered.
        fn remembered_at(&self, second: i64) -> bool {
            let outputs = self.outputs();
            assert!(outputs.look_at(NAME, second).unwrap().unwrap().whole);
            outputs.write().unwrap();
            !self.outputs().known.is_empty()
        }

        /// Remembers the output with another key, by which it shows where it comes from.
        fn mark(&self) {
            assert!(self.remembered_at(later()));
            let outputs = self.outputs();
            let mut seen = outputs.known[NAME].clone();
            "marked".clone_into(&mut seen.key);
            outputs.added().insert(NAME.to_owned(), seen);
            outputs.write().unwrap();
            assert_eq!(self.look().key, "marked");
        }

        /// Returns the index of the layout, and its blobs; the layer last.
        fn files(&self) -> Vec<Utf8PathBuf> {
            let directory = self.directories.output(NAME);
            let layout = Layout::open(&directory).unwrap();
            let blobs = layout
                .blobs()
                .map(|blob| Layout::blob(&directory, &blob.digest));
            std::iter::once(Layout::index(&directory))
                .chain(blobs)
                .collect()
        }
    }

    #[test]
    fn what_has_rested_is_not_read_again() {
        let scene = Scene::new();
        let first = scene.look();
        assert!(first.whole);
        assert_eq!((first.key.as_str(), first.duration.as_millis()), ("key", 5));
        scene.mark();
        let key = "marked".to_owned();
        assert_eq!(scene.look(), Output { key, ..first });
    }

    #[test]
    fn what_was_written_just_now_is_read_again() {
        assert!(!Scene::new().remembered_at(now()));
    }

    #[test]
    fn a_layout_that_lacks_a_file_is_not_whole() {
        let files = Scene::new().files();
        assert_eq!(
            files.len(),
            5,
            "index.json, an index, manifest, config, layer"
        );
        for (place, file) in files.iter().enumerate() {
            let scene = Scene::new();
            scene.mark();
            fs::remove_file(&scene.files()[place]).unwrap();
            let output = scene.look();
            assert!(!output.whole, "without {file}");
            assert_eq!(output.key, "key");
        }
    }

    #[test]
    fn a_file_of_other_bytes_is_noticed_and_one_of_another_time_is_read() {
        let scene = Scene::new();
        scene.mark();
        let layer = scene.files().pop().unwrap();
        let bytes = fs::read(&layer).unwrap();
        fs::write(&layer, &bytes).unwrap();
        let output = scene.look();
        assert!(output.whole);
        assert_eq!(output.key, "key");
        fs::write(&layer, &bytes[1..]).unwrap();
        assert!(!scene.look().whole);
        let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        fs::write(&layer, other).unwrap();
        assert!(!scene.look().whole, "other bytes of the same size");
    }

    #[test]
    fn what_was_read_is_not_read_again_by_the_same_process() {
        let scene = Scene::new();
        let outputs = scene.outputs();
        assert!(outputs.look_at(NAME, later()).unwrap().unwrap().whole);
        outputs.added().get_mut(NAME).unwrap().key = "marked".to_owned();
        let output = outputs.look_at(NAME, later()).unwrap().unwrap();
        assert_eq!(output.key, "marked");
        let layer = scene.files().pop().unwrap();
        fs::write(&layer, "other").unwrap();
        assert!(!outputs.look_at(NAME, later()).unwrap().unwrap().whole);
    }

    #[test]
    fn where_nothing_is_trusted_all_bytes_are_read() {
        let scene = Scene::new();
        scene.mark();
        let layer = scene.files().pop().unwrap();
        let other: Vec<u8> = fs::read(&layer).unwrap().iter().map(|byte| !byte).collect();
        fs::write(&layer, other).unwrap();
        // As if the file system said the same of it.
        let outputs = scene.outputs();
        let mut seen = outputs.known[NAME].clone();
        seen.state = outputs.state(NAME, seen.blobs.iter()).unwrap().1;
        outputs.added().insert(NAME.to_owned(), seen);
        outputs.write().unwrap();
        assert!(scene.outputs().images(NAME).is_ok());
        let outputs = Outputs::of_tree(&scene.directories, Trust::Nothing);
        assert!(outputs.images(NAME).is_err());
    }

    #[test]
    fn what_was_not_found_whole_has_no_digest_unless_it_is_right_by_itself() {
        let scene = Scene::new();
        let directories = &scene.directories;
        let layer = scene.files().pop().unwrap();
        let bytes = fs::read(&layer).unwrap();
        for is_recorded in [true, false] {
            assert_eq!(scene.outputs().images(NAME).unwrap().len(), 1);
            fs::write(&layer, &bytes[1..]).unwrap();
            assert!(scene.outputs().images(NAME).is_err(), "{is_recorded}");
            fs::write(&layer, &bytes).unwrap();
            Record::remove(directories, NAME).unwrap();
        }
        fs::remove_dir_all(directories.output(NAME)).unwrap();
        assert!(scene.outputs().images(NAME).unwrap().is_empty());
    }

    #[test]
    fn another_record_is_read() {
        let scene = Scene::new();
        scene.mark();
        let other = Digest::of(b"other");
        scene.record("other", other);
        let output = scene.look();
        assert_eq!((output.key.as_str(), output.digest), ("other", other));
        assert!(!output.whole, "that is not what is there");
        fs::remove_file(scene.directories.record(NAME)).unwrap();
        assert_eq!(scene.outputs().look_at(NAME, later()).unwrap(), None);
    }

    #[test]
    fn what_is_broken_is_as_if_it_were_not_there() {
        let scene = Scene::new();
        scene.mark();
        let path = scene.directories.own().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        let changed = whole.replacen("marked", "market", 1);
        assert_ne!(whole, changed);
        for broken in [changed.as_str(), &whole[..whole.len() - 70], "", "\n"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(scene.look().key, "key", "{broken}");
        }
    }
}
