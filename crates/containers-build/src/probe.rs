//! Finds out whether an engine can build, and where, and what its version can do.

use backend_api::{Capabilities, Dialect, LayerRecord, Ready, Variation};
use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::ProbeCache;
use process::Environment;
use serde::{Deserialize, Serialize};

use crate::circumstances::circumstances;
use crate::driver::Driver;
use crate::engine::{Engine, Features, Place, Versions};
use crate::remote::{Elsewhere, Remote};
use crate::sandbox::Sandbox;
use crate::unusable::Unusable;

/// What can be varied around an engine that this process starts.
const VARIED_HERE: [Variation; 5] = [
    Variation::Processors,
    Variation::KernelRelease,
    Variation::Umask,
    Variation::TimeZone,
    Variation::Locale,
];
/// What can be varied around an engine elsewhere: what its client has.
const VARIED_ELSEWHERE: [Variation; 2] = [Variation::TimeZone, Variation::Locale];

/// An engine that can build.
#[derive(Debug)]
pub(crate) struct UsableEngine {
    program: Utf8PathBuf,
    versions: Versions,
    pub(crate) builder: Builder,
}

/// What builds.
#[derive(Debug)]
pub(crate) enum Builder {
    /// The program itself.
    Here(Driver),
    /// A service that it is connected to.
    There(Remote),
}

/// What is kept of what was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    versions: Versions,
    way: Way,
}

/// How it builds, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Here(Sandbox),
    There(Elsewhere),
}

/// Finds out whether the program `name`, a path or a name on PATH, can build.
///
/// It is asked for its version, and then builds with a program of a few bytes, in a store of its own
/// or elsewhere: which sandbox works depends on more than can be asked for. What an earlier process
/// found out under the same circumstances is taken from `probe_cache`; but a service elsewhere is always
/// asked whether it is still the same.
pub(crate) async fn find<E: Engine>(
    name: &Utf8Path,
    probe_cache: &ProbeCache,
) -> Result<UsableEngine, Unusable> {
    let program = process::find(name).map_err(|_| Unusable::NotFound {
        program: name.to_owned(),
    })?;
    let entry = probe_cache.entry(circumstances(&program));
    let kept = entry.recall::<Kept>();
    if let Some(Kept {
        versions,
        way: Way::Here(sandbox),
    }) = &kept
        && let Ok(driver) = Driver::known(
            E::tool(program.clone(), Place::Here),
            *sandbox,
            entry.clone(),
        )
    {
        return Ok(UsableEngine {
            program,
            versions: versions.clone(),
            builder: Builder::Here(driver),
        });
    }
    let versions = ask::<E>(&program).await?;
    let oldest = E::FEATURES.oldest;
    for version in [&versions.client, versions.builder()] {
        if version.number < oldest {
            return Err(Unusable::TooOld {
                program,
                version: version.text.clone(),
                oldest,
            });
        }
    }
    let known = kept.filter(|kept| kept.versions == versions);
    let builder = match (&versions.service, known) {
        (None, _) => Driver::find(E::tool(program.clone(), Place::Here))
            .await
            .map(Builder::Here),
        (Some(_), known) => {
            let tool = E::tool(program.clone(), Place::Elsewhere);
            if let Some(Way::There(elsewhere)) = known.map(|kept| kept.way) {
                Ok(Remote::known(tool, elsewhere, entry.clone()))
            } else {
                Remote::find(tool).await
            }
            .map(Builder::There)
        }
    };
    let builder = builder.map_err(|source| Unusable::NoSandbox {
        program: program.clone(),
        version: versions.builder().text.clone(),
        source,
    })?;
    // What falls short because of how a service elsewhere is set up may do so no longer next time.
    let is_here = matches!(builder, Builder::Here(_));
    if is_here || builder.sandbox().has_networks() {
        entry.keep(&Kept {
            versions: versions.clone(),
            way: builder.way(),
        });
    }
    Ok(UsableEngine {
        program,
        versions,
        builder,
    })
}

async fn ask<E: Engine>(program: &Utf8Path) -> Result<Versions, Unusable> {
    let will_not_run = |message| Unusable::WillNotRun {
        program: program.to_owned(),
        message,
    };
    let done = E::version(program)
        .run()
        .await
        .map_err(|error| match error {
            process::Error::NotPermitted { program } => Unusable::NotExecutable { program },
            error => will_not_run(error.to_string()),
        })?;
    if !done.succeeded() {
        let message = done.stderr.trim().to_owned();
        return Err(if E::is_unreachable(&message) {
            let program = program.to_owned();
            let last = message.lines().last().unwrap_or_default();
            let message = last.trim_start_matches("Error: ").to_owned();
            Unusable::Unreachable { program, message }
        } else {
            will_not_run(message)
        });
    }
    E::versions(&done.stdout).ok_or_else(|| will_not_run("expected a version, as JSON".to_owned()))
}

impl Builder {
    fn way(&self) -> Way {
        match self {
            Self::Here(driver) => Way::Here(driver.sandbox()),
            Self::There(remote) => Way::There(remote.elsewhere()),
        }
    }

    fn sandbox(&self) -> Sandbox {
        match self {
            Self::Here(driver) => driver.sandbox(),
            Self::There(remote) => remote.elsewhere().sandbox,
        }
    }
}

impl UsableEngine {
    /// Returns what is known of it, in the API's words.
    pub(crate) fn ready(&self, features: Features) -> Ready {
        let sandbox = self.builder.sandbox();
        let is_here = matches!(self.builder, Builder::Here(_));
        let mut details = vec![("isolation".to_owned(), sandbox.to_string())];
        if !is_here {
            details.insert(0, ("connection".to_owned(), connection()));
        }
        if *self.versions.builder() != self.versions.client {
            details.insert(0, ("client".to_owned(), self.versions.client.text.clone()));
        }
        let version = self.versions.builder();
        Ready {
            program: self.program.clone(),
            version: version.text.clone(),
            details,
            capabilities: Capabilities {
                dialect: Dialect {
                    // Later versions have them, but expand variables in them, or run them as a
                    // file that the chroot does not have: each version in its own way.
                    heredocs: false,
                    run_network: version.number >= features.run_network && sandbox.has_networks(),
                    // A layout on this disk is none elsewhere.
                    named_contexts: is_here,
                    workdir_layers: false,
                    add_zstd: true,
                    confined_mounts: version.number >= features.confined_mounts,
                    // A changed root has the machine's own.
                    mounts_below_dev: sandbox.hides_memory(),
                    // Of the rest some versions refuse something, some ignore it, and some give another image.
                    ..Dialect::NONE
                },
                // Around an engine elsewhere nothing can be put that takes its network away.
                offline_builds: is_here || sandbox.has_networks(),
                host_network: true,
                layers: LayerRecord::Touched,
                platforms: if is_here {
                    process::emulated_platforms()
                } else {
                    // It cannot be asked for them.
                    Vec::new()
                },
                leaves_mount_points: true,
                varies: if is_here {
                    VARIED_HERE.into()
                } else {
                    VARIED_ELSEWHERE.into()
                },
            },
        }
    }
}

/// Returns which service the program is connected to, as the user has named it.
fn connection() -> String {
    let environment = Environment::pinned();
    let named = |wanted: &str| {
        let mut variables = environment.iter();
        let found = variables.find(|(name, value)| *name == wanted && !value.is_empty());
        found.map(|(_, value)| value.to_owned())
    };
    named("CONTAINER_HOST")
        .or_else(|| named("CONTAINER_CONNECTION"))
        .unwrap_or_else(|| "the default of its configuration".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use process::Invocation;

    use crate::engine::Version;
    use crate::tool::Tool;

    #[derive(Debug)]
    struct Some43;

    impl Engine for Some43 {
        const ID: &'static str = "some";
        const PACKAGES: &'static str = "some";
        const FEATURES: Features = Features {
            oldest: (4, 3),
            run_network: (4, 5),
            confined_mounts: (5, 4),
        };

        fn version(program: &Utf8Path) -> Invocation {
            Invocation::new(program).argument("version")
        }

        fn versions(_: &[u8]) -> Option<Versions> {
            None
        }

        fn tool(program: Utf8PathBuf, _: Place) -> Tool {
            Tool {
                program,
                global_arguments: &[],
                push_arguments: &[],
                inspect_arguments: &[],
                variables: &[],
            }
        }
    }

    #[test]
    fn what_an_earlier_process_found_out_is_not_found_out_again() {
        // A program that fails whatever it is asked: this one.
        let program = std::env::current_exe().unwrap();
        let program = Utf8Path::from_path(&program).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        let probe_cache = ProbeCache::in_directory(directory);
        let version = Version {
            text: "4.3.1".to_owned(),
            number: (4, 3),
        };
        let entry = probe_cache.entry(circumstances(program));
        entry.keep(&Kept {
            versions: Versions {
                client: version,
                service: None,
            },
            way: Way::Here(Sandbox::Chroot),
        });

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime
            .block_on(find::<Some43>(program, &probe_cache))
            .unwrap();
        assert_eq!(found.versions.client.text, "4.3.1");
        assert_eq!(found.builder.sandbox(), Sandbox::Chroot);

        let afresh = runtime.block_on(find::<Some43>(program, &probe_cache.afresh()));
        assert!(
            matches!(afresh, Err(Unusable::WillNotRun { .. })),
            "{afresh:?}"
        );
    }
}
