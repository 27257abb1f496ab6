//! Which network a RUN has: one of its own, and the machine's only if it is asked for.
//!
//! It does not know how a network is made.

use std::sync::{Arc, OnceLock};

use containerfile::{NetworkMode, Run};
use sandbox::{Inside, Network, UserNetwork};

use crate::job::{Failure, JobNetwork, Message};
use crate::worker::report::Report;

/// What to do where there is none.
pub(crate) const HINT: &str = "install pasta (Debian: apt-get install passt) or slirp4netns, or say --network host, \
     which gives the machine's own away";
/// The same, in short.
pub(crate) const INSTALL: &str = "Debian: apt-get install passt, or slirp4netns";

/// The networks of a build's RUNs.
#[derive(Debug)]
pub(crate) struct Networks {
    mode: JobNetwork,
    inside: Arc<Inside>,
    report: Arc<Report>,
    /// What leads from a network of a RUN's own to the machine's, once it is known.
    way: OnceLock<Option<UserNetwork>>,
}

impl Networks {
    /// Prepares networks of a kind; what they need is looked for when the first RUN has one.
    pub(crate) fn new(mode: JobNetwork, inside: Arc<Inside>, report: Arc<Report>) -> Self {
        Self {
            mode,
            inside,
            report,
            way: OnceLock::new(),
        }
    }

    /// Returns the network of a RUN.
    pub(crate) fn of(&self, run: &Run) -> Network {
        match (run.network, self.mode) {
            (Some(NetworkMode::None), _) | (_, JobNetwork::None) => Network::None,
            (_, JobNetwork::Machine) => Network::Machine,
            (_, JobNetwork::Own) => self.way().map_or(Network::None, Network::User),
        }
    }

    /// Tells whether a RUN lacks a network that it was not denied.
    pub(crate) fn are_missing_for(&self, run: &Run) -> bool {
        run.network != Some(NetworkMode::None)
            && self.mode == JobNetwork::Own
            && self.way().is_none()
    }

    fn way(&self) -> Option<UserNetwork> {
        *self.way.get_or_init(|| {
            let found = UserNetwork::find(&self.inside.bounds);
            let missing = |why| {
                let message = format!("RUNs have no network here: {why}");
                self.report.say(Message::Notice { message });
            };
            found.map_err(missing).ok()
        })
    }
}

/// Refuses what a Containerfile may not ask for by itself.
pub(crate) fn refuse_the_machines(run: &Run, network: JobNetwork) -> Result<(), Failure> {
    if run.network == Some(NetworkMode::Host) && network != JobNetwork::Machine {
        let message = "RUN --network=host: this build was not given the machine's network";
        return Err(Failure::build(message).with_hint("say --network host"));
    }
    Ok(())
}
