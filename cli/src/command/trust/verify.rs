//! `stagex verify`: prints which packages enough people have signed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use documents::VerifiedPackage;
use state::Digests;

use super::judged::judged;
use super::{history, podman};
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::render;

pub(in crate::command) fn run(
    context: &Context,
    arguments: &arguments::Verify,
) -> Result<Exit, Failure> {
    if arguments.print_podman_policy {
        return podman::policy(context, &arguments.whom);
    }
    if arguments.print_podman_registries {
        return podman::registries(context, &arguments.whom);
    }
    if let Some(range) = &arguments.history {
        return history::run(context, &arguments.whom, range);
    }
    let tree = crate::command::tree::open(context)?;
    let plan = crate::command::tree::plan(context, &tree, &arguments.targets)?;
    let packages = plan.packages.iter().filter(|package| package.requested);
    let packages: Vec<_> = packages.collect();
    let recorded = Digests::read(&context.directory)?;
    let document = judged(
        context,
        &arguments.whom,
        arguments.now,
        &packages,
        &recorded,
    )?;
    Ok(report(context, &document))
}

/// Prints what came of it. Returns how the program ends.
fn report(context: &Context, document: &documents::Verify) -> Exit {
    let names = |is_one: fn(&VerifiedPackage) -> bool| {
        let images = document.packages.iter().filter(|image| is_one(image));
        images.map(|image| &image.name).collect::<BTreeSet<_>>()
    };
    let (all, bad) = (names(|_| true).len(), names(|image| !image.verified).len());
    match context.format {
        Format::Json => render::json(document),
        Format::Human => {
            let mut text = String::new();
            for package in &document.packages {
                list(package, document.threshold, &mut text);
            }
            render::result(text.trim_end());
            if !context.verbosity.quiet {
                if let Some(release) = &document.release {
                    let (name, person) = (&release.name, printable::line(&release.person));
                    render::note(&format!(
                        "release {name}, signed by {person} on {}",
                        release.made
                    ));
                }
                let good = all - bad;
                let all = render::count(all, "package");
                render::note(&format!("{good} of {all} verified"));
            }
        }
    }
    if bad == 0 {
        Exit::Success
    } else {
        ErrorKind::NotVerified.into()
    }
}

/// Adds a line for an image, and one for each thing that does not count.
fn list(package: &VerifiedPackage, threshold: u32, text: &mut String) {
    let verdict = if package.verified {
        "verified"
    } else {
        "not verified"
    };
    let digest = package
        .digest
        .as_ref()
        .map_or("", |digest| &digest.hex()[..12]);
    let mut line = format!("{verdict:<12} {}", package.name);
    if let Some(platform) = &package.platform {
        let _ = write!(line, " {platform}");
    }
    let _ = write!(line, " {digest}");
    let people = package.people.join(", ");
    if !people.is_empty() {
        let _ = write!(line, " signed by {people}");
    }
    if package.missing > 0 {
        let have = package.people.len();
        let _ = write!(line, " ({have} of {threshold} people)");
    }
    if package.reproduced {
        line.push_str(", reproduced here");
    }
    let _ = writeln!(text, "{}", printable::line(&line));
    for problem in &package.problems {
        let _ = writeln!(text, "  {}", printable::line(problem));
    }
    for signature in &package.signatures {
        if let Some(message) = &signature.message {
            let line = format!("  signature-{}: {message}", signature.number);
            let _ = writeln!(text, "{}", printable::line(&line));
        }
    }
}
