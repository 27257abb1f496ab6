//! `stagex digests`: records the digests of what was built, or compares them with the recorded.

use std::fmt::Write as _;

use engine::{Comparison, Digests};
use package_tree::Tree;
use serde_json::{Value, json};

use crate::arguments::{self, Format, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

pub(super) fn run(global: &Global, arguments: &arguments::Digests) -> Result<Exit, Failure> {
    let tree = super::tree::open(global)?;
    let compared = compare(global, &tree, !arguments.check)?;
    let nothing_is_built = compared.iter().all(|each| each.built.is_none());
    match global.format {
        Format::Json => {
            let packages = document(&compared);
            render::json(&json!({ "version": 1, "packages": packages }));
        }
        Format::Human if nothing_is_built => {}
        Format::Human => render::result(&human(&compared)),
    }
    if nothing_is_built && arguments.check {
        let message = "nothing was compared: nothing of this tree is built".to_owned();
        let hint = "build it first: stagex make".to_owned();
        return Err(Failure::of(Exit::Failed, [(message, Some(hint))]));
    }
    if nothing_is_built && !global.quiet {
        render::note("nothing is built: what is recorded stays");
    }
    let differs = compared.iter().any(Comparison::differs);
    Ok(if arguments.check && differs {
        Exit::Failed
    } else {
        Exit::Success
    })
}

/// Compares what was built with what is recorded, and records it then if `record` says so.
pub(super) fn compare(
    global: &Global,
    tree: &Tree,
    record: bool,
) -> Result<Vec<Comparison>, Failure> {
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
    if record {
        for gone in recorded.update(&built, names()) {
            if !global.quiet {
                render::note(&format!(
                    "{gone}: its line is gone, since there is no such package"
                ));
            }
        }
        recorded.write(root).map_err(failure)?;
    }
    Ok(compared)
}

/// Returns how what was built compares with what was recorded, for programs.
pub(super) fn document(compared: &[Comparison]) -> Vec<Value> {
    let package = |each: &Comparison| {
        let mut package =
            json!({ "name": each.name, "recorded": each.recorded, "built": each.built });
        if let Some(platform) = &each.platform {
            package["platform"] = json!(platform);
        }
        package
    };
    compared.iter().map(package).collect()
}

/// Returns a line for each package that was built, as the files have it, with what differs.
pub(super) fn human(compared: &[Comparison]) -> String {
    let mut text = String::new();
    for each in compared {
        let Some(built) = each.built else { continue };
        let _ = write!(text, "{} {}", built.hex(), each.image());
        let _ = match each.recorded {
            Some(recorded) if each.differs() => writeln!(text, "  (recorded: {})", recorded.hex()),
            None => writeln!(text, "  (not recorded before)"),
            Some(_) => writeln!(text),
        };
    }
    text
}
