//! Finds out what a plugin says about itself and its engine.

use std::collections::BTreeSet;

use backend_api::Capabilities;
use backend_api::Ready;
use camino::{Utf8Path, Utf8PathBuf};

use crate::command::{PROTOCOL, Request};
use crate::conversation;
use crate::error::{Cause, Error};
use crate::limits::Limits;
use crate::parse::Probed;

/// Asks the plugin `program`, a path or a name on PATH.
pub(crate) async fn ask(program: &Utf8Path, limits: &Limits) -> Result<Ready, Error> {
    let program = find(program)?;
    let invocation = Request::Probe.invocation(&program).time_limit(limits.probe);
    let mut fields = conversation::ask(&program, invocation, limits, &[], &()).await?;
    // The rest of an answer in another version may have any shape.
    match fields
        .remove("protocol")
        .and_then(|version| version.as_u64())
    {
        Some(PROTOCOL) => {}
        Some(other) => return Err(Error::new(&program, Cause::Version(other))),
        None => {
            let what = "did not say which version of the plugin protocol it speaks";
            return Err(Error::new(&program, Cause::Misbehaved(what.to_owned())));
        }
    }
    let probed: Probed = conversation::fields(&program, fields)?;
    Ok(Ready {
        program,
        version: probed.version,
        details: probed.details.into_iter().collect(),
        capabilities: Capabilities {
            // No request says what is to be varied, so nothing that a plugin says it varies would be.
            varies: BTreeSet::new(),
            ..probed.capabilities
        },
    })
}

/// Finds the plugin's executable.
pub(crate) fn find(program: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    process::find(program).map_err(|error| Error::new(program, Cause::Process(error)))
}
