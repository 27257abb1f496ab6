//! The settings.
//!
//! It does not know how they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use build::{Profile, Space};
use camino::Utf8PathBuf;
use lint::{Allow, RuleSet};
use runtimes::Choice;

use super::fetch::Fetching;
use super::remote::Building;
use super::setting::{Setting, default};
use super::trust::Trusting;
use crate::options::{Hermetic, Network};

/// Everything that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) runtime: Setting<Choice>,
    /// How many packages are built at once; as many as there are cores where nobody says.
    pub(crate) jobs: Setting<Option<u32>>,
    /// The network of RUNs that do not deny it themselves.
    pub(crate) network: Setting<Network>,
    /// What is kept from builds.
    pub(crate) hermetic: Setting<Hermetic>,
    /// Whether to begin where the disk seems to have too little room.
    pub(crate) ignore_space: Setting<bool>,
    /// The encoding of images.
    pub(crate) profile: Setting<&'static Profile>,
    /// The directory that each tree has one in for what is built; `out/` in the tree where nobody says.
    pub(crate) out: Setting<Option<Utf8PathBuf>>,
    /// The rules that a tree follows.
    pub(crate) rules: Setting<RuleSet>,
    /// What suppresses findings.
    pub(crate) allow: Vec<Allow>,
    /// The programs of engines.
    pub(crate) engines: BTreeMap<String, Setting<Utf8PathBuf>>,
    /// How sources are fetched.
    pub(crate) fetch: Fetching,
    /// Whom the user believes.
    pub(crate) trust: Trusting,
    /// The registries that are asked without encryption.
    pub(crate) insecure: Setting<BTreeSet<String>>,
    /// Which server builds, if one does.
    pub(crate) remote: Building,
}

impl Settings {
    /// Returns the settings where nobody has set anything.
    pub(super) fn of_nobody() -> Self {
        Self {
            runtime: default(Choice::Auto),
            jobs: default(None),
            network: default(Network::Default),
            hermetic: default(Hermetic::No),
            ignore_space: default(false),
            profile: default(Profile::STAGEX_2026),
            out: default(None),
            rules: default(RuleSet::Tree2026),
            allow: Vec::new(),
            engines: BTreeMap::new(),
            fetch: Fetching::of_nobody(),
            trust: Trusting::of_nobody(),
            insecure: default(BTreeSet::new()),
            remote: Building::of_nobody(),
        }
    }

    /// Returns what to do where the disk has little room.
    pub(crate) fn space(&self) -> Space {
        if self.ignore_space.value {
            Space::Ignored
        } else {
            Space::Checked
        }
    }

    /// Returns how many packages are built at once.
    pub(crate) fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        self.jobs.value.map_or_else(cores, |jobs| jobs as usize)
    }
}

/// Returns the network of RUNs where all that is said is whether to be offline.
pub(super) fn network(offline: bool) -> Network {
    if offline {
        Network::None
    } else {
        Network::Default
    }
}

pub(super) const JOBS: &str = "expected a number of jobs from 1 to 1024";

pub(super) fn some_jobs(jobs: u32) -> Result<u32, &'static str> {
    (1..=1024).contains(&jobs).then_some(jobs).ok_or(JOBS)
}
