//! `stagex digests`: records the digests of what was built, or compares them with the recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use documents::{SignedBy, SignedComparison, Version};
use package_tree::Tree;
use state::{CompareOptions, Comparison, Digests};

use crate::arguments;
use crate::arguments::Whom;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render;

/// Who has signed images, by package and by platform that is not its first.
pub(super) type Signers = BTreeMap<(String, Option<String>), SignedBy>;

pub(super) fn run(context: &Context, arguments: &arguments::Digests) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let options = CompareOptions {
        record: !arguments.check,
        verify: arguments.verify,
    };
    let mut compared = compare(context, &tree, options)?;
    if arguments.recorded {
        compared.retain(|each| each.recorded.is_some());
    }
    let nothing_is_built = compared.iter().all(|each| each.built.is_none());
    let signers = if arguments.signed && !nothing_is_built {
        signers(context, &tree, &compared)?
    } else {
        Signers::new()
    };
    match context.format {
        Format::Json => render::json(&documents::Digests {
            version: Version,
            packages: compared
                .iter()
                .map(|each| document(each, &signers))
                .collect(),
        }),
        Format::Human if nothing_is_built => {}
        Format::Human => {
            let (listed, omitted) = listed(&compared, arguments);
            render::result(&human(&listed, &signers));
            if omitted > 0 && !context.verbosity.quiet {
                let images = render::count(omitted, "image");
                render::note(&format!("not recorded: {images} (--all lists them)"));
            }
        }
    }
    if nothing_is_built && arguments.check {
        let of_what = if arguments.recorded {
            "no recorded package"
        } else {
            "nothing"
        };
        let message = format!("nothing was compared: {of_what} of this tree is built");
        let hint = "build it first: stagex make".to_owned();
        return Err(Failure::of(ErrorKind::NotCompared, [(message, Some(hint))]));
    }
    if nothing_is_built && !context.verbosity.quiet {
        render::note("nothing is built, so digests/ stays as it is");
    }
    let mut built = compared.iter().filter(|each| each.built.is_some());
    let is_verified = |each: &Comparison| signers.get(&key(each)).is_some_and(|by| by.verified);
    let is_open = arguments.signed && built.any(|each| !is_verified(each));
    if is_open && !context.verbosity.quiet {
        render::note("`stagex verify` says what is missing");
    }
    let differs = compared.iter().any(Comparison::differs);
    Ok(if arguments.check && differs {
        ErrorKind::Differs.into()
    } else if is_open {
        ErrorKind::NotVerified.into()
    } else {
        Exit::Success
    })
}

/// Returns what an image is found by among those that are signed.
fn key(compared: &Comparison) -> (String, Option<String>) {
    (compared.name.clone(), compared.platform.clone())
}

fn document(compared: &Comparison, signers: &Signers) -> SignedComparison {
    let signed = signers.get(&key(compared));
    SignedComparison {
        compared: compared.into(),
        signed: signed.cloned(),
    }
}

/// Finds out who has signed what is recorded of the images that were built.
fn signers(context: &Context, tree: &Tree, compared: &[Comparison]) -> Result<Signers, Failure> {
    let built = compared.iter().filter(|each| each.built.is_some());
    let names: BTreeSet<&str> = built.map(|each| each.name.as_str()).collect();
    let plan = super::tree::plan(context, tree, &[])?;
    let packages = plan.packages.iter();
    let packages: Vec<_> = packages
        .filter(|package| names.contains(package.name.as_str()))
        .collect();
    let recorded = Digests::read(&context.directory)?;
    let judged = super::trust::judged(context, &Whom::default(), false, &packages, &recorded)?;
    let images = judged.packages.iter();
    Ok(images
        .map(|image| ((image.name.clone(), image.platform.clone()), image.into()))
        .collect())
}

/// Returns what is listed for people, and how many images are omitted. A check omits images that are
/// not recorded, unless all are asked for: in a tree whose digests are recorded in part, they would hide
/// those that differ.
fn listed(compared: &[Comparison], arguments: &arguments::Digests) -> (Vec<Comparison>, usize) {
    let is_omitted = |each: &&Comparison| {
        arguments.check && !arguments.all && each.built.is_some() && each.recorded.is_none()
    };
    let omitted = compared.iter().filter(is_omitted).count();
    let listed = compared.iter().filter(|each| !is_omitted(each));
    (listed.cloned().collect(), omitted)
}

/// Compares what was built with what is recorded, and says which lines were removed.
pub(super) fn compare(
    context: &Context,
    tree: &Tree,
    options: CompareOptions,
) -> Result<Vec<Comparison>, Failure> {
    let packages = tree
        .outputs()
        .map(|output| (output.stage.as_str(), output.name.as_str()));
    let compared = state::compare(&place::directories(context)?, packages, options)?;
    if !context.verbosity.quiet {
        for gone in &compared.removed {
            render::note(&format!(
                "{gone}: its line was removed, because there is no such package"
            ));
        }
    }
    Ok(compared.images)
}

/// Returns a line for each package that was built, as the files have it, with what differs.
pub(super) fn human(compared: &[Comparison], signers: &Signers) -> String {
    let mut text = String::new();
    for each in compared {
        let Some(built) = each.built else { continue };
        let _ = write!(text, "{} {}", built.hex(), each.image());
        let _ = match each.recorded {
            Some(recorded) if each.differs() => writeln!(text, "  (recorded: {})", recorded.hex()),
            None => writeln!(text, "  (not recorded before)"),
            Some(_) => writeln!(text),
        };
        if let Some(by) = signers.get(&key(each)) {
            let line = format!("  (signed by {by})");
            let _ = writeln!(text, "{}", printable::line(&line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(name: &str, recorded: Option<u8>, built: Option<u8>) -> Comparison {
        let digest = |byte: u8| format!("sha256:{}", format!("{byte:02x}").repeat(32));
        let digest = |byte: Option<u8>| byte.map(|byte| digest(byte).parse().unwrap());
        Comparison {
            name: name.to_owned(),
            platform: None,
            recorded: digest(recorded),
            built: digest(built),
        }
    }

    #[test]
    fn a_check_counts_images_that_are_not_recorded_and_lists_them_if_asked() {
        let compared = [
            comparison("core-equal", Some(1), Some(1)),
            comparison("core-differs", Some(1), Some(2)),
            comparison("core-new", None, Some(3)),
            comparison("core-absent", None, None),
        ];
        let arguments = |check, all| arguments::Digests {
            check,
            all,
            recorded: false,
            verify: false,
            signed: false,
        };
        let text = |check, all| {
            let (listed, omitted) = listed(&compared, &arguments(check, all));
            (human(&listed, &Signers::new()), omitted)
        };

        let (checked, omitted) = text(true, false);
        assert_eq!((checked.lines().count(), omitted), (2, 1), "{checked}");
        assert!(!checked.contains("core-new"), "{checked}");
        assert!(
            checked.contains("core-differs  (recorded: 0101"),
            "{checked}"
        );

        for (check, all) in [(true, true), (false, false)] {
            let (everything, omitted) = text(check, all);
            assert_eq!(
                (everything.lines().count(), omitted),
                (3, 0),
                "{everything}"
            );
        }
    }
}
