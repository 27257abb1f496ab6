//! Building by a server of the Remote Execution API, and `stagex remote-worker`, which its workers run.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backend_api::{Network, Ready};
use camino::Utf8Path;
use documents::MadeByServer;
use indicatif::HumanBytes;
use make::{Executor, Local};
use process::Invocation;
use remote::{Address, Cache, Credentials, Remote, Server, Token};

use crate::context::{Context, Selected};
use crate::environment;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::render;
use crate::settings::Building;
use crate::wait;

/// What this program is, wherever its file lies by now.
const PROGRAM: &str = "/proc/self/exe";
/// How long a program may take that prints a token, and how much it may print.
const PATIENCE: Duration = Duration::from_secs(60);
const LONGEST: usize = 64 << 10;
/// The runtime of workers.
const NATIVE: &str = "native";

/// Returns what builds by a server, if one was asked for: nothing is started here.
pub(super) fn selected(context: &Context) -> Option<Selected> {
    context.settings.remote.address.value.as_ref()?;
    let ready = Ready {
        program: PROGRAM.into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        details: Vec::new(),
        capabilities: backend_api::Capabilities {
            // Nobody knows here which programs its workers run besides their own.
            platforms: Vec::new(),
            ..runtimes::capabilities_of_native()
        },
    };
    let backend = context.backend(NATIVE)?;
    Some(Selected { backend, ready })
}

/// What builds packages.
pub(super) struct Builds {
    pub(super) executor: Arc<dyn Executor>,
    /// The server, if it is one, and its address.
    server: Option<(Address, Arc<Remote>)>,
    start: Instant,
}

impl Builds {
    /// Returns what the server has done, if one was asked for.
    pub(super) fn by_server(&self) -> Option<MadeByServer> {
        let (address, remote) = self.server.as_ref()?;
        let summary = remote.summary();
        Some(MadeByServer {
            server: address.to_string(),
            built: summary.built,
            cached: summary.cached,
            sent_bytes: summary.sent,
            received_bytes: summary.received,
            again: summary.again,
            busy_seconds: summary.busy.as_secs_f64(),
            seconds: self.start.elapsed().as_secs_f64(),
        })
    }
}

/// Says in one line what a server has done.
pub(super) fn line(made: &MadeByServer) -> String {
    let bytes = |bytes| HumanBytes(bytes);
    let mut line = format!(
        "{}: built {} and had {} already, sent {}, received {}",
        made.server,
        render::count(usize::try_from(made.built).unwrap_or(usize::MAX), "image"),
        made.cached,
        bytes(made.sent_bytes),
        bytes(made.received_bytes),
    );
    if made.again > 0 {
        let _ = write!(line, ", did it again {} times", made.again);
    }
    if made.built > 0 && made.seconds > 0.0 {
        let times = made.busy_seconds / made.seconds;
        let _ = write!(
            line,
            "; its workers were busy {times:.1} times as long as this took"
        );
    }
    line
}

/// Returns what builds packages: the server that was asked for, or the runtime that was selected.
pub(super) async fn executor(
    context: &Context,
    selected: Selected,
    no_cache: bool,
) -> Result<Builds, Failure> {
    let network: Network = context.settings.network.value.into();
    let Selected { backend, ready } = selected;
    let start = Instant::now();
    Ok(match &context.settings.remote.address.value {
        Some(address) => {
            let server = server(context, address).await?;
            let cache = if no_cache {
                Cache::Renewed
            } else {
                Cache::Used
            };
            let native = (backend, ready);
            let remote = Remote::new(server, PROGRAM.into(), native, cache, network);
            let remote = Arc::new(remote);
            Builds {
                executor: Arc::clone(&remote) as _,
                server: Some((address.clone(), remote)),
                start,
            }
        }
        None => Builds {
            executor: Arc::new(Local::new(backend, ready, no_cache, network)),
            server: None,
            start,
        },
    })
}

/// A server that builds packages again, as one of several runtimes.
pub(super) struct Again {
    pub(super) server: Server,
    pub(super) selected: Selected,
    pub(super) executor: Arc<dyn Executor>,
}

/// Returns the servers that were asked for, to build packages again by: nothing that they have kept is used, and nothing
/// is kept.
pub(super) async fn again(context: &Context) -> Result<Vec<Again>, Failure> {
    let network: Network = context.settings.network.value.into();
    let settings = &context.settings.remote;
    let mut found = Vec::new();
    for address in settings.address.value.iter().chain(&settings.others) {
        let Some(selected) = selected(context) else {
            continue;
        };
        let server = server(context, address).await?;
        let native = (Arc::clone(&selected.backend), selected.ready.clone());
        let of = server.clone();
        let remote = Remote::new(of, PROGRAM.into(), native, Cache::Unused, network);
        found.push(Again {
            server,
            selected,
            executor: Arc::new(remote),
        });
    }
    Ok(found)
}

/// Returns how the server at an address is asked.
async fn server(context: &Context, address: &Address) -> Result<Server, Failure> {
    let settings = &context.settings.remote;
    // What stands beside one address is sent to no other.
    let is_known = match &settings.known_by {
        Some(known_by) => known_by.is_of_same_server(address),
        None => settings.others.is_empty(),
    };
    Ok(Server {
        address: address.clone(),
        properties: settings.properties.value.clone(),
        time_limit: settings.time_limit.value,
        credentials: if is_known {
            credentials(settings).await?
        } else {
            Credentials::default()
        },
    })
}

/// Returns by what the server knows the user.
async fn credentials(settings: &Building) -> Result<Credentials, Failure> {
    let certificate = settings.certificate.value.clone();
    let token = match (&settings.token.value, &settings.token_program.value) {
        (Some(path), _) => Some(Token::File(path.clone())),
        (None, Some(program)) => Some(Token::Text(printed(program).await?)),
        (None, None) => None,
    };
    Ok(Credentials {
        certificate: certificate.zip(settings.key.value.clone()),
        token,
    })
}

/// Returns the token that a program prints. No message has anything of it.
async fn printed(program: &Utf8Path) -> Result<String, Failure> {
    let failed = |why: String| {
        let hint = "it must print the token on standard output, and end with 0".to_owned();
        let message = format!("{program} gave no token: {why}");
        Failure::of(ErrorKind::Environment, [(message, Some(hint))])
    };
    let run = Invocation::new(program)
        .output_limit(LONGEST)
        .time_limit(PATIENCE)
        .run();
    let ran = run.await.map_err(|error| failed(error.to_string()))?;
    if !ran.succeeded() {
        let code = ran.status.code().unwrap_or(-1);
        return Err(failed(format!("it ended with {code}")));
    }
    Ok(ran.stdout_text().trim().to_owned())
}

/// Carries out the action in the current directory.
pub(super) fn worker(context: &Context) -> Result<Exit, Failure> {
    let temporary = environment::temporary();
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let selected = context.select_named(NATIVE, &mut interrupted).await?;
        let native = (selected.backend, selected.ready);
        let inputs = Utf8Path::new(".");
        let worked = remote::work(inputs, temporary.as_deref(), native, interrupted).await;
        worked.map_err(|error| Failure::new(error.kind(), &error, error.hint()))?;
        Ok(Exit::Success)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_prints_a_token_or_says_nothing_of_it() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap();
        let asked = |text: &str| {
            let program = path.join("program");
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
            wait::block_on(printed(&program))
        };
        assert_eq!(asked("#!/bin/sh\necho abc\n").unwrap(), "abc");
        let failure = asked("#!/bin/sh\necho abc; exit 3\n").unwrap_err();
        assert!(!format!("{failure:?}").contains("abc"), "{failure:?}");
        assert!(
            format!("{failure:?}").contains("ended with 3"),
            "{failure:?}"
        );
    }
}
