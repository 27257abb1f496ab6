//! Packs the cases, so that they are inside of the program.

use std::error::Error;
use std::fs::File;
use std::path::Path;

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
        archive.append_dir_all(part, part)?;
    }
    for part in ["digests.txt", "differences.toml"] {
        println!("cargo::rerun-if-changed={part}");
        archive.append_path(part)?;
    }
    archive.finish()?;
    Ok(())
}
