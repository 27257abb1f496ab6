//! A thread that stands where another process stands, and does what that may do: with its root, its
//! user, its groups, its rights and its umask.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, UnshareFlags};

/// Where this thread stands by itself.
pub(super) struct Ground {
    root: OwnedFd,
    pub(super) processes: OwnedFd,
    rights: CapabilitySets,
}

/// Who somebody is to the kernel, when he asks for a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) groups: Vec<u32>,
    pub(super) rights: u64,
    pub(super) mask: u32,
}

impl Ground {
    /// Makes the root and the umask this thread's own.
    pub(super) fn of_this_thread() -> Result<Self, Errno> {
        // SAFETY: no other thread relies on what this one's root, directory and umask are.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS)? };
        let open = |path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(CWD, path, flags, Mode::empty())
        };
        Ok(Self {
            root: open("/")?,
            processes: open("/proc")?,
            rights: rustix::thread::capabilities(None)?,
        })
    }

    /// Does something where the root is another; as somebody, if it says who.
    pub(super) fn within<T>(
        &self,
        root: BorrowedFd<'_>,
        identity: Option<&Identity>,
        work: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let done = enter(root).and_then(|()| match identity {
            Some(identity) => self.acting(identity, work),
            None => work(),
        });
        enter(self.root.as_fd()).expect("a thread may go back to where it came from");
        done
    }

    fn acting<T>(
        &self,
        identity: &Identity,
        work: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let done = self.become_another(identity).and_then(|()| work());
        self.become_itself()
            .expect("a thread may be again who it was");
        done
    }

    fn become_another(&self, identity: &Identity) -> Result<(), Errno> {
        let groups: Vec<_> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        rustix::thread::set_thread_groups(&groups)?;
        set_files_identity(identity.user, identity.group)?;
        rustix::process::umask(Mode::from_raw_mode(identity.mask));
        // After the user, with whom some rights go.
        let rights = CapabilitySet::from_bits_retain(identity.rights);
        self.set_rights(self.rights.permitted & rights)
    }

    fn become_itself(&self) -> Result<(), Errno> {
        self.set_rights(self.rights.permitted)?;
        set_files_identity(0, 0)?;
        self.set_rights(self.rights.effective)?;
        rustix::process::umask(Mode::empty());
        // With its rights it needs no groups.
        rustix::thread::set_thread_groups(&[])
    }

    fn set_rights(&self, effective: CapabilitySet) -> Result<(), Errno> {
        let sets = CapabilitySets {
            effective,
            ..self.rights
        };
        rustix::thread::set_capabilities(None, sets)
    }
}

/// Sets the user and the group that this thread has for files.
fn set_files_identity(user: u32, group: u32) -> Result<(), Errno> {
    const WHO: u32 = u32::MAX;
    // SAFETY: numbers are what the calls want; each returns what was before, and fails in silence. Of no
    // number there is no user: that asks.
    let is_set = unsafe {
        libc::setfsgid(group);
        libc::setfsuid(user);
        libc::setfsgid(WHO).cast_unsigned() == group && libc::setfsuid(WHO).cast_unsigned() == user
    };
    if is_set { Ok(()) } else { Err(Errno::PERM) }
}

fn enter(root: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::chroot(".")
}
