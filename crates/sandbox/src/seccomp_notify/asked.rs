//! A call that is held up: who made it, and its arguments. It does not know how calls are answered.

use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::io::Errno;

use super::caller::{Caller, Target};
use super::set_id::SetIds;
use super::stand_ins::{Held, StandIns};
use crate::held::{Call, File, Watch};

/// A call that is held up, and who made it.
pub(super) struct Asked<'a> {
    /// By this it is answered.
    pub(super) listener: &'a OwnedFd,
    pub(super) rules: &'a Held,
    pub(super) set_ids: &'a SetIds,
    pub(super) caller: Caller<'a>,
    /// What it is on its architecture.
    pub(super) held: Call,
    pub(super) call: &'a libc::seccomp_notif,
}

impl Asked<'_> {
    pub(super) fn stand_ins(&self) -> &dyn StandIns {
        self.rules.stand_ins.as_ref()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.rules.watch == Watch::Everything
    }

    /// Returns an argument that is a number of 32 bits: whatever else stands in the register is not meant.
    pub(super) fn argument(&self, place: usize) -> u32 {
        u32::try_from(self.call.data.args[place] & 0xffff_ffff).unwrap_or(0)
    }

    pub(super) fn address(&self, place: usize) -> u64 {
        self.call.data.args[place]
    }

    /// The caller's architecture has addresses of 32 bits.
    pub(super) fn is_of_32_bits(&self) -> bool {
        const OF_64_BITS: u32 = 0x8000_0000;
        self.call.data.arch & OF_64_BITS == 0
    }

    /// Tells whether it waits still.
    pub(super) fn is_waiting(&self) -> bool {
        // SAFETY: the argument is the call's number.
        let asked = unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const self.call.id,
            )
        };
        asked == 0
    }

    /// Returns which file the call is about.
    pub(super) fn target(&self) -> Result<Target, Errno> {
        let (from, place, flags) = match self.held.file {
            File::None => return Err(Errno::NOSYS),
            File::Descriptor(place) => {
                return Ok(Target::Descriptor(self.argument(place).cast_signed()));
            }
            File::Path(place) => (libc::AT_FDCWD, place, 0),
            File::Link(place) => (libc::AT_FDCWD, place, libc::AT_SYMLINK_NOFOLLOW),
            File::At(place) => (self.argument(place - 1).cast_signed(), place, 0),
            File::Flagged(place, flags) => {
                let flags = self.argument(flags).cast_signed();
                (self.argument(place - 1).cast_signed(), place, flags)
            }
        };
        let may_be_empty = flags & libc::AT_EMPTY_PATH != 0;
        let address = self.address(place);
        // No path is as good as an empty one, on newer kernels.
        if address == 0 && may_be_empty {
            return Ok(Target::Descriptor(from));
        }
        let path = self.caller.read_path(address)?;
        if path.is_empty() {
            return if may_be_empty {
                Ok(Target::Descriptor(from))
            } else {
                Err(Errno::NOENT)
            };
        }
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        Ok(Target::Path { from, path, follow })
    }
}
