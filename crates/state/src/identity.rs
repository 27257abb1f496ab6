//! What the file system says of a file, all of which stays the same while its contents do.
//!
//! It knows files and their times, not what is remembered of them. Something is remembered of a
//! file only if it had rested for a while: one that is written again within the same tick of the
//! clock, with the same size, would look the same. (Version control calls such files racy.)

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// For how many seconds a file must have rested. File systems' clocks are coarse (2 s at worst), and
/// that of a server may not be ours.
const REST: i64 = 3;

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The device that it is on.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// How many bytes it has.
    pub size: u64,
    /// When its contents changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it changed.
    pub changed: (i64, i64),
}

impl Identity {
    /// Takes what `metadata` says.
    pub fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Takes what `status` says.
    pub fn of_status(file: &rustix::fs::Stat) -> Self {
        // The fields are of other types on other machines.
        let fraction = |nanoseconds: u64| nanoseconds.cast_signed();
        Self {
            device: file.st_dev,
            inode: file.st_ino,
            size: file.st_size.cast_unsigned(),
            modified: (file.st_mtime, fraction(file.st_mtime_nsec)),
            changed: (file.st_ctime, fraction(file.st_ctime_nsec)),
        }
    }

    /// Returns all of it as bytes, for a hash.
    pub fn to_bytes(self) -> [u8; 56] {
        let numbers = [
            self.device,
            self.inode,
            self.size,
            self.modified.0.cast_unsigned(),
            self.modified.1.cast_unsigned(),
            self.changed.0.cast_unsigned(),
            self.changed.1.cast_unsigned(),
        ];
        let mut bytes = [0; 56];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Tells whether the file had rested at `second`.
    pub fn rested_at(&self, second: i64) -> bool {
        self.modified.0.max(self.changed.0) < second - REST
    }
}

/// Returns the time, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock only decides whether something is remembered, and never reaches an output"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_in_any_way_just_now_has_not_rested() {
        let of = |modified, changed| Identity {
            device: 0,
            inode: 0,
            size: 0,
            modified: (modified, 0),
            changed: (changed, 0),
        };
        assert!(of(10, 10).rested_at(10 + REST + 1));
        for (modified, changed) in [(10, 11), (11, 10), (11, 11), (20, 10)] {
            assert!(!of(modified, changed).rested_at(10 + REST + 1));
        }
    }
}
