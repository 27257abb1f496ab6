//! Building by a server of the Remote Execution API, and `stagex remote-worker`, which its workers run.

use std::sync::Arc;

use backend_api::{Network, Ready};
use camino::{Utf8Path, Utf8PathBuf};
use make::{Executor, Local};
use remote::{Remote, Server};

use crate::context::{Context, Selected};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait;

/// What this program is, wherever its file lies by now.
const PROGRAM: &str = "/proc/self/exe";
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

/// Returns what builds packages: the server that was asked for, or the runtime that was selected.
pub(super) fn executor(context: &Context, selected: Selected, no_cache: bool) -> Arc<dyn Executor> {
    let network: Network = context.settings.network.value.into();
    let Selected { backend, ready } = selected;
    let settings = &context.settings.remote;
    match &settings.address.value {
        Some(address) => {
            let server = Server {
                address: address.clone(),
                properties: settings.properties.value.clone(),
                credentials: settings.credentials(),
            };
            let program = Utf8Path::new(PROGRAM);
            Arc::new(Remote::new(
                server,
                program,
                (backend, ready),
                no_cache,
                network,
            ))
        }
        None => Arc::new(Local::new(backend, ready, no_cache, network)),
    }
}

/// Carries out the action in the current directory.
pub(super) fn worker(context: &Context) -> Result<Exit, Failure> {
    // Where no variable names a directory, it is one that may be in memory.
    let temporary = Utf8PathBuf::from_path_buf(std::env::temp_dir()).ok();
    let temporary = temporary.filter(|named| named != "/tmp");
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
