//! Finds out whether Podman can build here, and what its version can do.

use backend_api::{Capabilities, Dialect, LayerRecord, Ready};
use camino::{Utf8Path, Utf8PathBuf};
use containers_build::Driver;

use crate::command;
use crate::error::Error;
use crate::parse::{self, Version};

/// The oldest version that is supported: the oldest that was tried.
const OLDEST: (u32, u32) = (4, 3);
/// The first version with `RUN --network=`.
const RUN_NETWORK: (u32, u32) = (4, 5);

/// A Podman that can build here.
#[derive(Debug)]
pub(crate) struct Found {
    program: Utf8PathBuf,
    version: Version,
    pub(crate) driver: Driver,
}

/// Finds out whether the program `name`, a path or a name on PATH, can build here.
///
/// It is asked for its version, and then runs a program of a few bytes in a store of its own:
/// which sandbox works depends on more than can be asked for.
pub(crate) async fn find(name: &Utf8Path) -> Result<Found, Error> {
    let program = process::find(name).map_err(|_| Error::NotFound {
        program: name.to_owned(),
    })?;
    let version = ask(&program).await?;
    if version.number < OLDEST {
        return Err(Error::TooOld {
            program,
            version: version.text,
            oldest: "4.3",
        });
    }
    match Driver::find(command::tool(program.clone())).await {
        Ok(driver) => Ok(Found {
            program,
            version,
            driver,
        }),
        Err(source) => Err(Error::NoSandbox {
            program,
            version: version.text,
            source,
        }),
    }
}

async fn ask(program: &Utf8Path) -> Result<Version, Error> {
    let will_not_run = |message| Error::WillNotRun {
        program: program.to_owned(),
        message,
    };
    let done = command::version(program)
        .run()
        .await
        .map_err(|error| match error {
            process::Error::NotPermitted { program } => Error::NotExecutable { program },
            error => will_not_run(error.to_string()),
        })?;
    if !done.succeeded() {
        return Err(will_not_run(done.stderr.trim().to_owned()));
    }
    parse::version(&done.stdout)
        .ok_or_else(|| will_not_run("expected a version, as JSON".to_owned()))
}

impl Found {
    /// Returns what is known of it, in the API's words.
    pub(crate) fn ready(&self) -> Ready {
        let sandbox = self.driver.sandbox();
        Ready {
            program: self.program.clone(),
            version: self.version.text.clone(),
            details: vec![("isolation".to_owned(), sandbox.to_string())],
            capabilities: Capabilities {
                dialect: Dialect {
                    // Later versions have them, but expand variables in them, or run them as a
                    // file that the chroot does not have: each version in its own way.
                    heredocs: false,
                    run_network: self.version.number >= RUN_NETWORK && sandbox.has_networks(),
                    named_contexts: true,
                    workdir_layers: false,
                    add_zstd: true,
                },
                offline_builds: true,
                layers: LayerRecord::Touched,
                leaves_mount_points: true,
            },
        }
    }
}
