//! Packs the cases, so that they are inside of the program.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells a build script by the environment"
    )]
    let target = std::env::var("OUT_DIR")?;
    let mut archive = tar::Builder::new(File::create(Path::new(&target).join("suite.tar"))?);
    archive.follow_symlinks(false);
    archive.mode(tar::HeaderMode::Deterministic);
    for part in ["cases", "support"] {
        println!("cargo::rerun-if-changed={part}");
        append_all(&mut archive, Path::new(part))?;
    }
    for part in ["digests.txt", "differences.toml"] {
        println!("cargo::rerun-if-changed={part}");
        archive.append_path(part)?;
    }
    archive.finish()?;
    Ok(())
}

/// Appends a directory and all that is in it, in the order of names: the file system's own order is another one
/// elsewhere, and would be in the program.
fn append_all(archive: &mut tar::Builder<File>, directory: &Path) -> io::Result<()> {
    archive.append_dir(directory, directory)?;
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        if fs::symlink_metadata(&entry)?.is_dir() {
            append_all(archive, &entry)?;
        } else {
            archive.append_path(&entry)?;
        }
    }
    Ok(())
}
