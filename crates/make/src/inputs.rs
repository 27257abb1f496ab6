//! What a package's image is a function of, written down: its files, its arguments, its sources, and the
//! digests of what it needs.
//!
//! It does not know what was written down before, nor what follows from a difference.

use std::collections::BTreeMap;

use build::{ContextFile, Error, Foreign, leave_declared, list_context, open_package};
use camino::Utf8Path;
use documents::DEPENDENCY;
use oci_image::{Digest, Profile};
use package_tree::{Hermetic, PlannedPackage};
use state::{Inputs, Record, StoredRecord};

/// What counts as an input, and what is denied to builds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    hermetic: Option<&'a Hermetic>,
    /// Whether some image of the plan has RUNs for what begins with it.
    triggers: bool,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(hermetic: Option<&'a Hermetic>, triggers: bool) -> Self {
        Self { hermetic, triggers }
    }

    /// Lists the files of the package in the directory `directory` of the tree in `root`. Returns as well what to say of
    /// those that do not count.
    pub(crate) fn list(
        &self,
        root: &Utf8Path,
        directory: &Utf8Path,
    ) -> Result<(Vec<ContextFile>, Option<String>), Error> {
        let mut files = list_context(&open_package(root, directory)?, Foreign::Fetch)?;
        let leave = |hermetic| leave_declared(&mut files, directory, hermetic);
        let notice = self.hermetic.and_then(leave);
        Ok((files, notice))
    }

    /// Returns everything that a package's image is a function of, as it is recorded of a build, and behind it what
    /// may stand for that: the same, where more was denied to the build.
    pub(crate) fn inputs(
        &self,
        package: &PlannedPackage,
        files: &Inputs,
        needed: &BTreeMap<String, Digest>,
    ) -> Variants {
        let inputs = inputs(package, files, needed);
        let accepted = Hermetic::accepted(self.hermetic, package, self.triggers);
        let variant = |denied: Option<String>| {
            let mut inputs = inputs.clone();
            if let Some(denied) = denied {
                inputs.add("network", "", &denied);
            }
            inputs
        };
        Variants(accepted.into_iter().map(variant).collect())
    }
}

/// The inputs of a package, and those that may stand for them; at least one.
pub(crate) struct Variants(Vec<Inputs>);

impl Variants {
    /// Tells whether a result with this key is one of these inputs.
    pub(crate) fn have(&self, key: &str, profile: &Profile) -> bool {
        self.0.iter().any(|inputs| inputs.key(profile) == key)
    }

    /// Returns what is recorded of a build.
    pub(crate) fn recorded(mut self) -> Inputs {
        self.0.swap_remove(0)
    }

    /// Returns those that a record is to be compared with.
    pub(crate) fn beside(&self, record: &StoredRecord) -> &Inputs {
        let network = |inputs: &Inputs| {
            let mut by_name = inputs.by_name();
            by_name.remove(&("network".to_owned(), String::new()))
        };
        let same = |record: &&Record| {
            let network_of_record = network(&record.inputs);
            self.0
                .iter()
                .find(|inputs| network(inputs) == network_of_record)
        };
        let record = match record {
            StoredRecord::Record(record) => Some(&**record),
            StoredRecord::Absent | StoredRecord::Unproven => None,
        };
        record
            .and_then(|record| same(&record))
            .unwrap_or(&self.0[0])
    }
}

/// Writes down everything that a package's image is a function of: `files` are its files, and
/// `needed` what it needs.
fn inputs(package: &PlannedPackage, files: &Inputs, needed: &BTreeMap<String, Digest>) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.add("output", &package.name, package.tag());
    inputs.add("platforms", "", &package.platforms.join(","));
    inputs.add("target", "", package.target.as_deref().unwrap_or_default());
    for (name, value) in &package.build_arguments() {
        inputs.add("argument", name, value);
    }
    inputs.extend(files);
    for source in &*package.sources {
        inputs.add("source", &source.file, &source.hash);
    }
    // Their order decides only which is built first.
    let seeds = package.seeds.iter();
    let seeds: BTreeMap<_, _> = seeds.map(|seed| (&seed.name, &seed.source.hash)).collect();
    for (name, hash) in seeds {
        inputs.add("seed", name, hash);
    }
    for (name, digest) in needed {
        inputs.add(DEPENDENCY, name, &digest.to_string());
    }
    inputs
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use camino::Utf8Path;
    use package_tree::{DEFAULT_PLATFORM, Tree};

    use super::*;

    /// Returns the inputs of a package with two sources, of which these are the seeds, that are no files of its own.
    fn of_package(seeds: &[(&str, &str)]) -> Inputs {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let directory = root.join("packages/bootstrap/a");
        std::fs::create_dir_all(&directory).unwrap();
        let from = if seeds.is_empty() { "scratch" } else { "seed" };
        std::fs::write(directory.join("Containerfile"), format!("FROM {from}\n")).unwrap();
        let mut manifest = "[package]\nname = \"a\"\n".to_owned();
        for (number, key) in ["x", "y"].iter().enumerate() {
            let hash = number.to_string().repeat(64);
            let text = format!("[sources.{key}]\nhash = \"{hash}\"\nmirrors = [\"file:{key}\"]\n");
            manifest.push_str(&text);
        }
        for (name, source) in seeds {
            write!(manifest, "[seeds.{name}]\nsource = \"{source}\"\n").unwrap();
        }
        std::fs::write(directory.join("package.toml"), manifest).unwrap();
        let tree = Tree::open(root).unwrap();
        let plan = tree.plan(&[], DEFAULT_PLATFORM, &[]).unwrap();
        inputs(&plan.packages[0], &Inputs::default(), &BTreeMap::new())
    }

    #[test]
    fn seeds_are_inputs_and_whoever_has_none_has_the_key_of_before() {
        let named = |inputs: &Inputs| {
            let mut named = inputs.by_name();
            named.retain(|(kind, _), _| kind == "seed");
            let value = |((_, name), hash): ((String, String), String)| (name, hash);
            named.into_iter().map(value).collect::<Vec<_>>()
        };
        let pair = |name: &str, digit: &str| (name.to_owned(), digit.repeat(64));
        let without = of_package(&[]);
        let other_inputs = without.by_name().len();
        assert_eq!(named(&without), []);
        let mut keys = vec![without.key(Profile::STAGEX_2026)];
        for (seeds, expected) in [
            (&[("one", "x")][..], &[pair("one", "0")][..]),
            (&[("one", "y")], &[pair("one", "1")]),
            (
                &[("two", "y"), ("one", "x")],
                &[pair("one", "0"), pair("two", "1")],
            ),
            (
                &[("one", "y"), ("two", "x")],
                &[pair("one", "1"), pair("two", "0")],
            ),
        ] {
            let inputs = of_package(seeds);
            assert_eq!(named(&inputs), expected);
            assert_eq!(inputs.by_name().len(), other_inputs + seeds.len());
            keys.push(inputs.key(Profile::STAGEX_2026));
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 5);
        // The order in which they are declared decides only which is built from first.
        let in_order = of_package(&[("one", "x"), ("two", "y")]);
        assert!(keys.contains(&in_order.key(Profile::STAGEX_2026)));
    }
}
