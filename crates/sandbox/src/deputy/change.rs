//! Calls that make what the kernel does not make for an ordinary user, or could forge it.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::answer::{Answer, Stop};
use super::caller::Target;
use super::{Asked, Verdict};
use crate::held::File;

/// The rights to give files away, and to make devices.
const CHOWN: u64 = 1;
const MKNOD: u64 = 1 << 27;

/// The attributes that are lists of who may do what, and how their entries look: what it is of, what it
/// allows, and whom.
const LISTS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
const LIST_HEAD: usize = 4;
const ENTRY: usize = 8;
const OF_ONE_USER: u16 = 0x02;
const OF_ONE_GROUP: u16 = 0x08;
/// How long an attribute's value may be.
const LONGEST_VALUE: u64 = 1 << 16;
/// How many groups a process may have.
const MOST_GROUPS: u32 = 1 << 16;

impl Asked<'_> {
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

    /// Makes a device, or another file.
    pub(super) fn device(&self, mode: usize) -> Result<Answer, Stop> {
        let number = u64::from(self.argument(mode + 1));
        let mode = self.argument(mode);
        let kind = FileType::from_raw_mode(mode);
        if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return self.make_set_id(mode);
        }
        let is_whiteout = kind == FileType::CharacterDevice && number == 0;
        // What stands for a deletion anybody may make; and who may make no other is told so by the kernel.
        if is_whiteout || !self.caller.has(MKNOD)? {
            return Ok(Answer::Kernel);
        }
        if !self.is_watched() {
            return Err(Stop::Verdict(Verdict::Again));
        }
        let target = self.target()?;
        let identity = self.caller.identity()?;
        let made = self.caller.at(&target, Some(identity), |from, path| {
            let mode = Mode::from_raw_mode(mode & 0o7777);
            rustix::fs::mknodat(from, path, FileType::RegularFile, mode, 0)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(from, path, flags, Mode::empty())
        })?;
        let marked = self.deputy().stand_for(made.as_fd(), kind, number);
        marked.map_err(|error| {
            Stop::refused(&format!(
                "it makes a device file where none can stand: {error}"
            ))
        })?;
        Ok(Answer::Value(0))
    }

    /// Gives a file away.
    pub(super) fn owner(&self, user: usize) -> Result<Answer, Stop> {
        if let File::Flagged(_, flags) = self.held.file {
            let known = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
            if self.argument(flags) & !known.cast_unsigned() != 0 {
                return Err(Errno::INVAL.into());
            }
        }
        let ids = [user, user + 1].map(|place| self.held.id(self.address(place)));
        let target = self.target()?;
        if let (File::Descriptor(_), Target::Descriptor(number)) = (self.held.file, &target)
            && self.caller.is_a_place(*number)?
        {
            return Err(Errno::BADF.into());
        }
        let file = self.caller.open(&target, Some(self.caller.identity()?))?;
        if !self.caller.has(CHOWN)? {
            // Nobody is a member of a group beyond the ranges, nor a user.
            let beyond = self.supervisor.held.beyond;
            return if ids.iter().flatten().any(|id| *id > beyond) {
                Err(Errno::PERM.into())
            } else {
                Ok(Answer::Kernel)
            };
        }
        if !self.is_watched() {
            return Err(Stop::Verdict(Verdict::Again));
        }
        let [user, group] = ids;
        match self.deputy().give(file.as_fd(), user, group) {
            Ok(()) => Ok(Answer::Value(0)),
            Err(error) if error.kind() == ErrorKind::InvalidInput => Err(Stop::refused(
                "it gives a file that is neither a regular file nor a directory to a user or a group \
                 beyond the ranges that are set aside for this user",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes on groups.
    pub(super) fn groups(&self) -> Result<Answer, Stop> {
        let (count, width) = (self.argument(0), self.held.width());
        if count > MOST_GROUPS {
            return Ok(Answer::Kernel);
        }
        let mut list = vec![0; usize::try_from(count).unwrap_or(0) * width];
        self.caller.read(self.address(1), &mut list)?;
        let beyond = self.supervisor.held.beyond;
        let is_beyond = list.chunks_exact(width).any(|bytes| {
            let mut number = [0; 8];
            number[..width].copy_from_slice(bytes);
            let id = self.held.id(u64::from_le_bytes(number));
            id.is_some_and(|id| id > beyond)
        });
        if is_beyond {
            return Err(Stop::refused(
                "it enters a group beyond the ranges that are set aside for this user",
            ));
        }
        Ok(Answer::Kernel)
    }

    /// Sets an attribute.
    pub(super) fn set_attribute(&self, name: usize) -> Result<Answer, Stop> {
        let (value, size) = (self.address(name + 1), self.address(name + 2));
        let name = self.caller.read_name(self.address(name))?;
        self.refuse_mark(&name)?;
        if LISTS.contains(&name.as_slice()) && size <= LONGEST_VALUE {
            let mut list = vec![0; usize::try_from(size).unwrap_or(0)];
            self.caller.read(value, &mut list)?;
            if names_beyond(&list, self.supervisor.held.beyond) {
                return Err(Stop::refused(
                    "it sets an access control list that names a user or a group beyond the ranges \
                     that are set aside for this user",
                ));
            }
        }
        self.of_a_device(&name, Errno::PERM)
    }

    /// Removes an attribute.
    pub(super) fn remove_attribute(&self, name: usize) -> Result<Answer, Stop> {
        let name = self.caller.read_name(self.address(name))?;
        self.refuse_mark(&name)?;
        self.of_a_device(&name, Errno::PERM)
    }

    fn refuse_mark(&self, name: &[u8]) -> Result<(), Stop> {
        if !self.deputy().is_mark(name) {
            return Ok(());
        }
        let name = String::from_utf8_lossy(name);
        Err(Stop::refused(&format!(
            "it changes the attribute `{name}`, by which stagex itself marks files"
        )))
    }
}

/// Tells whether an access control list names somebody beyond a number.
fn names_beyond(list: &[u8], beyond: u32) -> bool {
    let entries = list.get(LIST_HEAD..).unwrap_or_default();
    entries.chunks_exact(ENTRY).any(|entry| {
        let [a, b, _, _, id @ ..] = entry else {
            return false;
        };
        let of = u16::from_le_bytes([*a, *b]);
        let id = id.try_into().map_or(0, u32::from_le_bytes);
        [OF_ONE_USER, OF_ONE_GROUP].contains(&of) && id > beyond && id != u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::names_beyond;

    #[rstest]
    #[case(0x02, 70_000, true)]
    #[case(0x08, 70_000, true)]
    #[case(0x02, 65_536, false)]
    #[case(0x04, u32::MAX, false)]
    #[case(0x20, u32::MAX, false)]
    fn lists_that_name_somebody(#[case] of: u16, #[case] id: u32, #[case] expected: bool) {
        let head = 2_u32.to_le_bytes();
        let list = [&head[..], &of.to_le_bytes(), &[7, 0], &id.to_le_bytes()].concat();
        assert_eq!(names_beyond(&list, 65_536), expected);
        assert!(!names_beyond(&list[..7], 65_536));
    }
}
