//! Finds out which Docker there is, and whether and how it can build.

use std::fmt::Write as _;

use backend_api::{Capabilities, Dialect, LayerRecord, Ready, Reason, Unavailable, Variation};
use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::ProbeCache;
use process::Finished;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::command::Client;
use crate::daemon::{Daemon, Surroundings};
use crate::error::{DAEMON_HINT, PERMISSION_HINT};
use crate::grammar::{Grammar, WITH_BUILDX};
use crate::parse::{self, Builder, Complaint, Release, Store, Versions};

/// The oldest release that is supported.
const OLDEST: Release = Release::new(20, 10);
/// The release with BuildKit 0.11 inside, whose cache tells files by their owners too.
const WITH_OWNERS_IN_CACHE: Release = Release::new(24, 0);

/// The same of BuildKit itself, where it is not the one inside of a daemon.
const BUILDKIT_WITH_OWNERS: Release = Release::new(0, 11);
/// What to do where buildx's builder is not there.
const BUILDER_HINT: &str = "see what there is (`docker buildx ls`), choose another (`docker buildx \
     use`, or the variable BUILDX_BUILDER), or the daemon's own: `docker buildx use default`";

/// A Docker that can build.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) client: Client,
    pub(crate) ready: Ready,
    pub(crate) results: Results,
    /// Whether the daemon has the network that a RUN is in by default.
    pub(crate) has_bridge: bool,
    /// Whether a build's limits are honoured.
    pub(crate) honours_limits: bool,
    /// Whether files with other owners are other files to the cache.
    pub(crate) cache_knows_owners: bool,
}

/// How images get in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Results {
    /// Both as OCI layouts; nothing gets a name in the daemon's store.
    Layouts,
    /// Both through the daemon's store, under names of ours.
    Named,
}

/// What the client says of itself and of its plugin, whichever daemon there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) version: String,
    /// The version of buildx.
    pub(crate) buildx: Option<String>,
    /// Its current builder.
    pub(crate) builder: Option<Builder>,
}

/// Finds out whether the Docker called `program`, or the one on PATH, can build.
///
/// The daemon is always asked. What the client said of itself under the same circumstances is
/// taken from `probe_cache`.
pub(crate) async fn probe(
    program: Option<&Utf8Path>,
    probe_cache: &ProbeCache,
) -> Result<Engine, Unavailable> {
    probe_in(Surroundings::of_process(), program, probe_cache).await
}

/// Finds that out where the client sees these surroundings; none are understood if it is `None`.
pub(crate) async fn probe_in(
    surroundings: Option<Surroundings>,
    program: Option<&Utf8Path>,
    probe_cache: &ProbeCache,
) -> Result<Engine, Unavailable> {
    let client = Client::new(find(program)?);
    let circumstances = surroundings
        .as_ref()
        .and_then(|surroundings| surroundings.circumstances(client.program()));
    let entry = probe_cache.entry(circumstances);
    let is_here = surroundings.as_ref().is_some_and(Surroundings::is_here);
    if let Some(said) = entry.recall::<Said>() {
        let ask = move || surroundings?.ask();
        let daemon = spawn_blocking(ask).await.expect("asking does not panic");
        if let Some(daemon) = daemon {
            return engine(client, said, daemon, is_here);
        }
    }
    let (said, daemon) = ask(&client).await?;
    let engine = engine(client, said.clone(), daemon, is_here)?;
    // Another builder than the daemon's own can go away by itself.
    if said.builder.as_ref().is_none_or(Builder::is_inside) {
        entry.keep(&said);
    }
    Ok(engine)
}

/// Has the client say all that there is to know.
async fn ask(client: &Client) -> Result<(Said, Daemon), Unavailable> {
    let found = PartialProbe {
        program: client.program(),
        version: None,
    };
    let (client_version, server_version) = versions(client, &found).await?;
    let found = PartialProbe {
        version: Some(server_version.clone()),
        ..found
    };
    // What is too old may not understand the other questions.
    release(&client_version, &found)?;
    release(&server_version, &found)?;

    let (store, buildx, builder, bridge) = tokio::join!(
        client.store_kind().run(),
        client.buildx_version().run(),
        client.builder().run(),
        client.bridge().run(),
    );
    if let Ok(answer) = &builder
        && let Some(message) = parse::no_builder(&answer.stderr)
    {
        return Err(found.because(
            Reason::Incomplete,
            format!("buildx: {message}"),
            BUILDER_HINT.to_owned(),
        ));
    }
    let text = |answer: Result<Finished, process::Error>| {
        answer.map_or(String::new(), |finished| {
            finished.stdout_text().into_owned()
        })
    };
    let store = store
        .ok()
        .and_then(|answer| parse::store(&answer.stdout_text()));
    let store = store.ok_or_else(|| {
        found.because(
            Reason::Incomplete,
            "`docker info` gave an answer that cannot be parsed".to_owned(),
            "see whether `docker info` works".to_owned(),
        )
    })?;
    let said = Said {
        version: client_version,
        buildx: parse::buildx_version(&text(buildx)),
        builder: parse::builder(&text(builder)),
    };
    let daemon = Daemon {
        version: server_version,
        store,
        has_bridge: bridge.is_ok_and(|answer| answer.succeeded()),
    };
    Ok((said, daemon))
}

/// Concludes from what was said what Docker can do.
///
/// `is_here` is whether the daemon is known to be on this machine.
fn engine(
    client: Client,
    said: Said,
    daemon: Daemon,
    is_here: bool,
) -> Result<Engine, Unavailable> {
    let found = PartialProbe {
        program: client.program(),
        version: Some(daemon.version.clone()),
    };
    let client_release = release(&said.version, &found)?;
    let server_release = release(&daemon.version, &found)?;
    let results = results(
        &found,
        client_release,
        &daemon.store,
        said.buildx.as_deref(),
        said.builder.as_ref(),
    )?;
    let other = said.builder.filter(|builder| !builder.is_inside());
    // A BuildKit of its own has a version of its own, and networks of its own.
    let (grammar, knows_owners) = match &other {
        None => (
            Grammar::of_daemon(server_release),
            server_release >= WITH_OWNERS_IN_CACHE,
        ),
        Some(builder) => {
            let since = |oldest| builder.release.is_none_or(|release| release >= oldest);
            (
                Grammar::of_buildkit(builder.release),
                since(BUILDKIT_WITH_OWNERS),
            )
        }
    };
    let modern = grammar.modern;
    let has_bridge = daemon.has_bridge || other.is_some();
    let buildx = said.buildx;
    let mut builder = buildx.map_or("built in".to_owned(), |version| format!("buildx {version}"));
    if let Some(Builder { name, driver, .. }) = &other {
        let _ = write!(builder, ", `{name}` (driver {driver})");
    }
    let mut details = vec![("builder".to_owned(), builder)];
    if other.is_none() {
        details.push(("store".to_owned(), describe(&daemon.store)));
    }
    if said.version != daemon.version {
        details.insert(0, ("client".to_owned(), said.version));
    }
    if !has_bridge {
        details.push((
            "network".to_owned(),
            "none: the daemon has no bridge".to_owned(),
        ));
    }
    if !modern {
        details.push(("open files".to_owned(), "the daemon's own limit".to_owned()));
    }
    Ok(Engine {
        ready: Ready {
            program: client.program().to_owned(),
            version: daemon.version,
            details,
            capabilities: Capabilities {
                platforms: match other {
                    Some(builder) => builder.emulated(),
                    None if is_here => process::emulated_platforms(),
                    None => Vec::new(),
                },
                ..capabilities(grammar, results)
            },
        },
        client,
        results,
        has_bridge,
        honours_limits: modern,
        cache_knows_owners: knows_owners,
    })
}

pub(crate) fn capabilities(grammar: Grammar, results: Results) -> Capabilities {
    let modern = grammar.modern;
    Capabilities {
        dialect: Dialect {
            heredocs: modern,
            run_network: modern,
            named_contexts: results == Results::Layouts,
            workdir_layers: true,
            add_zstd: modern,
            confined_mounts: true,
            any_destination: false,
            mounts_below_dev: true,
            copy_exclude: grammar.exclude,
            copy_parents: grammar.parents,
            copy_link: modern,
            symbolic_modes: grammar.exclude,
            copy_patterns: true,
            add_unpack: grammar.exclude,
            add_remote: modern,
            tmpfs_size: modern,
            private_caches: true,
            stacked_mounts: modern,
        },
        offline_builds: true,
        host_network: true,
        layers: match results {
            Results::Layouts => LayerRecord::Changes,
            Results::Named => LayerRecord::Touched,
        },
        platforms: Vec::new(),
        leaves_mount_points: !modern,
        // Of everything else it is the daemon that decides.
        varies: [Variation::TimeZone, Variation::Locale].into(),
    }
}

fn describe(store: &Store) -> String {
    let owner = if store.containerd {
        "containerd"
    } else {
        "graph driver"
    };
    format!("{owner}, {}", store.driver)
}

/// What was found before it turned out that Docker cannot build.
#[derive(Debug, Clone)]
struct PartialProbe<'a> {
    program: &'a Utf8Path,
    version: Option<String>,
}

impl PartialProbe<'_> {
    fn because(&self, reason: Reason, message: String, hint: String) -> Unavailable {
        Unavailable {
            reason,
            program: Some(self.program.to_owned()),
            version: self.version.clone(),
            message,
            hint,
        }
    }
}

fn find(program: Option<&Utf8Path>) -> Result<Utf8PathBuf, Unavailable> {
    let name = program.unwrap_or(Utf8Path::new("docker"));
    process::find(name).map_err(|error| {
        // What is there but may not be executed is not found either.
        let there = program.filter(|path| path.as_str().contains('/') && path.exists());
        let (reason, message) = match there {
            Some(path) => (
                Reason::WillNotRun,
                format!("`{path}` is not an executable file"),
            ),
            None => (Reason::NotFound, error.to_string()),
        };
        let hint = match program {
            Some(_) => "give the path of Docker's client, an executable file",
            None => {
                "install Docker (Debian: `sudo apt-get install docker.io`), or say where its \
                 client is with `--engine docker=PATH`"
            }
        };
        Unavailable {
            reason,
            program: there.map(Utf8Path::to_owned),
            version: None,
            message,
            hint: hint.to_owned(),
        }
    })
}

/// Asks for the versions of client and daemon.
async fn versions(
    client: &Client,
    found: &PartialProbe<'_>,
) -> Result<(String, String), Unavailable> {
    let program = found.program;
    let answer = match client.version().run().await {
        Ok(answer) => answer,
        Err(process::Error::TimedOut { limit, .. }) => {
            let message = format!(
                "Docker's daemon gave no answer within {} s",
                limit.as_secs()
            );
            let hint = "see the daemon's log (`journalctl -u docker`), or start it again";
            return Err(found.because(Reason::DaemonUnreachable, message, hint.to_owned()));
        }
        Err(error) => {
            let hint = "check whether it is a program for this machine, or say where Docker's \
                        client is with `--engine docker=PATH`";
            return Err(found.because(Reason::WillNotRun, error.to_string(), hint.to_owned()));
        }
    };
    let said = answer.stderr.trim();
    match parse::versions(&answer.stdout_text()) {
        Some(Versions::Docker {
            client,
            server: Some(server),
        }) => Ok((client, server)),
        Some(Versions::Docker {
            client,
            server: None,
        }) => {
            let (reason, hint) = match parse::complaint(said) {
                Complaint::PermissionDenied => (Reason::PermissionDenied, PERMISSION_HINT),
                _ => (Reason::DaemonUnreachable, DAEMON_HINT),
            };
            let message = format!("the client {program} (version {client}) runs, but: {said}");
            Err(found.because(reason, message, hint.to_owned()))
        }
        Some(Versions::Podman { version }) => Err(found.because(
            Reason::Incomplete,
            format!("{program} is not Docker but Podman {version} under its name"),
            "use `--runtime podman`, or say where Docker's client is with `--engine docker=PATH`"
                .to_owned(),
        )),
        None => Err(found.because(
            Reason::WillNotRun,
            format!("`{program} version` gave an answer that cannot be parsed: {said}"),
            "say where Docker's client is with `--engine docker=PATH`".to_owned(),
        )),
    }
}

/// Reads a version's release, which must not be too old.
fn release(version: &str, found: &PartialProbe<'_>) -> Result<Release, Unavailable> {
    match Release::parse(version) {
        // A version that is no number is a build of somebody's own, and newer than not.
        None => Ok(Release {
            major: u32::MAX,
            minor: 0,
        }),
        Some(release) if release >= OLDEST => Ok(release),
        Some(_) => Err(found.because(
            Reason::TooOld,
            format!("expected Docker 20.10 or later, found {version}"),
            "upgrade Docker, or use podman or buildah".to_owned(),
        )),
    }
}

/// Decides how images get in and out.
fn results(
    found: &PartialProbe<'_>,
    client: Release,
    store: &Store,
    buildx: Option<&str>,
    builder: Option<&Builder>,
) -> Result<Results, Unavailable> {
    if buildx.is_some() {
        if let Some(Builder { name, driver, .. }) =
            builder.filter(|builder| builder.driver == "remote" && !builder.is_running)
        {
            // One of another driver is started when it is needed.
            let message = format!("buildx's builder `{name}` (driver {driver}) does not answer");
            return Err(found.because(Reason::DaemonUnreachable, message, BUILDER_HINT.to_owned()));
        }
        // BuildKit inside the daemon can export a layout only from containerd's store; a
        // BuildKit of its own always can.
        let inside = builder.is_none_or(Builder::is_inside);
        return if inside && !store.containerd {
            named(found, store)
        } else {
            Ok(Results::Layouts)
        };
    }
    if client < WITH_BUILDX && !store.containerd {
        return named(found, store);
    }
    Err(found.because(
        Reason::Incomplete,
        format!(
            "{} has no buildx plugin, without which it cannot build",
            found.program
        ),
        "install the plugin (Debian: `docker-buildx`, from Docker's own packages: \
         `docker-buildx-plugin`), or name another client with `--engine docker=PATH`"
            .to_owned(),
    ))
}

/// Takes images out of the daemon's store, if no change to a file is lost in it.
fn named(found: &PartialProbe<'_>, store: &Store) -> Result<Results, Unavailable> {
    if store.notices_all {
        return Ok(Results::Named);
    }
    Err(found.because(
        Reason::Incomplete,
        format!(
            "the daemon's store ({}) does not notice all changes to files: what keeps its size and its time \
             would be missing from images",
            describe(store)
        ),
        "let the daemon use `overlay2` (`storage-driver` in /etc/docker/daemon.json, with `redirect_dir` and \
         `metacopy` off in the kernel's overlay module), or containerd's image store"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn decide(
        client: &str,
        containerd: bool,
        buildx: bool,
        driver: Option<(&str, bool)>,
    ) -> Result<Results, Reason> {
        let found = PartialProbe {
            program: Utf8Path::new("/usr/bin/docker"),
            version: None,
        };
        let store = Store {
            driver: "overlayfs".to_owned(),
            containerd,
            notices_all: true,
        };
        let client = Release::parse(client).unwrap();
        let buildx = buildx.then_some("0.13.1");
        let builder = driver.map(|(driver, is_running)| Builder {
            name: "x".to_owned(),
            driver: driver.to_owned(),
            is_running,
            release: None,
            platforms: Vec::new(),
        });
        results(&found, client, &store, buildx, builder.as_ref()).map_err(|error| error.reason)
    }

    #[rstest]
    #[case::bookworm("20.10", false, false, None, Ok(Results::Named))]
    #[case::trixie("26.1", true, true, Some(("docker", true)), Ok(Results::Layouts))]
    #[case::graph_driver("26.1", false, true, Some(("docker", true)), Ok(Results::Named))]
    #[case::own_buildkit("26.1", false, true, Some(("docker-container", false)), Ok(Results::Layouts))]
    #[case::elsewhere("26.1", false, true, Some(("remote", true)), Ok(Results::Layouts))]
    #[case::nobody("26.1", true, true, Some(("remote", false)), Err(Reason::DaemonUnreachable))]
    #[case::no_buildx("28.2", true, false, None, Err(Reason::Incomplete))]
    #[case::no_buildx("28.2", false, false, None, Err(Reason::Incomplete))]
    #[case::old_client_new_daemon("20.10", true, false, None, Err(Reason::Incomplete))]
    fn the_way_depends_on_what_is_there(
        #[case] client: &str,
        #[case] containerd: bool,
        #[case] buildx: bool,
        #[case] driver: Option<(&str, bool)>,
        #[case] expected: Result<Results, Reason>,
    ) {
        assert_eq!(decide(client, containerd, buildx, driver), expected);
    }

    #[rstest]
    #[case::absent("/nonexistent/docker", Reason::NotFound)]
    #[case::no_program(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), Reason::WillNotRun)]
    fn what_cannot_be_started_is_no_docker(#[case] path: &str, #[case] reason: Reason) {
        let error = find(Some(Utf8Path::new(path))).unwrap_err();
        assert_eq!(error.reason, reason, "{error:?}");
    }

    #[test]
    fn too_old_is_said_with_the_version() {
        let found = PartialProbe {
            program: Utf8Path::new("/usr/bin/docker"),
            version: Some("19.03.15".to_owned()),
        };
        let error = release("19.03.15", &found).unwrap_err();
        assert_eq!(error.reason, Reason::TooOld);
        assert!(
            error.message.contains("found 19.03.15"),
            "{}",
            error.message
        );
        assert!(release("20.10.24+dfsg1", &found).is_ok());
        assert!(release("dev", &found).is_ok());
    }
}
