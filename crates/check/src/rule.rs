//! The rules: what differs between engines, and what to do instead. Each has its case in the
//! conformance suite.

use std::fmt;

/// Something that a build can see, and that differs between engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The host's name.
    HostName,
    /// The files that engines write for the network.
    NetworkFiles,
    /// Which devices there are.
    Devices,
    /// The mode, the times and the entries of `/` itself.
    Root,
    /// The limits of processes.
    Limits,
    /// A heredoc that becomes a file whose name is not ASCII.
    HeredocName,
}

impl Rule {
    /// Returns the rule's name, as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostName => "host-name",
            Self::NetworkFiles => "network-files",
            Self::Devices => "devices",
            Self::Root => "root",
            Self::Limits => "limits",
            Self::HeredocName => "heredoc-name",
        }
    }

    /// Returns what differs, in one sentence.
    pub fn message(self) -> &'static str {
        match self {
            Self::HostName => {
                "the host's name differs: `buildkitsandbox` with Docker, the machine's or a random \
                 one with Podman and Buildah"
            }
            Self::NetworkFiles => {
                "each engine writes its own /etc/hosts, /etc/hostname and /etc/resolv.conf"
            }
            Self::Devices => {
                "/dev has few devices with Docker, and may be the host's with Podman and Buildah"
            }
            Self::Root => {
                "the mode and the entries of / differ: some engines have /run, or mode 0555"
            }
            Self::Limits => "the limits differ: Docker before 23 has those of its daemon",
            Self::HeredocName => {
                "Buildah 1.39 and Podman 5.4 cannot create a file with a non-ASCII name from a heredoc"
            }
        }
    }

    /// Returns what to do instead.
    pub fn hint(self) -> &'static str {
        match self {
            Self::HostName => "give the build a fixed name, by its own option or variable",
            Self::NetworkFiles => "write what is needed to a file of the package",
            Self::Devices => "name the devices that are needed: /dev/null, /dev/zero, /dev/urandom",
            Self::Root => "keep the contents of the image in a directory such as /rootfs",
            Self::Limits => "set what is needed with ulimit -S, below 2048 files",
            Self::HeredocName => "copy it under an ASCII name, and rename it in a RUN",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
