//! `stagex digests`: records the digests of what was built, or compares them with the recorded.

use std::fmt::Write as _;

use engine::Digests;
use serde_json::json;

use crate::arguments::{self, Format, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

pub(super) fn run(global: &Global, arguments: &arguments::Digests) -> Result<Exit, Failure> {
    let tree = super::tree::open(global)?;
    let names: Vec<(&str, &str)> = tree
        .outputs()
        .map(|output| (output.stage.as_str(), output.name.as_str()))
        .collect();
    let names = || names.iter().copied();
    let root = &global.directory;
    let failure = |error: engine::Error| super::make::failure(&error);
    let mut recorded = Digests::read(root).map_err(failure)?;
    let built = Digests::of_outputs(root, names()).map_err(failure)?;
    let compared = recorded.compare(&built, names());

    let exit = if !arguments.check {
        for gone in recorded.update(&built, names()) {
            render::note(&format!(
                "{gone}: its line is gone, since there is no such package"
            ));
        }
        recorded.write(root).map_err(failure)?;
        Exit::Success
    } else if compared.iter().any(engine::Comparison::differs) {
        Exit::Failed
    } else {
        Exit::Success
    };

    match global.format {
        Format::Json => {
            let packages = compared.iter().map(
                |each| json!({ "name": each.name, "recorded": each.recorded, "built": each.built }),
            );
            let packages: Vec<_> = packages.collect();
            render::json(&json!({ "version": 1, "packages": packages }));
        }
        Format::Human => render::result(&human(&compared)),
    }
    Ok(exit)
}

/// Returns a line for each package that was built, as the files have it, with what differs.
fn human(compared: &[engine::Comparison]) -> String {
    let mut text = String::new();
    for each in compared {
        let Some(built) = each.built else { continue };
        let _ = write!(text, "{} {}", built.hex(), each.name);
        let _ = match each.recorded {
            Some(recorded) if each.differs() => writeln!(text, "  (recorded: {})", recorded.hex()),
            None => writeln!(text, "  (not recorded before)"),
            Some(_) => writeln!(text),
        };
    }
    text
}
