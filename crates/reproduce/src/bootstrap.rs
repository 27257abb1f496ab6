//! The gate: nothing else is built before every package of the bootstrap has one digest from at least two runtimes.

use std::collections::BTreeSet;

use documents::{Attempt, AttemptVerdict, Digest};
use package_tree::{BOOTSTRAP, Plan, PlannedPackage};

use crate::outcome::{Image, Report};
use crate::plan::only;

/// How many runtimes have to agree.
pub const TO_PROVE: usize = 2;

/// What is proven of the bootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The packages of which runtimes made one image.
    pub by: Vec<ProvenPackage>,
    /// The packages that are not proven.
    pub missing: Vec<String>,
}

/// A package of which at least two runtimes made one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPackage {
    /// Its full name.
    pub package: String,
    /// The labels of the runtimes.
    pub runtimes: Vec<String>,
    /// The digest of its manifest for each of its platforms.
    pub digests: Vec<Digest>,
}

impl Proven {
    /// Tells whether there is a bootstrap, and all of it is proven.
    pub fn holds(&self) -> bool {
        self.missing.is_empty() && !self.by.is_empty()
    }

    /// Returns what a report shows of a plan.
    pub fn of(plan: &Plan, report: &Report) -> Self {
        let mut proven = Self {
            by: Vec::new(),
            missing: Vec::new(),
        };
        for package in &bootstrap_plan(plan).packages {
            let images = report.images.iter();
            let images: Vec<_> = images
                .filter(|image| image.package == package.name)
                .collect();
            // Nobody here has seen how a server built.
            let built = |attempt: &&Attempt| {
                attempt.verdict != AttemptVerdict::Failed && attempt.machine.whose.is_none()
            };
            let runtimes: BTreeSet<&str> = images
                .iter()
                .flat_map(|image| &image.runtimes)
                .filter_map(|of| of.outcome.attempt())
                .filter(built)
                .map(|attempt| attempt.runtime.name.as_str())
                .collect();
            let agrees = |image: &&Image| !image.differs() && !image.disagree();
            let agree = !images.is_empty() && images.iter().all(agrees);
            if agree && runtimes.len() >= TO_PROVE {
                let digests = images.iter().flat_map(|image| image.digests());
                proven.by.push(ProvenPackage {
                    package: package.name.clone(),
                    digests: digests.cloned().collect(),
                    runtimes: runtimes.into_iter().map(str::to_owned).collect(),
                });
            } else {
                proven.missing.push(package.name.clone());
            }
        }
        proven
    }
}

/// Returns the part of a plan that is the bootstrap: its packages, and all that they need.
pub fn bootstrap_plan(plan: &Plan) -> Plan {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for package in plan.packages.iter().rev() {
        if package.stage == BOOTSTRAP || needed.contains(package.name.as_str()) {
            needed.insert(&package.name);
            needed.extend(package.dependencies());
        }
    }
    only(plan, |package| needed.contains(package.name.as_str()))
}

/// Returns a plan whose bootstrap stays as it is where it is up to date, even if everything is to be built again.
pub fn bootstrap_stays(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let bootstrap = bootstrap_plan(&plan);
    for package in &mut plan.packages {
        let is_bootstrap = |of: &PlannedPackage| of.name == package.name;
        package.requested &= !bootstrap.packages.iter().any(is_bootstrap);
    }
    plan
}
