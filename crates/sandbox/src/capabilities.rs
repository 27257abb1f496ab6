//! The rights of root that a build keeps: those that `BuildKit` and Docker leave to a container.

use std::io;

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::network::Network;

/// What is kept: to own, open and give away any file within, to make devices, to change users, to end
/// any process within, to listen below port 1024, to send raw packets, to change the root, to write to
/// the audit log. Nothing of it reaches beyond the namespaces that a process is in.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// How many rights a kernel may have.
const MOST: u32 = 64;

/// Gives all other rights of this process up, and those of all that it starts. By system calls only.
///
/// Raw packets are a build's where nobody else has a network with it: on the machine's they are what
/// others say there, and a program that leads to it would be told lies about who says what.
pub(crate) fn limit(network: Network) -> io::Result<()> {
    let kept = match network {
        Network::None => KEPT,
        Network::User(_) | Network::Machine => KEPT.difference(CapabilitySet::NET_RAW),
    };
    for number in 0..MOST {
        let right = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(right) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(right) {
            Ok(()) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let held = rustix::thread::capabilities(None)?;
    let kept = held.permitted & kept;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
