//! `digests/<stage>.txt`: the digest of each package's manifest, as a tree publishes them.
//!
//! One line for each package, `<64 hex digits> <stage>-<name>`, sorted by name. Knows files and
//! what lies in `out/`; does not know how it got there.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;

use crate::error::{Error, IoContext};
use crate::folders::{Folders, write_whole};

/// The digests of a tree's packages, by stage and by full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    stages: BTreeMap<String, BTreeMap<String, Digest>>,
}

/// How what was built compares with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The package's full name.
    pub name: String,
    /// The recorded digest, if one is.
    pub recorded: Option<Digest>,
    /// The digest of what lies in `out/`, if anything does.
    pub built: Option<Digest>,
}

impl Comparison {
    /// Tells whether what was built is what is recorded.
    pub fn agrees(&self) -> bool {
        self.built.is_some() && self.built == self.recorded
    }

    /// Tells whether what was built is not what is recorded, or was never recorded. A package
    /// that was not built neither agrees nor differs.
    pub fn differs(&self) -> bool {
        self.built.is_some() && self.built != self.recorded
    }
}

impl Digests {
    /// Reads every `digests/<stage>.txt` of the tree in `root`. A tree without them has none.
    pub fn read(root: &Utf8Path) -> Result<Self, Error> {
        let folder = folder(root);
        let mut digests = Self::default();
        let entries = match folder.read_dir_utf8() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(digests),
            result => result.at("read", &folder)?,
        };
        for entry in entries {
            let path = entry.at("read", &folder)?.into_path();
            if path.extension() == Some("txt") {
                let text = std::fs::read_to_string(&path).at("read", &path)?;
                let stage = path.file_stem().unwrap_or_default().to_owned();
                digests.stages.insert(stage, parse(&text, &path)?);
            }
        }
        Ok(digests)
    }

    /// Returns what lies in `out/`, for those of `names` that do.
    ///
    /// `names` are (stage, full name).
    pub fn of_outputs<'a>(
        root: &Utf8Path,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let folders = Folders::of_tree(root);
        let mut digests = Self::default();
        for (stage, name) in names {
            let layout = folders.output(name);
            if layout.join("index.json").exists() {
                let digest = oci_image::Layout::open(&layout)?.manifest_digest();
                digests.set(stage, name, digest);
            }
        }
        Ok(digests)
    }

    /// Returns the digest of the package `name` of `stage`.
    pub fn get(&self, stage: &str, name: &str) -> Option<Digest> {
        self.stages.get(stage)?.get(name).copied()
    }

    fn set(&mut self, stage: &str, name: &str, digest: Digest) {
        self.stages
            .entry(stage.to_owned())
            .or_default()
            .insert(name.to_owned(), digest);
    }

    /// Compares what was `built` with this, for each of `names`, in their order.
    pub fn compare<'a>(
        &self,
        built: &Self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Comparison> {
        let compare = |(stage, name): (&str, &str)| Comparison {
            name: name.to_owned(),
            recorded: self.get(stage, name),
            built: built.get(stage, name),
        };
        names.into_iter().map(compare).collect()
    }

    /// Takes over the digests of what was `built`, and drops those of packages that are not
    /// among `names`, which it returns. What was not built keeps its line.
    pub fn update<'a>(
        &mut self,
        built: &Self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<String> {
        let mut kept = Self::default();
        for (stage, name) in names {
            if let Some(digest) = built.get(stage, name).or_else(|| self.get(stage, name)) {
                kept.set(stage, name, digest);
            }
        }
        let gone = |(stage, lines): (&String, &BTreeMap<String, Digest>)| {
            let known = kept.stages.get(stage);
            let gone = |name: &&String| known.is_none_or(|known| !known.contains_key(*name));
            lines.keys().filter(gone).cloned().collect::<Vec<_>>()
        };
        let dropped = self.stages.iter().flat_map(gone).collect();
        // A stage whose last package is gone keeps its file, with nothing in it.
        for stage in self.stages.keys() {
            kept.stages.entry(stage.clone()).or_default();
        }
        *self = kept;
        dropped
    }

    /// Writes `digests/<stage>.txt` of the tree in `root`, each whole or not at all.
    pub fn write(&self, root: &Utf8Path) -> Result<(), Error> {
        for (stage, lines) in &self.stages {
            let path = folder(root).join(format!("{stage}.txt"));
            let line = |(name, digest): (&String, &Digest)| format!("{} {name}\n", digest.hex());
            let text: String = lines.iter().map(line).collect();
            write_whole(&path, text.as_bytes()).at("write", &path)?;
        }
        Ok(())
    }
}

fn folder(root: &Utf8Path) -> Utf8PathBuf {
    root.join("digests")
}

fn parse(text: &str, path: &Utf8Path) -> Result<BTreeMap<String, Digest>, Error> {
    let line = |(number, line): (usize, &str)| {
        let parsed = line
            .split_once(' ')
            .and_then(|(hex, name)| Some((name.to_owned(), format!("sha256:{hex}").parse().ok()?)));
        parsed.ok_or_else(|| Error::DigestLine {
            path: path.to_owned(),
            line: number,
            text: line.to_owned(),
        })
    };
    (1..).zip(text.lines()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 3] = [("core", "core-b"), ("core", "core-a"), ("user", "user-a")];

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn root() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, path)
    }

    #[test]
    fn lines_are_sorted_by_name_and_read_back() {
        let (_temporary, root) = root();
        let mut digests = Digests::default();
        for (stage, name) in NAMES {
            digests.set(stage, name, digest(name));
        }
        digests.write(&root).unwrap();
        let text = std::fs::read_to_string(root.join("digests/core.txt")).unwrap();
        let expected = ["core-a", "core-b"]
            .map(|name| format!("{} {name}\n", digest(name).hex()))
            .concat();
        assert_eq!(text, expected);
        assert_eq!(Digests::read(&root).unwrap(), digests);
    }

    #[test]
    fn packages_that_were_not_built_keep_their_lines() {
        let mut digests = Digests::default();
        digests.set("core", "core-a", digest("old a"));
        digests.set("core", "core-b", digest("old b"));
        digests.set("core", "core-gone", digest("gone"));
        let mut built = Digests::default();
        built.set("core", "core-b", digest("new b"));
        built.set("user", "user-a", digest("new a"));

        assert_eq!(digests.update(&built, NAMES), ["core-gone"]);
        assert_eq!(digests.get("core", "core-a"), Some(digest("old a")));
        assert_eq!(digests.get("core", "core-b"), Some(digest("new b")));
        assert_eq!(digests.get("user", "user-a"), Some(digest("new a")));
        assert_eq!(digests.get("core", "core-gone"), None);
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_named() {
        let (_temporary, root) = root();
        std::fs::create_dir(root.join("digests")).unwrap();
        let good = digest("a").hex();
        std::fs::write(
            root.join("digests/core.txt"),
            format!("{good} core-a\nxyz core-b\n"),
        )
        .unwrap();
        let error = Digests::read(&root).unwrap_err().to_string();
        assert!(
            error.contains("core.txt:2:") && error.contains("xyz core-b"),
            "{error}"
        );
    }
}
