//! The namespace of a network that a process of a build sees: always one of its own, unless the machine's
//! is asked for.
//!
//! In it is a loopback interface, and one that leads to a program in user mode where the process may
//! reach the network. What may leave by that one is decided here, by a filter in the kernel, and not left to the
//! program: whatever that is told, it reaches this machine's own loopback addresses for whoever binds a
//! socket to the interface.

#![expect(
    unsafe_code,
    reason = "namespaces and interfaces are made by calls that no library offers as safe"
)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use libc::{sock_filter, sock_fprog};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
use rustix::thread::UnshareFlags;

use crate::bpf::{give, if_at_least, if_equal, if_greater, instruction, load};
use crate::error::{Error, Result};
use crate::network::{GATEWAY, Network};

/// What nothing is sent to: the machine itself, what is on its link only, where a cloud's machines get
/// their credentials from, and what is for more than one.
const REFUSED: [([u8; 4], [u8; 4]); 5] = [
    ([0, 0, 0, 0], [0, 255, 255, 255]),
    (GATEWAY, GATEWAY),
    ([127, 0, 0, 0], [127, 255, 255, 255]),
    ([169, 254, 0, 0], [169, 254, 255, 255]),
    ([224, 0, 0, 0], [255, 255, 255, 255]),
];

/// Makes the namespace of a network.
pub(crate) fn namespace(network: Network) -> Result<Option<OwnedFd>> {
    let failed = |action| move |source| Error::Start { action, source };
    if network == Network::Machine {
        return Ok(None);
    }
    // A thread may have another one than its process, and ends with it.
    let thread = std::thread::Builder::new();
    let made = thread.spawn(make).map_err(failed("start a thread"))?;
    let made = made
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    made.map(Some)
}

fn make() -> Result<OwnedFd> {
    let failed = |action| move |source| Error::Start { action, source };
    // SAFETY: nothing of this thread relies on the old namespace.
    let made = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
    made.map_err(|errno| failed("make a namespace of networks")(errno.into()))?;
    set_loopback_up().map_err(failed("set the loopback interface up"))?;
    let namespace = File::open("/proc/thread-self/ns/net");
    let namespace = namespace.map_err(failed("open the namespace of networks"))?;
    Ok(namespace.into())
}

/// What is asked of an interface: the flags `IFF_UP` and `IFF_RUNNING`.
const UP_AND_RUNNING: libc::c_short = 0x41;
/// `TUNATTACHFILTER`, and the number of the device that interfaces are made with.
const ATTACH_FILTER: libc::Ioctl = 0x4010_54d5;
const DEVICE: (u32, u32) = (10, 200);

fn set_loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, socket};

    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let request = request("lo", UP_AND_RUNNING);
    // SAFETY: the socket is open, and the request is as this call wants it.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
}

/// Has nothing leave by the interface that another process has made but what may. Returns whether it
/// has one.
pub(crate) fn guard(process: u32) -> io::Result<bool> {
    let device = rustix::fs::makedev(DEVICE.0, DEVICE.1);
    let id = Pid::from_raw(process.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let handle = rustix::process::pidfd_open(id, PidfdFlags::empty())?;
    let mut is_guarded = false;
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        if !fs::metadata(entry.path()).is_ok_and(|status| status.rdev() == device) {
            continue;
        }
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let number = number.ok_or(io::ErrorKind::InvalidData)?;
        let interface = rustix::process::pidfd_getfd(&handle, number, PidfdGetfdFlags::empty())?;
        attach(&interface)?;
        is_guarded = true;
    }
    Ok(is_guarded)
}

fn attach(interface: &OwnedFd) -> io::Result<()> {
    let program = filter();
    let filter = sock_fprog {
        // Some twenty.
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the descriptor is open, and the program is there during the call, as long as it says, and is
    // not written to.
    done(unsafe { libc::ioctl(interface.as_raw_fd(), ATTACH_FILTER, &raw const filter) })
}

fn request(name: &str, flags: libc::c_short) -> libc::ifreq {
    // SAFETY: a request of zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = flags;
    request
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Where a frame has its type, and the receiver of a packet in it.
const TYPE: u32 = 12;
const RECEIVER: u32 = 30;
const ARP: u32 = 0x0806;
const IPV4: u32 = 0x0800;

/// Lets out what asks for addresses, and packets of IPv4 to others than [`REFUSED`].
fn filter() -> Vec<sock_filter> {
    const DROP: u32 = 0;
    const PASS: u32 = u32::MAX;

    let mut program = vec![
        instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, TYPE, (0, 0)),
        if_equal(ARP, 0, 1),
        give(PASS),
        if_equal(IPV4, 1, 0),
        give(DROP),
        load(RECEIVER),
    ];
    for (low, high) in REFUSED {
        program.extend([
            if_at_least(u32::from_be_bytes(low), 0, 2),
            if_greater(u32::from_be_bytes(high), 1, 0),
            give(DROP),
        ]);
    }
    program.push(give(PASS));
    program
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::seccomp::tests::run_program;

    #[rstest]
    #[case([0, 0, 0, 1], false)]
    #[case([1, 0, 0, 0], true)]
    #[case([10, 0, 2, 1], true)]
    #[case([10, 0, 2, 2], false)]
    #[case([10, 0, 2, 3], true)]
    #[case([126, 255, 255, 255], true)]
    #[case([127, 0, 0, 1], false)]
    #[case([127, 255, 255, 254], false)]
    #[case([128, 0, 0, 0], true)]
    #[case([169, 253, 255, 255], true)]
    #[case([169, 254, 169, 254], false)]
    #[case([169, 255, 0, 0], true)]
    #[case([192, 0, 2, 2], true)]
    #[case([223, 255, 255, 255], true)]
    #[case([224, 0, 0, 251], false)]
    #[case([255, 255, 255, 255], false)]
    fn packets_to_the_machine_itself_stay(#[case] receiver: [u8; 4], #[case] passes: bool) {
        let answer = |kind| {
            run_program(&filter(), |place| match place {
                TYPE => kind,
                RECEIVER => u32::from_be_bytes(receiver),
                other => panic!("{other} is not looked at"),
            })
        };
        assert_eq!(answer(IPV4) > 0, passes);
        assert!(answer(ARP) > 0);
        // IPv6, and what has a tag of a virtual network.
        assert_eq!([answer(0x86dd), answer(0x8100)], [0, 0]);
    }
}
