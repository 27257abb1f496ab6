//! Who has made a call: his memory, his place among the files, and what he may.
//!
//! Everything of him is opened by his number, which may be another's once he has ended: whoever uses
//! what was opened asks afterwards whether the call waits still.

use std::cell::OnceCell;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::acting::{Ground, Identity};

/// How many bytes a path may have, the one that ends it included; and an attribute's name.
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 256;
/// Memory is read up to the end of what is surely in it.
const PAGE: usize = 4096;

/// Who has made a call.
pub(super) struct Caller<'a> {
    ground: &'a Ground,
    directory: OwnedFd,
    memory: OnceCell<fs::File>,
    status: OnceCell<Status>,
}

/// What the system says of a process.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    identity: Identity,
    /// What it is called by itself: as a process, and as the thread that it is.
    process: u32,
    thread: u32,
}

/// What a call is about.
#[derive(Debug)]
pub(super) enum Target {
    /// A descriptor, or the working directory.
    Descriptor(i32),
    /// A path that begins at a descriptor.
    Path {
        from: i32,
        path: Vec<u8>,
        follow: bool,
    },
}

impl<'a> Caller<'a> {
    pub(super) fn of(ground: &'a Ground, id: u32) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(&ground.processes, id.to_string(), flags, Mode::empty())?;
        Ok(Self {
            ground,
            directory,
            memory: OnceCell::new(),
            status: OnceCell::new(),
        })
    }

    /// Opens what the system shows of it.
    fn open_own(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            &self.directory,
            name,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    fn read_own(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let mut text = Vec::new();
        let mut file = fs::File::from(self.open_own(name, OFlags::RDONLY)?);
        // Of who has ended nothing is known.
        file.read_to_end(&mut text).map_err(|_| Errno::SRCH)?;
        Ok(text)
    }

    fn status(&self) -> Result<&Status, Errno> {
        if let Some(status) = self.status.get() {
            return Ok(status);
        }
        let status = Status::parse(&self.read_own("status")?).ok_or(Errno::SRCH)?;
        Ok(self.status.get_or_init(|| status))
    }

    /// Returns who it is to the kernel.
    pub(super) fn identity(&self) -> Result<&Identity, Errno> {
        Ok(&self.status()?.identity)
    }

    /// Tells whether it would be allowed something as the system's root.
    pub(super) fn has(&self, right: u64) -> Result<bool, Errno> {
        Ok(self.identity()?.rights & right != 0)
    }

    /// Returns the number that this system knows the process by, whatever thread has made the call.
    pub(super) fn process(&self) -> Result<u32, Errno> {
        let text = self.read_own("status")?;
        let id = field(&text, b"Tgid:").and_then(|field| number(field, 10));
        id.and_then(|id| u32::try_from(id).ok()).ok_or(Errno::SRCH)
    }

    fn memory(&self) -> Result<&fs::File, Errno> {
        if let Some(memory) = self.memory.get() {
            return Ok(memory);
        }
        let memory = self.open_own("mem", OFlags::RDWR)?.into();
        Ok(self.memory.get_or_init(|| memory))
    }

    /// Reads bytes of its memory.
    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let read = self.memory()?.read_exact_at(bytes, address);
        read.map_err(|_| Errno::FAULT)
    }

    /// Writes bytes into its memory.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let written = self.memory()?.write_all_at(bytes, address);
        written.map_err(|_| Errno::FAULT)
    }

    pub(super) fn read_path(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let path = self.read_text(address, LONGEST_PATH)?;
        path.ok_or(Errno::NAMETOOLONG)
    }

    /// Reads the name of an attribute.
    pub(super) fn read_name(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let name = self.read_text(address, LONGEST_NAME)?;
        name.filter(|name| !name.is_empty()).ok_or(Errno::RANGE)
    }

    /// Reads text up to a zero; nothing where there is none.
    fn read_text(&self, mut address: u64, most: usize) -> Result<Option<Vec<u8>>, Errno> {
        let mut text = Vec::new();
        let mut page = [0; PAGE];
        while text.len() < most {
            // It may end where the memory does.
            let left = usize::try_from(address % PAGE as u64).map_or(1, |begun| PAGE - begun);
            let bytes = &mut page[..left.min(most - text.len())];
            self.read(address, bytes)?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&bytes[..end]);
                return Ok(Some(text));
            }
            text.extend_from_slice(bytes);
            address = address
                .checked_add(bytes.len() as u64)
                .ok_or(Errno::FAULT)?;
        }
        Ok(None)
    }

    /// Opens what a call is about, as somewhere to be: nothing is read or written by that. It is found as
    /// the caller finds it; with the caller's rights, if that is said.
    pub(super) fn open(
        &self,
        target: &Target,
        identity: Option<&Identity>,
    ) -> Result<OwnedFd, Errno> {
        match target {
            Target::Descriptor(number) => self.descriptor(*number, OFlags::PATH),
            Target::Path { follow, .. } => {
                let mut flags = OFlags::PATH | OFlags::CLOEXEC;
                flags.set(OFlags::NOFOLLOW, !follow);
                self.at(target, identity, |from, path| {
                    rustix::fs::openat(from, path, flags, Mode::empty())
                })
            }
        }
    }

    /// Does something with a path and the directory that it begins at, as the caller would do it.
    pub(super) fn at<T>(
        &self,
        target: &Target,
        identity: Option<&Identity>,
        work: impl FnOnce(std::os::fd::BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let Target::Path { from, path, .. } = target else {
            return Err(Errno::NOENT);
        };
        let root = self.open_own("root", OFlags::PATH | OFlags::DIRECTORY)?;
        if path.starts_with(b"/") {
            let path = self.own_path(path)?;
            let work = || work(CWD, path.as_deref().unwrap_or(target.path()));
            return self.ground.within(root.as_fd(), identity, work);
        }
        let from = self.descriptor(*from, OFlags::PATH)?;
        let work = || work(from.as_fd(), path);
        self.ground.within(root.as_fd(), identity, work)
    }

    /// Returns how it is called there what is called after whoever looks at it.
    fn own_path(&self, path: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let own = [
            (&b"/proc/self/"[..], false, ""),
            (b"/proc/thread-self/", true, ""),
            (b"/dev/fd/", false, "fd/"),
        ];
        let found = own.into_iter().find_map(|(prefix, is_thread, more)| {
            Some((path.strip_prefix(prefix)?, is_thread, more))
        });
        let Some((rest, is_thread, more)) = found else {
            return Ok(None);
        };
        let Status {
            process, thread, ..
        } = self.status()?;
        let place = if is_thread {
            format!("/proc/{process}/task/{thread}/")
        } else {
            format!("/proc/{process}/{more}")
        };
        Ok(Some([place.as_bytes(), rest].concat()))
    }

    /// Opens what a descriptor of the caller is of.
    pub(super) fn descriptor(&self, number: i32, flags: OFlags) -> Result<OwnedFd, Errno> {
        if number == libc::AT_FDCWD {
            return self.open_own("cwd", flags);
        }
        let opened = self.open_own(&format!("fd/{number}"), flags);
        opened.map_err(|errno| match errno {
            Errno::NOENT => Errno::BADF,
            errno => errno,
        })
    }

    /// Tells whether a descriptor says no more than where a file is.
    pub(super) fn is_a_place(&self, descriptor: i32) -> Result<bool, Errno> {
        let text = self.read_own(&format!("fdinfo/{descriptor}"));
        let text = text.map_err(|_| Errno::BADF)?;
        let flags = field(&text, b"flags:").and_then(|field| number(field, 8));
        let place = u64::from(OFlags::PATH.bits());
        Ok(flags.ok_or(Errno::BADF)? & place != 0)
    }

    /// Returns the descriptor itself: what it is read by moves on for the caller as well.
    pub(super) fn share(&self, number: i32) -> Result<OwnedFd, Errno> {
        use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

        let pid = i32::try_from(self.process()?).ok().and_then(Pid::from_raw);
        let process = pidfd_open(pid.ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
        pidfd_getfd(process, number, PidfdGetfdFlags::empty())
    }
}

impl Target {
    /// Returns the directory that a path ends in, and the name in it.
    pub(super) fn split(&self) -> (Self, Vec<u8>) {
        let (from, path) = match self {
            Self::Descriptor(number) => (*number, &b""[..]),
            Self::Path { from, path, .. } => (*from, path.as_slice()),
        };
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
        let directory = if directory.is_empty() {
            b"."
        } else {
            directory
        };
        let directory = Self::Path {
            from,
            path: directory.to_vec(),
            follow: true,
        };
        (directory, name.to_vec())
    }

    fn path(&self) -> &[u8] {
        match self {
            Self::Descriptor(_) => b"",
            Self::Path { path, .. } => path,
        }
    }
}

impl Status {
    /// Reads it: a name in it may be any bytes.
    fn parse(text: &[u8]) -> Option<Self> {
        // Real, effective, saved, and for files.
        let for_files = |name| numbers(field(text, name)?, 10).nth(3);
        let last = |name| numbers(field(text, name)?, 10).last();
        let narrow = |number: u64| u32::try_from(number).ok();
        let identity = Identity {
            user: for_files(b"Uid:").and_then(narrow)?,
            group: for_files(b"Gid:").and_then(narrow)?,
            groups: numbers(field(text, b"Groups:")?, 10)
                .filter_map(narrow)
                .collect(),
            rights: number(field(text, b"CapEff:")?, 16)?,
            mask: number(field(text, b"Umask:")?, 8).and_then(narrow)?,
        };
        Some(Self {
            identity,
            process: last(b"NStgid:").and_then(narrow)?,
            thread: last(b"NSpid:").and_then(narrow)?,
        })
    }
}

/// Returns what stands behind a name at the beginning of a line.
fn field<'text>(text: &'text [u8], name: &[u8]) -> Option<&'text [u8]> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(name))
}

fn numbers(field: &[u8], base: u32) -> impl Iterator<Item = u64> {
    let words = field.split(u8::is_ascii_whitespace);
    words.filter_map(move |word| u64::from_str_radix(str::from_utf8(word).ok()?, base).ok())
}

fn number(field: &[u8], base: u32) -> Option<u64> {
    numbers(field, base).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_any_bytes() {
        let text = b"Name:\t\xff\xfe Uid: 7\nUmask:\t0027\nTgid:\t70\nPid:\t71\nUid:\t1\t2\t3\t4\n\
            Gid:\t5\t6\t7\t8\nGroups:\t9 10 \nNStgid:\t70\t1\nNSpid:\t71\t2\n\
            CapEff:\t00000000a80425fb\n";
        let status = Status::parse(text).unwrap();
        let identity = Identity {
            user: 4,
            group: 8,
            groups: vec![9, 10],
            rights: 0xa804_25fb,
            mask: 0o27,
        };
        let expected = Status {
            identity,
            process: 1,
            thread: 2,
        };
        assert_eq!(status, expected);
    }
}
