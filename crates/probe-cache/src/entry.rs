//! What was found out, in files: one for each program, written whole, and believed only if it is ours, can
//! be understood, and was found out under the very circumstances of now.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::circumstances::Circumstances;

/// Raised when what is written changes its meaning.
const VERSION: u32 = 1;

/// Where findings are kept between processes, if they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeCache {
    directory: Option<Utf8PathBuf>,
    afresh: bool,
}

impl ProbeCache {
    /// Keeps nothing, and knows nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps findings in `directory`, which is made when it is needed.
    pub fn in_directory(directory: Utf8PathBuf) -> Self {
        Self {
            directory: Some(directory),
            afresh: false,
        }
    }

    /// Has everything found out anew, and keeps that.
    #[must_use]
    pub fn afresh(mut self) -> Self {
        self.afresh = true;
        self
    }

    /// Forgets everything. Returns how many programs something was known of.
    pub fn clear(&self) -> io::Result<u64> {
        let Some(directory) = &self.directory else {
            return Ok(0);
        };
        let entries = match directory.read_dir_utf8() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut count = 0;
        for entry in entries {
            let path = entry?.into_path();
            if path.extension() == Some("json") {
                fs::remove_file(&path)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Returns the entry of what is found out about a program under these circumstances. Without
    /// circumstances nothing can be known, and nothing is kept.
    pub fn entry(&self, circumstances: Option<Circumstances>) -> ProbeEntry {
        let place = self.directory.as_ref().zip(circumstances);
        ProbeEntry {
            place: place.map(|(directory, circumstances)| Place {
                path: directory.join(name(&circumstances.program)),
                circumstances: circumstances.lines,
            }),
            afresh: self.afresh,
        }
    }
}

/// The name of a program's file: for people what it is called, and for the program its path.
fn name(program: &Utf8Path) -> String {
    let hash = printable::hex(&Sha256::digest(program.as_str()));
    let called = program.file_name().unwrap_or_default();
    format!("{called}-{}.json", &hash[..16])
}

/// What is known of one program, if anything is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeEntry {
    place: Option<Place>,
    afresh: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: Utf8PathBuf,
    circumstances: String,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    version: u32,
    circumstances: String,
    found: T,
    /// The sha256 over all of the above.
    checksum: String,
}

impl ProbeEntry {
    /// Returns what was found out, if that still holds.
    pub fn recall<T: Serialize + DeserializeOwned>(&self) -> Option<T> {
        let place = self.place.as_ref().filter(|_| !self.afresh)?;
        // What another user wrote is not believed: it may be there to mislead.
        let owner = fs::metadata(&place.path).ok()?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return None;
        }
        let kept = beneath::read(&place.path, beneath::DOCUMENT).ok()?;
        let kept: Kept<T> = serde_json::from_slice(&kept).ok()?;
        let holds = kept.version == VERSION
            && kept.circumstances == place.circumstances
            && kept.checksum == checksum(&place.circumstances, &kept.found);
        holds.then_some(kept.found)
    }

    /// Keeps what was found out. Where that cannot be written it is found out again next time.
    pub fn keep<T: Serialize>(&self, found: &T) {
        if let Some(place) = &self.place {
            let _ = write(place, found);
        }
    }

    /// Forgets what was found out, since it turned out not to hold.
    pub fn forget(&self) {
        if let Some(place) = &self.place {
            let _ = fs::remove_file(&place.path);
        }
    }
}

fn write<T: Serialize>(place: &Place, found: &T) -> io::Result<()> {
    let directory = place.path.parent().unwrap_or(Utf8Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let kept = Kept {
        version: VERSION,
        circumstances: place.circumstances.clone(),
        found,
        checksum: checksum(&place.circumstances, found),
    };
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, &kept)?;
    file.write_all(b"\n")?;
    file.persist(&place.path)?;
    Ok(())
}

fn checksum<T: Serialize>(circumstances: &str, found: &T) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{VERSION}\n{circumstances}\n"));
    hasher.update(serde_json::to_vec(found).unwrap_or_default());
    printable::hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        _temporary: tempfile::TempDir,
        root: Utf8PathBuf,
        probe_cache: ProbeCache,
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
            fs::write(root.join("program"), "ELF").unwrap();
            let probe_cache = ProbeCache::in_directory(root.join("cache"));
            Self {
                _temporary: temporary,
                root,
                probe_cache,
            }
        }

        fn entry(&self) -> ProbeEntry {
            self.probe_cache
                .entry(Circumstances::of(&self.root.join("program")))
        }

        fn file(&self) -> Utf8PathBuf {
            self.root
                .join("cache")
                .join(name(&self.root.join("program")))
        }
    }

    #[test]
    fn what_was_kept_is_recalled_until_it_is_forgotten_or_asked_for_afresh() {
        let scene = Scene::new();
        assert_eq!(scene.entry().recall::<String>(), None);
        scene.entry().keep(&"first".to_owned());
        assert_eq!(scene.entry().recall(), Some("first".to_owned()));

        let afresh = scene.probe_cache.clone().afresh();
        let entry = afresh.entry(Circumstances::of(&scene.root.join("program")));
        assert_eq!(entry.recall::<String>(), None);
        entry.keep(&"second".to_owned());
        assert_eq!(scene.entry().recall(), Some("second".to_owned()));

        scene.entry().forget();
        assert_eq!(scene.entry().recall::<String>(), None);
    }

    #[test]
    fn another_program_or_another_fact_is_not_known() {
        let scene = Scene::new();
        scene.entry().keep(&1);
        let other = Circumstances::of(&scene.root.join("program")).unwrap();
        let other = other.fact("TMPDIR", "/elsewhere");
        assert_eq!(scene.probe_cache.entry(Some(other)).recall::<i32>(), None);
        assert_eq!(scene.entry().recall(), Some(1));

        // The same path, size and contents, but another file.
        fs::write(scene.root.join("new"), "ELF").unwrap();
        fs::rename(scene.root.join("new"), scene.root.join("program")).unwrap();
        assert_eq!(scene.entry().recall::<i32>(), None);
    }

    #[test]
    fn nothing_is_kept_of_a_script() {
        let scene = Scene::new();
        fs::write(scene.root.join("program"), "#!/bin/sh\nexec other").unwrap();
        scene.entry().keep(&1);
        assert_eq!(scene.entry().recall::<i32>(), None);
        assert!(!scene.file().exists());
    }

    #[test]
    fn a_changed_or_broken_file_is_ignored_and_written_anew() {
        let scene = Scene::new();
        scene.entry().keep(&41);
        let whole = fs::read_to_string(scene.file()).unwrap();
        let changed = whole.replace("\"found\": 41", "\"found\": 42");
        assert_ne!(whole, changed);
        for broken in [changed.as_str(), &whole[..whole.len() / 2], ""] {
            fs::write(scene.file(), broken).unwrap();
            assert_eq!(scene.entry().recall::<i32>(), None, "{broken}");
        }
        scene.entry().keep(&41);
        assert_eq!(scene.entry().recall(), Some(41));
    }
}
