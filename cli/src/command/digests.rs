//! `stagex digests`: records the digests of what was built, or compares them with the recorded.

use std::fmt::Write as _;

use documents::Version;
use package_tree::Tree;
use state::{Comparison, Digests};

use crate::arguments::{self, Format};
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::place;
use crate::render;

pub(super) fn run(context: &Context, arguments: &arguments::Digests) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let how = How {
        record: !arguments.check,
        verify: arguments.verify,
    };
    let compared = compare(context, &tree, how)?;
    let nothing_is_built = compared.iter().all(|each| each.built.is_none());
    match context.format {
        Format::Json => render::json(&documents::Digests {
            version: Version,
            packages: compared.iter().map(Into::into).collect(),
        }),
        Format::Human if nothing_is_built => {}
        Format::Human => render::result(&human(&compared)),
    }
    if nothing_is_built && arguments.check {
        let message = "nothing was compared: nothing of this tree is built".to_owned();
        let hint = "build it first: stagex make".to_owned();
        return Err(Failure::of(ErrorKind::NotCompared, [(message, Some(hint))]));
    }
    if nothing_is_built && !context.quiet {
        render::note("nothing is built: what is recorded stays");
    }
    let differs = compared.iter().any(Comparison::differs);
    Ok(if arguments.check && differs {
        ErrorKind::Differs.into()
    } else {
        Exit::Success
    })
}

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// Whether what was built is recorded then.
    pub(super) record: bool,
    /// Whether every blob is read.
    pub(super) verify: bool,
}

/// Records what was built, as `make digests` does.
pub(super) const RECORD: How = How {
    record: true,
    verify: false,
};

/// Compares what was built with what is recorded.
pub(super) fn compare(
    context: &Context,
    tree: &Tree,
    how: How,
) -> Result<Vec<Comparison>, Failure> {
    let names: Vec<(&str, &str)> = tree
        .outputs()
        .map(|output| (output.stage.as_str(), output.name.as_str()))
        .collect();
    let names = || names.iter().copied();
    let (root, folders) = (&context.directory, place::folders(context)?);
    let mut recorded = Digests::read(root)?;
    let built = Digests::of_outputs(&folders, names(), how.verify)?;
    let compared = recorded.compare(&built, names());
    if how.record {
        for gone in recorded.update(&built, names()) {
            if !context.quiet {
                render::note(&format!(
                    "{gone}: its line is gone, since there is no such package"
                ));
            }
        }
        recorded.write(root)?;
    }
    Ok(compared)
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
