//! `stagex sign`: signs what this machine has reproduced.

mod candidates;
mod carried;
mod released;
mod told;
mod work;

use candidates::find;
use sign::{Refused, Subject};
use told::Told;
use work::Work;

use crate::arguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait;

/// Finds out what this machine may sign of all packages, and why not the rest.
pub(super) fn may_sign(
    context: &Context,
    registry: &trust::Registry,
) -> Result<Vec<Result<Subject, Refused>>, Failure> {
    let arguments = arguments::Sign {
        registry: registry.clone(),
        ..arguments::Sign::default()
    };
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let found = find(context, &arguments, &mut interrupted).await?;
        Ok(found.images)
    })
}

pub(super) fn run(context: &Context, arguments: &arguments::Sign) -> Result<Exit, Failure> {
    wait::block_on(async {
        let mut interrupted = wait::watch();
        if let Some(directory) = &arguments.import {
            return carried::import(context, arguments, directory, &mut interrupted).await;
        }
        let found = find(context, arguments, &mut interrupted).await?;
        let (refused, keep_going) = (!found.refused().is_empty(), arguments.keep_going);
        let may_begin = (!refused || keep_going) && found.subjects().next().is_some();
        let mut outcome = Told::new(context, &found);
        let done = if let (Some(directory), true) = (&arguments.export, may_begin) {
            let released = released::find(context, &mut interrupted).await?;
            carried::export(context, directory, &found, released.as_ref())
        } else if may_begin && !arguments.dry_run {
            let signing = Work::begin(context, arguments, &mut interrupted).await?;
            let signed = signing.sign(context, arguments, &found, &mut outcome, &mut interrupted);
            signed.await
        } else {
            Ok(())
        };
        // What was signed before something failed is signed.
        outcome.tell(*interrupted.borrow());
        done?;
        Ok(match outcome.failure(*interrupted.borrow()) {
            Some(kind) => Exit::Error(kind),
            None => Exit::Success,
        })
    })
}
