//! Writes code for the sample: where it lies is known to the compiler.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells a build script by the environment"
    )]
    let target = std::env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed=build.rs");
    let code = "/// Panics with the path of this file in its message.\n\
                pub(crate) fn written() -> u8 { \"written\".parse().expect(\"no number\") }\n";
    fs::write(Path::new(&target).join("written.rs"), code)?;
    Ok(())
}
