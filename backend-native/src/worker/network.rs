//! Which network a RUN has: one of its own, and the machine's only if it is asked for.
//!
//! It does not know how a network is made.

use std::sync::OnceLock;

use containerfile::{NetworkMode, Run};
use sandbox::{Network, UserNetwork};

use super::builder::Builder;
use crate::job::{Failure, JobNetwork, Message};

/// What to do where there is none.
pub(super) const HINT: &str = "install pasta (Debian: apt-get install passt) or slirp4netns, or say --network host, \
     which gives the machine's own away";
/// The same, in short.
pub(super) const INSTALL: &str = "Debian: apt-get install passt, or slirp4netns";

/// What leads from a RUN's network to the machine's, once it is known.
#[derive(Debug, Default)]
pub(super) struct Way(OnceLock<Option<UserNetwork>>);

impl Builder {
    /// Returns the network of a RUN.
    pub(super) fn network(&self, run: &Run) -> Network {
        match (run.network, self.job.network) {
            (Some(NetworkMode::None), _) | (_, JobNetwork::None) => Network::None,
            (_, JobNetwork::Machine) => Network::Machine,
            (_, JobNetwork::Own) => self.way().map_or(Network::None, Network::User),
        }
    }

    /// Tells whether a RUN lacks a network that it was not denied.
    pub(super) fn lacks_network(&self, run: &Run) -> bool {
        run.network != Some(NetworkMode::None)
            && self.job.network == JobNetwork::Own
            && self.way().is_none()
    }

    fn way(&self) -> Option<UserNetwork> {
        *self.way.0.get_or_init(|| {
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
pub(super) fn refuse_the_machines(run: &Run, network: JobNetwork) -> Result<(), Failure> {
    if run.network == Some(NetworkMode::Host) && network != JobNetwork::Machine {
        let message = "RUN --network=host: this build was not given the machine's network";
        return Err(Failure::build(message).with_hint("say --network host"));
    }
    Ok(())
}
