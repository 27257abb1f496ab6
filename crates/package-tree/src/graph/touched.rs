//! Which outputs a file of the tree is an input of. The file need not be there: it may have been deleted.

use std::collections::BTreeSet;

use camino::Utf8Path;

use crate::output::Output;
use crate::plan::Plan;
use crate::tree::Tree;

impl Tree {
    /// Returns the full names of the outputs that the file or directory at `path`, relative to the tree's root, is
    /// an input of.
    pub fn touched(&self, path: &Utf8Path) -> BTreeSet<&str> {
        let touched = self.outputs().filter(|output| output.is_touched(path));
        touched.map(|output| output.name.as_str()).collect()
    }
}

impl Plan {
    /// Returns the places of the packages with these names.
    pub fn places(&self, names: &BTreeSet<&str>) -> BTreeSet<usize> {
        let packages = self.packages.iter().enumerate();
        let named = packages.filter(|(_, package)| names.contains(package.name.as_str()));
        named.map(|(place, _)| place).collect()
    }
}

impl Output {
    fn is_touched(&self, path: &Utf8Path) -> bool {
        let has = |file: &Utf8Path| file.starts_with(path);
        // Where other tools leave sources is none of the package's files.
        let of_package =
            path.starts_with(&self.context) && !path.starts_with(self.context.join("fetch"));
        let manifest = |directory: &camino::Utf8PathBuf| has(&directory.join("package.toml"));
        of_package
            || has(&self.context)
            || self.version_from.iter().any(manifest)
            || self
                .sources
                .iter()
                .any(|source| has(&self.fetch().join(&source.file)))
    }
}
