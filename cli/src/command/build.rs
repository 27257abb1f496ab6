//! `stagex build`: builds one image as `docker build` would be asked to.

use std::io::Write as _;

use build::{BuildJob, Error};
use documents::Version;

use super::check::Mode;
use crate::context::Context;
use crate::docker::Build;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render::{self, Show};
use crate::wait;

/// The directory of a package's sources in its context, and the name that stands for it in `--from`.
const FETCH: &str = "fetch";

/// What a tar of nothing is: two blocks of zeros.
const EMPTY: [u8; 1024] = [0; 1024];

pub(super) fn run(context: &Context, arguments: &Build) -> Result<Exit, Failure> {
    let root = &context.directory;
    let mut recipe = arguments.recipe(context.settings.profile.value, root)?;
    let output = arguments.output()?;
    if output.is_standard_output() && context.format == Format::Json {
        let message = "--format json and dest=- cannot both write to standard output".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, None)]));
    }
    let delivery = output.delivery(&recipe.trees(), root)?;
    let directories = place::directories(context)?;
    if arguments.check {
        let files = [recipe.containerfile.clone()];
        let mode = Mode {
            result: render::note,
            ..Mode::default()
        };
        let exit = super::check::of_files(context, &recipe.trees(), &files, mode)?;
        if let build::Delivery::Stream(mut stream) = delivery {
            let written = stream.write_all(&EMPTY);
            written.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        }
        return Ok(exit);
    }

    let hermetic = super::hermetic::of_recipe(context, &mut recipe)?;
    let name = recipe.name.clone();
    let fetch = recipe.context.join(FETCH);
    let listener = match arguments.progress() {
        Some(progress) => render::listener(
            context.verbosity,
            Show {
                progress,
                reasons: false,
            },
        ),
        None => std::sync::Arc::new(()),
    };
    let (runtime, built) = wait::block_on(async {
        let mut interrupted = wait::watch();
        let selected = context.select(&mut interrupted).await?;
        let runtime = selected.runtime().to_owned();
        let job = BuildJob {
            recipe,
            backend: selected.backend,
            ready: selected.ready,
            no_cache: arguments.no_cache(),
            network: context.settings.network.value.into(),
            hermetic,
            directories,
            space: context.settings.space(),
        };
        let built = build::build(job, delivery, listener, interrupted).await;
        Ok((runtime, built))
    })?;

    match built {
        Ok(digest) => {
            match context.format {
                Format::Json => render::json(&documents::Build {
                    version: Version,
                    runtime,
                    name,
                    digest: digest.into(),
                }),
                Format::Human if !output.is_standard_output() => {
                    render::result(&format!("{} {name}", digest.hex()));
                }
                Format::Human => {}
            }
            Ok(Exit::Success)
        }
        Err(failed) if matches!(failed.error, Error::Interrupted) => Err(failed.error.into()),
        Err(failed) => {
            super::make::print_failed(&name, &failed);
            if names_sources(&failed.error) && !root.join(&fetch).exists() {
                render::note(&format!(
                    " hint: {fetch} does not exist: StageX's rules link it to fetch/<stage>/<name>; do so, or use \
                     --build-context fetch=DIR"
                ));
            }
            Ok(failed.kind().into())
        }
    }
}

/// Whether an error is about something that names the directory of sources.
fn names_sources(error: &Error) -> bool {
    match error {
        Error::UnknownReference { reference, .. } => reference == FETCH,
        Error::Instruction { instruction, .. } => instruction
            .split([' ', '=', '"'])
            .any(|word| word.split('/').next() == Some(FETCH)),
        _ => false,
    }
}
