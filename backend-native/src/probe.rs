//! What can be done here: found out by a worker that does it, on a small scale.

use backend_api::{Capabilities, Dialect, LayerRecord, Ready, emulated_platforms};
use camino::{Utf8Path, Utf8PathBuf};

use crate::command;
use crate::error::Error;
use crate::job::Job;
use crate::parse::Answer;

/// The version: this program's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was found out.
#[derive(Debug)]
pub(crate) struct Found {
    details: Vec<(String, String)>,
}

impl Found {
    /// Returns it in the API's words.
    pub(crate) fn ready(&self, program: &Utf8Path) -> Ready {
        Ready {
            // Of this program, the name of its file.
            program: program
                .read_link_utf8()
                .unwrap_or_else(|_| program.to_owned()),
            version: VERSION.to_owned(),
            details: self.details.clone(),
            capabilities: capabilities(),
        }
    }
}

/// What this backend can do: everything, since it follows `BuildKit` where it differs from others.
fn capabilities() -> Capabilities {
    Capabilities {
        dialect: Dialect {
            heredocs: true,
            run_network: true,
            named_contexts: true,
            workdir_layers: true,
            add_zstd: true,
            confined_mounts: true,
        },
        offline_builds: true,
        host_network: true,
        layers: LayerRecord::Changes,
        platforms: emulated_platforms(),
        leaves_mount_points: false,
    }
}

/// Finds out what can be done here, by a worker that is `program`.
pub(crate) async fn find(program: &Utf8Path) -> Result<Found, Error> {
    process::find(program)?;
    let work = Utf8PathBuf::from("/tmp");
    let mut answer = Answer::default();
    let done = command::worker(program, &Job::Probe { work })
        .run_with(&mut |_, line| {
            answer.take(line);
        })
        .await?;
    let details = answer.finish(&done.stderr)?;
    Ok(Found { details })
}
