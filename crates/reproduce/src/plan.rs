//! The part of a plan that is built again.

use package_tree::{Plan, PlannedPackage};

/// Returns the packages of a plan that were asked for, and nothing of what they need.
pub fn requested_only(plan: &Plan) -> Plan {
    only(plan, |package| package.requested)
}

/// Returns those packages of a plan.
pub(crate) fn only(plan: &Plan, which: impl Fn(&PlannedPackage) -> bool) -> Plan {
    let packages = plan.packages.iter();
    Plan {
        packages: packages.filter(|package| which(package)).cloned().collect(),
    }
}
