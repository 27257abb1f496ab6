//! What is built: small packages, each of which shows one property. Knows folders and names;
//! builds nothing.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// The stage that cases belong to in the tree that they are built in.
pub(crate) const STAGE: &str = "case";

/// One property that every runtime's images must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The property, in few words: the name of the case's folder.
    pub name: String,
    /// The folder with the case's Containerfile and package.toml.
    pub folder: Utf8PathBuf,
}

impl Case {
    /// Returns the name of the output that shows the property.
    pub fn output(&self) -> String {
        format!("{STAGE}-{}", self.name)
    }
}

/// Lists the cases in `folder`, sorted by name: each folder in it that has a Containerfile.
pub fn cases(folder: &Utf8Path) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let folder = entry?.into_path();
        if folder.join("Containerfile").exists() {
            let name = folder.file_name().unwrap_or_default().to_owned();
            cases.push(Case { name, folder });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}
