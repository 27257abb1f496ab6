//! `digests/<stage>.txt`: the digest of each package's manifest, as a tree publishes them.
//!
//! One line for each package, `<64 hex digits> <stage>-<name>`, sorted by name, which is that of its
//! first platform. Each other platform has a line behind it, with the platform for a third word. Knows
//! files and what lies in `out/`; does not know how it got there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use containerfile::Platform;
use oci_image::Digest;
use package_tree::PlannedPackage;
use rayon::prelude::*;

use crate::directories::Directories;
use crate::error::{Error, IoContext};
use crate::outputs::{Outputs, Trust};

/// The directory with the files, in a tree.
const DIRECTORY: &str = "digests";

/// The digests of a tree's packages, by stage and by full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    stages: BTreeMap<String, Lines>,
}

/// The digests of a stage's packages: of each, that of its first platform, which has no name here, and
/// of the others.
type Lines = BTreeMap<String, Vec<(Option<String>, Digest)>>;

/// How what was built compares with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The package's full name.
    pub name: String,
    /// The platform, if it is not the package's first.
    pub platform: Option<String>,
    /// The recorded digest, if one is.
    pub recorded: Option<Digest>,
    /// The digest of what lies in `out/`, if anything does.
    pub built: Option<Digest>,
}

impl From<&Comparison> for documents::Comparison {
    fn from(compared: &Comparison) -> Self {
        Self {
            name: compared.name.clone(),
            recorded: compared.recorded.map(Into::into),
            built: compared.built.map(Into::into),
            platform: compared.platform.clone(),
        }
    }
}

impl Comparison {
    /// Returns what is compared, as it stands in the files: the package, and a platform that is not
    /// its first.
    pub fn image(&self) -> String {
        image(&self.name, self.platform.as_deref())
    }

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
        let place = directory(root);
        let mut digests = Self::default();
        let opened = Directory::open(root).and_then(|root| root.directory(DIRECTORY.into()));
        let directory = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(digests),
            result => result.at("read", &place)?,
        };
        for entry in directory.entries().at("read", &place)? {
            let name = Utf8Path::new(&entry.name);
            if name.extension() == Some("txt") {
                let path = place.join(name);
                let text = directory.read_text(name, beneath::TEXT).at("read", &path)?;
                let stage = name.file_stem().unwrap_or_default().to_owned();
                digests.stages.insert(stage, parse(&text, &path)?);
            }
        }
        Ok(digests)
    }

    /// Reads the text of each `digests/<stage>.txt`, by stage.
    pub fn of_texts(texts: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut digests = Self::default();
        for (stage, text) in texts {
            let path = Utf8Path::new(DIRECTORY).join(format!("{stage}.txt"));
            digests.stages.insert(stage.clone(), parse(text, &path)?);
        }
        Ok(digests)
    }

    /// Returns what lies in `out/`, for those of `names` that do. All of it has the digests that it
    /// says; with `verify` every byte of it is read, and otherwise what the file system says the same of
    /// as when it was read before is not read again.
    ///
    /// `names` are (stage, full name).
    pub fn of_outputs<'a>(
        directories: &Directories,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
        verify: bool,
    ) -> Result<Self, Error> {
        let (digests, mut damaged) = Self::of_each_output(directories, names, verify);
        damaged
            .pop_first()
            .map_or(Ok(digests), |(_, error)| Err(error))
    }

    /// Does the same, and returns beside it what is wrong with each package of which no digest is known for that reason, by its
    /// full name.
    pub fn of_each_output<'a>(
        directories: &Directories,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
        verify: bool,
    ) -> (Self, BTreeMap<String, Error>) {
        let trust = if verify {
            Trust::Nothing
        } else {
            Trust::FileSystem
        };
        let outputs = Outputs::of_tree(directories, trust);
        let names: Vec<_> = names.into_iter().collect();
        let found = names.par_iter().map(|(_, name)| outputs.images(name));
        let found: Vec<_> = found.collect();
        // What was found can be found again: that it cannot be noted down is no reason to say nothing.
        if !verify {
            outputs.write().ok();
        }

        let (mut digests, mut damaged) = (Self::default(), BTreeMap::new());
        for ((stage, name), images) in names.into_iter().zip(found) {
            let images = match images {
                Ok(images) => images.into_iter().enumerate(),
                Err(error) => {
                    damaged.insert(name.to_owned(), error);
                    continue;
                }
            };
            let line = |(place, (platform, digest))| (Some(platform).filter(|_| place > 0), digest);
            let images: Vec<_> = images.map(line).collect();
            if !images.is_empty() {
                digests.set(stage, name, images);
            }
        }
        (digests, damaged)
    }

    /// Returns each platform and digest of what lies in `out/` of the package `name`, if that has the
    /// digests that it says; nothing if nothing lies there.
    pub fn of_output(
        directories: &Directories,
        name: &str,
    ) -> Result<Vec<(String, Digest)>, Error> {
        Outputs::of_tree(directories, Trust::FileSystem).images(name)
    }

    /// Returns the digest of the package `name` of `stage`, if it has but one platform.
    pub fn only(&self, stage: &str, name: &str) -> Option<Digest> {
        match self.all(stage, name) {
            [(None, digest)] => Some(*digest),
            _ => None,
        }
    }

    /// Returns the digest of an image of the package `name` of `stage`: that of its first platform, which has no name
    /// here, or that of another.
    pub fn of(&self, stage: &str, name: &str, platform: Option<&str>) -> Option<Digest> {
        let mut all = self.all(stage, name).iter();
        let (_, digest) = all.find(|(of, _)| of.as_deref() == platform)?;
        Some(*digest)
    }

    /// Returns the digest of each platform of a package; nothing if one has none.
    pub fn of_package(&self, package: &PlannedPackage) -> Option<Vec<(String, Digest)>> {
        let platforms = package.platforms.iter().enumerate();
        let of_platform = |(place, platform): (usize, &String)| {
            let other = Some(platform.as_str()).filter(|_| place > 0);
            let digest = self.of(&package.stage, &package.name, other)?;
            Some((platform.clone(), digest))
        };
        platforms.map(of_platform).collect()
    }

    /// Returns the digests of the package `name` of `stage`.
    fn all(&self, stage: &str, name: &str) -> &[(Option<String>, Digest)] {
        let lines = self.stages.get(stage).and_then(|lines| lines.get(name));
        lines.map(Vec::as_slice).unwrap_or_default()
    }

    fn set(&mut self, stage: &str, name: &str, digests: Vec<(Option<String>, Digest)>) {
        self.stages
            .entry(stage.to_owned())
            .or_default()
            .insert(name.to_owned(), digests);
    }

    /// Compares what was `built` with this, for each of `names`, in their order: each platform of what
    /// was built, or else of what is recorded.
    pub fn compare<'a>(
        &self,
        built: &Self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Comparison> {
        let compare = |(stage, name): (&str, &str)| {
            let (recorded, built) = (self.all(stage, name), built.all(stage, name));
            let mut platforms: Vec<_> = built.iter().chain(recorded).map(|(of, _)| of).collect();
            platforms.sort();
            platforms.dedup();
            if platforms.is_empty() {
                platforms.push(&None);
            }
            let compare = |platform: &Option<String>| {
                let of = |digests: &[(Option<String>, Digest)]| {
                    let found = digests.iter().find(|(of, _)| of == platform);
                    found.map(|(_, digest)| *digest)
                };
                Comparison {
                    name: name.to_owned(),
                    platform: platform.clone(),
                    recorded: of(recorded),
                    built: of(built),
                }
            };
            platforms.into_iter().map(compare).collect::<Vec<_>>()
        };
        names.into_iter().flat_map(compare).collect()
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
            let digests = [built, self].map(|each| each.all(stage, name));
            if let Some(digests) = digests.into_iter().find(|digests| !digests.is_empty()) {
                kept.set(stage, name, digests.to_vec());
            }
        }
        let gone = |(stage, lines): (&String, &Lines)| {
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
            let path = directory(root).join(format!("{stage}.txt"));
            let mut text = String::new();
            for (name, digests) in lines {
                for (platform, digest) in digests {
                    let _ = write!(text, "{} {name}", digest.hex());
                    if let Some(platform) = platform {
                        let _ = write!(text, " {platform}");
                    }
                    text.push('\n');
                }
            }
            let name = Utf8Path::new(DIRECTORY).join(format!("{stage}.txt"));
            let written = Directory::open(root).and_then(|root| root.write(&name, text.as_bytes()));
            written.at("write", &path)?;
        }
        Ok(())
    }
}

/// Returns an image as it stands in the files.
fn image(name: &str, platform: Option<&str>) -> String {
    match platform {
        Some(platform) => format!("{name} {platform}"),
        None => name.to_owned(),
    }
}

fn directory(root: &Utf8Path) -> Utf8PathBuf {
    root.join(DIRECTORY)
}

fn parse(text: &str, path: &Utf8Path) -> Result<Lines, Error> {
    let mut lines = Lines::new();
    let mut places = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (name, platform, digest) = parse_line(line).ok_or_else(|| Error::DigestLine {
            path: path.to_owned(),
            line: number,
            text: line.to_owned(),
        })?;
        if let Some(first) = places.insert((name.clone(), platform.clone()), number) {
            return Err(Error::DigestTwice {
                path: path.to_owned(),
                line: number,
                first,
                image: image(&name, platform.as_deref()),
            });
        }
        lines.entry(name).or_default().push((platform, digest));
    }
    Ok(lines)
}

fn parse_line(line: &str) -> Option<(String, Option<String>, Digest)> {
    let mut words = line.split(' ');
    let digest = format!("sha256:{}", words.next()?).parse().ok()?;
    let name = words
        .next()
        .filter(|name| package_tree::is_output(name))?
        .to_owned();
    let platform = match words.next() {
        Some(platform) => Some(platform.parse::<Platform>().ok()?.to_string()),
        None => None,
    };
    words.next().is_none().then_some((name, platform, digest))
}

/// How to compare what was built with what is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompareOptions {
    /// What was built is recorded afterwards.
    pub record: bool,
    /// Every blob is read and hashed, also where the file system says that it is what it was.
    pub verify: bool,
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Each image, as it was recorded before and as it was built.
    pub images: Vec<Comparison>,
    /// The packages whose lines were removed, because there are no such packages.
    pub removed: Vec<String>,
}

/// Compares what was built in a tree with what is recorded in its `digests/`. `packages` are the stage and
/// the full name of each of its packages.
///
/// # Errors
///
/// What cannot be read or written.
pub fn compare<'a>(
    directories: &Directories,
    packages: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    options: CompareOptions,
) -> Result<Compared, Error> {
    let root = directories.root();
    let mut recorded = Digests::read(root)?;
    let built = Digests::of_outputs(directories, packages.clone(), options.verify)?;
    let images = recorded.compare(&built, packages.clone());
    let mut removed = Vec::new();
    if options.record {
        removed = recorded.update(&built, packages);
        recorded.write(root)?;
    }
    Ok(Compared { images, removed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 3] = [("core", "core-b"), ("core", "core-a"), ("user", "user-a")];

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn only(text: &str) -> Vec<(Option<String>, Digest)> {
        vec![(None, digest(text))]
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
            digests.set(stage, name, only(name));
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
        digests.set("core", "core-a", only("old a"));
        digests.set("core", "core-b", only("old b"));
        digests.set("core", "core-gone", only("gone"));
        let mut built = Digests::default();
        built.set("core", "core-b", only("new b"));
        built.set("user", "user-a", only("new a"));

        assert_eq!(digests.update(&built, NAMES), ["core-gone"]);
        assert_eq!(digests.all("core", "core-a"), only("old a"));
        assert_eq!(digests.all("core", "core-b"), only("new b"));
        assert_eq!(digests.all("user", "user-a"), only("new a"));
        assert_eq!(digests.all("core", "core-gone"), []);
    }

    #[test]
    fn other_platforms_have_lines_of_their_own() {
        let (_temporary, root) = root();
        let other = Some("linux/386".to_owned());
        let mut digests = Digests::default();
        let both = vec![(None, digest("a")), (other.clone(), digest("a 386"))];
        digests.set("core", "core-a", both.clone());
        digests.set("core", "core-b", only("b"));
        digests.write(&root).unwrap();
        let text = std::fs::read_to_string(root.join("digests/core.txt")).unwrap();
        let hex = |text| digest(text).hex();
        let expected = format!(
            "{} core-a\n{} core-a linux/386\n{} core-b\n",
            hex("a"),
            hex("a 386"),
            hex("b")
        );
        assert_eq!(text, expected);
        assert_eq!(Digests::read(&root).unwrap(), digests);

        let mut built = Digests::default();
        built.set(
            "core",
            "core-a",
            vec![(None, digest("a")), (other.clone(), digest("new"))],
        );
        let compared = digests.compare(&built, [("core", "core-a")]);
        let differs: Vec<_> = compared
            .iter()
            .map(|each| (&each.platform, each.differs()))
            .collect();
        assert_eq!(differs, [(&None, false), (&other, true)]);

        // One that is not built any more has no line any more.
        built.set("core", "core-a", only("a"));
        digests.update(&built, NAMES);
        assert_eq!(digests.all("core", "core-a"), only("a"));
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
