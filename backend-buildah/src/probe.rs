//! Finds out whether Buildah can build here, and what its version can do.

use backend_api::{Capabilities, Dialect, LayerRecord, Ready};
use camino::{Utf8Path, Utf8PathBuf};
use containers_build::{Driver, Sandbox, circumstances};
use findings::Findings;

use crate::command;
use crate::error::Error;
use crate::parse::{self, Version};

/// The oldest version that is supported: the oldest that was tried.
const OLDEST: (u32, u32) = (1, 28);
/// The first version with `RUN --network=`.
const RUN_NETWORK: (u32, u32) = (1, 30);
/// The first version that was tried which finds the source of a `RUN --mount` beneath what it is from, and
/// forgets what is written to it (CVE-2024-1753, CVE-2024-9675, CVE-2024-11218).
const CONFINED_MOUNTS: (u32, u32) = (1, 39);

/// A Buildah that can build here.
#[derive(Debug)]
pub(crate) struct Found {
    program: Utf8PathBuf,
    version: Version,
    pub(crate) driver: Driver,
}

/// Finds out whether the program `name`, a path or a name on PATH, can build here.
///
/// It is asked for its version, and then runs a program of a few bytes in a store of its own:
/// which sandbox works depends on more than can be asked for. What an earlier process found out
/// under the same circumstances is taken from `findings`.
pub(crate) async fn find(name: &Utf8Path, findings: &Findings) -> Result<Found, Error> {
    let program = process::find(name).map_err(|_| Error::NotFound {
        program: name.to_owned(),
    })?;
    let entry = findings.entry(circumstances(&program));
    let tool = command::tool(program.clone());
    if let Some((version, sandbox)) = entry.recall::<(Version, Sandbox)>()
        && let Ok(driver) = Driver::known(tool.clone(), sandbox, entry.clone())
    {
        return Ok(Found {
            program,
            version,
            driver,
        });
    }
    let version = ask(&program).await?;
    if version.number < OLDEST {
        return Err(Error::TooOld {
            program,
            version: version.text,
            oldest: "1.28",
        });
    }
    match Driver::find(tool).await {
        Ok(driver) => {
            entry.keep(&(&version, driver.sandbox()));
            Ok(Found {
                program,
                version,
                driver,
            })
        }
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
                    confined_mounts: self.version.number >= CONFINED_MOUNTS,
                },
                offline_builds: true,
                host_network: true,
                layers: LayerRecord::Touched,
                platforms: process::emulated_platforms(),
                leaves_mount_points: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_process_found_out_is_not_found_out_again() {
        // A program that fails whatever it is asked: this one.
        let program = std::env::current_exe().unwrap();
        let program = Utf8Path::from_path(&program).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let findings = Findings::in_folder(folder);
        let version = Version {
            text: "1.28.2".to_owned(),
            number: (1, 28),
        };
        let entry = findings.entry(circumstances(program));
        entry.keep(&(version, Sandbox::Chroot));

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime.block_on(find(program, &findings)).unwrap();
        assert_eq!(found.version.text, "1.28.2");
        assert_eq!(found.driver.sandbox(), Sandbox::Chroot);

        let afresh = runtime.block_on(find(program, &findings.afresh()));
        assert!(
            matches!(afresh, Err(Error::WillNotRun { .. })),
            "{afresh:?}"
        );
    }
}
