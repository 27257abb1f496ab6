//! Which networks there are for a process of a build, and what is known in each. It does not know how one is
//! made.

/// The network that a process sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A loopback interface, and nothing else.
    None,
    /// A loopback interface, and one from which a program in user mode connects to whatever this
    /// machine can reach, its own loopback and link-local addresses excepted.
    User(UserNetwork),
    /// That of the machine: everybody on it can connect to what the process listens on, and hand it
    /// descriptors.
    Machine,
}

/// A program that leads from a network of a build's own to the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNetwork {
    /// `pasta`, of the package `passt`.
    Pasta,
    /// `slirp4netns`.
    Slirp4netns,
}

/// What the interface is called that leads outside.
pub(crate) const INTERFACE: &str = "tap0";
/// What this machine is called there, by programs that would connect to its loopback addresses.
pub(crate) const GATEWAY: [u8; 4] = [10, 0, 2, 2];
