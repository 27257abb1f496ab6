//! `stagex diff`: how two images differ; and the pages of a report that say so.

use diff::{Diffoscope, Limits, Named, Options};
use documents::{Attempt, DiffMode};
use images::Source;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render;

/// How many differences of each class a page of a report shows.
const ON_A_PAGE: usize = 50;

pub(super) fn run(context: &Context, arguments: &arguments::Diff) -> Result<Exit, Failure> {
    let limits = Limits::DEFAULT;
    let asked = arguments.diffoscope.then(Diffoscope::find);
    let diffoscope = asked.transpose()?;
    let platform = arguments.platform.as_deref();
    let open = |name: &str| super::image::open(context, name, platform, &limits.images);
    let (left, right) = (open(&arguments.left)?, open(&arguments.right)?);
    let options = Options {
        mode: if arguments.semantic {
            DiffMode::Semantic
        } else {
            DiffMode::Strict
        },
        platform,
        shown: arguments.limit.into(),
        limits,
        diffoscope: diffoscope.as_ref(),
    };
    let named = |name, source| Named { name, source };
    let (left, right) = (
        named(&arguments.left, &left),
        named(&arguments.right, &right),
    );
    let found = diff::compare(&left, &right, &options)?;
    if let Some(path) = &arguments.html {
        let (directory, name) = place::parent(&context.directory, path)?;
        let page = diff::page(&found, env!("CARGO_PKG_VERSION"));
        let written = directory.write(&name, page.as_bytes());
        written.map_err(|error| place::cannot("write", path, &error))?;
    }
    match context.format {
        Format::Json => render::json(&found),
        Format::Human => render::diff::print(&found),
    }
    Ok(if found.equal {
        Exit::Success
    } else {
        ErrorKind::Differs.into()
    })
}

/// Returns a page that says how the image of an attempt differs from the recorded one, if both are still there. An
/// image that cannot be read is warned of.
pub(super) fn page_of(context: &Context, attempt: &Attempt) -> Option<String> {
    if attempt.machine.whose.is_some() {
        return None;
    }
    let recorded = attempt.recorded.as_ref()?;
    let made = attempt.digest.as_ref()?;
    let limits = Limits::DEFAULT;
    let package = &attempt.package;
    let name = format!("{package}@{}", attempt.runtime.name);
    let compared = || -> Result<Option<String>, Failure> {
        let find = |name| super::image::find(context, name, &limits.images);
        let (Some(left), Some(right)) = (find(package)?, find(&name)?) else {
            return Ok(None);
        };
        if !(has(&left, recorded) && has(&right, made)) {
            return Ok(None);
        }
        let options = Options {
            mode: DiffMode::Strict,
            platform: attempt.platform.as_deref(),
            shown: ON_A_PAGE,
            limits,
            diffoscope: None,
        };
        let named = |name, source| Named { name, source };
        let found = diff::compare(&named(package, &left), &named(&name, &right), &options)?;
        Ok(Some(diff::page(&found, env!("CARGO_PKG_VERSION"))))
    };
    compared().unwrap_or_else(|failure| {
        if !context.verbosity.quiet {
            failure.warn(&format!(
                "{name} cannot be compared with the recorded image"
            ));
        }
        None
    })
}

/// Tells whether an image is there.
fn has(source: &Source, digest: &documents::Digest) -> bool {
    let manifests = source.present().filter_map(|image| image.manifest);
    let digests = manifests.map(documents::Digest::from);
    digests.into_iter().any(|found| found == *digest)
}
