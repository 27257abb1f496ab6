//! `stagex build`: builds one image as `docker build` would be asked to.

mod files;
mod outputs;

use std::io::Write as _;

use build::{BuildJob, Error, ImageSet};
use documents::Version;

use self::outputs::Outputs;
use super::check::Mode;
use crate::context::Context;
use crate::docker::Build;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::output::Output;
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
    if arguments.lock {
        return lock(context, arguments, &recipe);
    }
    let to_output = arguments.outputs()?.iter().any(Output::is_standard_output);
    if to_output && context.format == Format::Json {
        let message = "--format json and dest=- cannot both write to standard output".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, None)]));
    }
    let directories = place::directories(context)?;
    if arguments.check {
        let files = [recipe.containerfile.clone()];
        let mode = Mode {
            result: render::note,
            ..Mode::default()
        };
        let exit = super::check::of_files(context, &recipe.trees(), &files, mode)?;
        if to_output {
            let written = std::io::stdout().write_all(&EMPTY);
            written.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        }
        return Ok(exit);
    }

    super::bases::bring(context, &arguments.from, &mut recipe)?;
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
        let preparing = Outputs::prepare(context, arguments, &recipe, &selected, &mut interrupted);
        let outputs = preparing.await?;
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
        let (layout, stop) = (outputs.layout.clone(), interrupted.clone());
        let deliver = move |image: &ImageSet| outputs.deliver(image, &stop);
        let built = build::build(job, layout, deliver, listener, interrupted).await;
        Ok((runtime, built))
    })?;

    match built {
        Ok((digest, delivered)) => {
            let outputs = delivered?;
            match context.format {
                Format::Json => render::json(&documents::Build {
                    version: Version,
                    runtime,
                    name,
                    digest: digest.into(),
                    outputs,
                }),
                Format::Human if !to_output => {
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

fn lock(context: &Context, arguments: &Build, recipe: &build::Recipe) -> Result<Exit, Failure> {
    let images = super::bases::lock(context, &arguments.from, recipe)?;
    if images.is_empty() && !context.verbosity.quiet {
        render::note("the Containerfile names no image of StageX without a digest");
    }
    match context.format {
        Format::Json => render::json(&documents::Lock {
            version: Version,
            images,
        }),
        Format::Human if images.is_empty() => {}
        Format::Human => {
            let line = |image: &documents::LockedImage| {
                let people = image.people.join(", ");
                printable::line(&format!("{} signed by {people}", image.locked)).into_owned()
            };
            let lines: Vec<String> = images.iter().map(line).collect();
            render::result(&lines.join("\n"));
        }
    }
    Ok(Exit::Success)
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
