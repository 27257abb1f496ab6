//! `stagex build`: builds one image as `docker build` would be asked to.

use std::io::Write as _;

use build::{BuildJob, Error};
use serde_json::json;

use super::interruption;
use crate::arguments::{Format, Global};
use crate::docker::Build;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::place;
use crate::render::{self, Show};

/// What a tar of nothing is: two blocks of zeros.
const EMPTY: [u8; 1024] = [0; 1024];

pub(super) fn run(global: &Global, arguments: &Build) -> Result<Exit, Failure> {
    let root = &global.directory;
    let recipe = arguments.recipe(root)?;
    let output = arguments.output()?;
    if output.is_standard_output() && global.format == Format::Json {
        let message = "--format json and dest=- both want standard output".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, None)]));
    }
    let delivery = output.delivery(&recipe.trees(), root)?;
    let folders = place::folders(global)?;
    if arguments.check {
        let (trees, files) = (recipe.trees(), [&recipe.containerfile]);
        let exit = super::check::of_files(global, &trees, files, false, render::note)?;
        if let build::Delivery::Stream(mut stream) = delivery {
            let written = stream.write_all(&EMPTY);
            written.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        }
        return Ok(exit);
    }

    let name = recipe.name.clone();
    let (choice, programs) = (global.runtime(), global.programs());
    let listener = match arguments.progress() {
        Some(progress) => render::listener(
            global,
            Show {
                progress,
                reasons: false,
            },
        ),
        None => std::sync::Arc::new(()),
    };
    let (runtime, built) = super::block_on(async {
        let mut interrupted = interruption::watch();
        let findings = crate::environment::findings();
        let selecting = runtimes::select(&choice, &programs, &findings);
        let selected = interruption::unless(&mut interrupted, selecting).await?;
        let selected = selected.map_err(super::make::no_runtime)?;
        let runtime = selected.backend.id().to_owned();
        let job = BuildJob {
            recipe,
            backend: selected.backend,
            ready: selected.ready,
            no_cache: arguments.no_cache(),
            network: arguments.network().into(),
            folders,
        };
        let built = build::build(job, delivery, listener, interrupted).await;
        Ok((runtime, built))
    })?;

    match built {
        Ok(digest) => {
            match global.format {
                Format::Json => {
                    let digest = digest.to_string();
                    render::json(
                        &json!({ "version": 1, "runtime": runtime, "name": name, "digest": digest }),
                    );
                }
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
            Ok(failed.kind().into())
        }
    }
}
