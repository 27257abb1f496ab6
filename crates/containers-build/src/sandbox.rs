//! How the builder shuts a RUN off from the system around it. Knows the builder's names for
//! that; which one works here is found out elsewhere, by trying.

use std::fmt;

use process::Environment;
use serde::{Deserialize, Serialize};

/// How a RUN is shut off from the system around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sandbox {
    /// Namespaces and control groups, by the OCI runtime that the engine is configured for.
    Runtime,
    /// The same by `runc`. (`crun` refuses hybrid control groups, and is the usual default.)
    Runc,
    /// A changed root and little else. It works where namespaces cannot be had, but a RUN's own
    /// `--network=none` is accepted there and not enforced.
    Chroot,
}

impl Sandbox {
    /// Returns what is to be tried, best first.
    ///
    /// Whoever sets `BUILDAH_ISOLATION=chroot`, as images for nested containers do, gets no more.
    pub(crate) fn candidates() -> &'static [Self] {
        let environment = Environment::pinned();
        let mut wanted = environment
            .iter()
            .filter(|(name, _)| *name == "BUILDAH_ISOLATION");
        match wanted.next() {
            Some((_, "chroot")) => &[Self::Chroot],
            _ => &[Self::Runtime, Self::Runc, Self::Chroot],
        }
    }

    /// Tells whether `RUN --network=none` is enforced, and `--network none` possible.
    pub(crate) fn has_networks(self) -> bool {
        self != Self::Chroot
    }

    /// Tells whether a RUN sees none of the machine's files in memory: a changed root has the
    /// machine's `/dev`.
    pub(crate) fn hides_memory(self) -> bool {
        self != Self::Chroot
    }

    /// Returns the arguments of `build` that ask for it.
    pub(crate) fn arguments(self, root: bool) -> &'static [&'static str] {
        match (self, root) {
            (Self::Runtime, true) => &["--isolation", "oci"],
            (Self::Runtime, false) => &["--isolation", "rootless"],
            (Self::Runc, true) => &["--isolation", "oci", "--runtime", "runc"],
            (Self::Runc, false) => &["--isolation", "rootless", "--runtime", "runc"],
            (Self::Chroot, _) => &["--isolation", "chroot"],
        }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runtime => "namespaces",
            Self::Runc => "namespaces (runc)",
            Self::Chroot => "chroot",
        })
    }
}
