//! What every command is given: where it works, how it prints, and the settings; and what several
//! commands do with them in the same way.

use std::sync::Arc;

use backend_api::{Backend, Ready};
use camino::Utf8PathBuf;
use runtimes::{Choice, ProbeCache, Programs};
use tokio::sync::watch;

use crate::arguments::{Arguments, Command};
use crate::environment;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::options::{AnyFormat, Format, Verbosity};
use crate::render;
use crate::settings::{self, Settings};
use crate::wait;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The directory of the tree that is worked on.
    pub(crate) directory: Utf8PathBuf,
    pub(crate) format: Format,
    /// How findings are printed, which can be in more formats.
    pub(crate) findings_format: AnyFormat,
    pub(crate) verbosity: Verbosity,
    /// The runtimes that were named on the command line.
    pub(crate) runtimes: Vec<Choice>,
    pub(crate) settings: Settings,
    /// Where it is kept what earlier processes found out about engines.
    pub(crate) probe_cache: ProbeCache,
}

/// The runtime that builds.
pub(crate) struct Selected {
    pub(crate) backend: Arc<dyn Backend>,
    /// What its backend said of itself.
    pub(crate) ready: Ready,
}

impl Selected {
    /// Returns its name.
    pub(crate) fn runtime(&self) -> &str {
        self.backend.id()
    }
}

impl Context {
    /// Resolves the settings for a command line.
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let global = &arguments.global;
        let format = match (global.format.of_every_command(), &arguments.command) {
            (Some(format), _) => format,
            // Its findings are printed in the other format.
            (None, Command::Check(check)) if !check.list_rules => Format::Human,
            (None, _) => {
                let hint = "use --format json: the others are for what `stagex check` finds";
                let message = "this command cannot print its results in this format".to_owned();
                return Err(usage(message, Some(hint)));
            }
        };
        Ok(Self {
            directory: global.directory.clone(),
            format,
            findings_format: global.format,
            verbosity: Verbosity {
                quiet: global.quiet,
                verbose: global.verbose,
            },
            runtimes: global.runtimes.clone(),
            settings: settings::gather(arguments)?,
            probe_cache: environment::probe_cache(),
        })
    }

    /// Tells whether a runtime was named on the command line.
    pub(crate) fn is_runtime_named(&self) -> bool {
        !self.runtimes.is_empty()
    }

    /// Returns which program to use for which engine.
    pub(crate) fn programs(&self) -> Programs {
        let engines = self.settings.engines.iter();
        engines
            .map(|(name, program)| (name.clone(), program.value.clone()))
            .collect()
    }

    /// Returns the backend of a runtime, if there is such a one.
    pub(crate) fn backend(&self, name: &str) -> Option<Arc<dyn Backend>> {
        runtimes::backend(name, &self.programs(), &self.probe_cache)
    }

    /// Returns the backends of all runtimes that may have kept something in a tree.
    pub(crate) fn backends(&self) -> Vec<Arc<dyn Backend>> {
        let names = runtimes::NAMES.into_iter();
        names.filter_map(|name| self.backend(name)).collect()
    }

    /// Selects the runtime of a name, which has to be ready.
    pub(crate) async fn select_named(
        &self,
        name: &str,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Selected, Failure> {
        let choice = Choice::Named(name.to_owned());
        Ok(self.selected(&choice, interrupted).await?.0)
    }

    /// Selects the runtime that builds, and says which it is where nobody has named one.
    pub(crate) async fn select(
        &self,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Selected, Failure> {
        let choice = &self.settings.runtime.value;
        let (selected, is_fallback) = self.selected(choice, interrupted).await?;
        if !self.verbosity.quiet && *choice == Choice::Auto {
            let (name, version) = (selected.runtime(), &selected.ready.version);
            render::note(&format!("runtime: {name} {version}"));
            if is_fallback {
                render::note(
                    "no engine is ready, so stagex builds without one (`stagex runtimes` says why)",
                );
            }
        }
        Ok(selected)
    }

    /// Selects the runtime that would build.
    pub(crate) async fn select_silently(
        &self,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Selected, Failure> {
        let choice = &self.settings.runtime.value;
        Ok(self.selected(choice, interrupted).await?.0)
    }

    /// Selects a runtime. Returns with it whether it is the one that is taken where no engine is ready.
    async fn selected(
        &self,
        choice: &Choice,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<(Selected, bool), Failure> {
        let programs = self.programs();
        let selecting = runtimes::select(choice, &programs, &self.probe_cache);
        let found = wait::unless(interrupted, selecting).await??;
        let selected = Selected {
            backend: found.backend,
            ready: found.ready,
        };
        Ok((selected, found.is_fallback))
    }
}

/// No runtime that was asked for is there, or ready.
impl From<runtimes::NoRuntime> for Failure {
    fn from(error: runtimes::NoRuntime) -> Self {
        match error {
            runtimes::NoRuntime::Unknown(_) => Self::new(ErrorKind::Usage, &error, None),
            runtimes::NoRuntime::Unavailable(tried) => {
                let problems = tried.into_iter().map(|(name, why)| {
                    let message = format!("{name} is not ready: {}", why.message);
                    (message, Some(why.hint))
                });
                Self::of(ErrorKind::NoRuntime, problems)
            }
        }
    }
}
