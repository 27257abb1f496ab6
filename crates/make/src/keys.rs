//! The keys of packages, without building anything: whether an earlier build was made from what the tree has now.

use std::collections::{BTreeMap, BTreeSet};

use build::{Error, inputs_of_files};
use oci_image::{Digest, Profile};
use package_tree::{Hermetic, Plan, PlannedPackage};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use state::{Directories, Hashes, Inputs};

use crate::inputs::Rules;

/// What the packages of a plan are built from now, but for the images that they need.
#[derive(Debug)]
pub struct Keys<'a> {
    profile: &'a Profile,
    rules: Rules<'a>,
    /// By the directory of the package.
    files: BTreeMap<&'a str, Inputs>,
}

impl<'a> Keys<'a> {
    /// Reads the files of the packages of a plan.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    pub fn of_plan(
        profile: &'a Profile,
        directories: &Directories,
        plan: &'a Plan,
        hermetic: Option<&'a Hermetic>,
    ) -> Result<Self, Error> {
        let rules = Rules::new(hermetic, plan.has_triggers());
        let hashes = Hashes::of_tree(directories);
        // The packages that one Containerfile makes share its directory.
        let contexts: BTreeSet<&str> = plan.packages.iter().map(|of| of.context.as_str()).collect();
        let read = |context: &'a str| {
            let (mut list, _) = rules.list(directories.root(), context.into())?;
            Ok((
                context,
                inputs_of_files(context.into(), &mut list, &hashes)?,
            ))
        };
        let files = contexts
            .into_par_iter()
            .map(read)
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            profile,
            rules,
            files,
        })
    }

    /// Returns the encoding that keys are of.
    pub(crate) fn profile(&self) -> &'a Profile {
        self.profile
    }

    /// Returns what is recorded of a package of the plan that is built from images with the digests `needed`.
    pub(crate) fn inputs(
        &self,
        package: &PlannedPackage,
        needed: &BTreeMap<String, Digest>,
    ) -> Option<Inputs> {
        let files = self.files.get(package.context.as_str())?;
        Some(self.rules.inputs(package, files, needed).recorded())
    }

    /// Tells whether `key` is that of a package of the plan, built from images with the digests `needed`.
    pub fn is_current(
        &self,
        package: &PlannedPackage,
        needed: &BTreeMap<String, documents::Digest>,
        key: &str,
    ) -> bool {
        let digest = |(name, digest): (&String, &documents::Digest)| {
            Some((name.clone(), digest.as_str().parse::<Digest>().ok()?))
        };
        let needed: Option<_> = needed.iter().map(digest).collect();
        let (Some(needed), Some(files)) = (needed, self.files.get(package.context.as_str())) else {
            return false;
        };
        let inputs = self.rules.inputs(package, files, &needed);
        inputs.have(key, self.profile)
    }
}
