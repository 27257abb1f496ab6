//! Files with the set-user-ID or the set-group-ID bit, which the kernel takes away when an ordinary user's
//! build writes to the file, and does not take away for the system's root.
//!
//! The kernel tells of each such file when it has been written to. A build that sets the mode again
//! afterwards, before anybody reads the file, ends as root's; any other is refused. It knows files and modes,
//! and not the calls that set them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{FileType, Stat, inotify};
use rustix::io::Errno;

use super::answer::{Stop, Verdict};
use super::place::by_number;
use crate::held::SET_ID;

/// The files of one RUN that have, or had, such a bit.
#[derive(Debug)]
pub(crate) struct SetIds {
    /// By this the kernel tells of them.
    inotify: Result<OwnedFd, Errno>,
    /// By the numbers that the kernel gives them there: of one file always the same one.
    files: Mutex<BTreeMap<i32, Given>>,
}

/// A file that was given such a bit.
#[derive(Debug)]
struct Given {
    /// The file, of which the descriptor says no more than where it is. It keeps the kernel's own notion of
    /// the file, to which the watch belongs, for as long as it is open.
    file: Arc<OwnedFd>,
    /// The bits that it was given last.
    bits: u32,
    /// It was written to since.
    is_written: bool,
    /// It was read after that.
    is_read: bool,
}

impl SetIds {
    /// Begins with the files that have such a bit before the RUN begins.
    pub(crate) fn of(files: &[Arc<OwnedFd>]) -> Result<Self, Errno> {
        let set_ids = Self {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK),
            files: Mutex::default(),
        };
        for file in files {
            let bits = rustix::fs::fstat(file)?.st_mode & SET_ID;
            set_ids.watch(&mut set_ids.lock(), file, bits)?;
        }
        Ok(set_ids)
    }

    /// Returns what becomes readable when the kernel has something to tell.
    pub(super) fn events(&self) -> Option<&OwnedFd> {
        self.inotify.as_ref().ok()
    }

    /// Takes note that a file is about to be given such bits, or has just been made with them.
    pub(super) fn give(&self, file: OwnedFd, bits: u32) -> Result<(), Stop> {
        let status = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let file = Arc::new(file);
        let mut files = self.lock();
        let number = self.watch(&mut files, &file, bits).map_err(unwatched)?;
        self.hear(&mut files);
        let Some(given) = files.get_mut(&number) else {
            return Ok(());
        };
        let lost = given.lost(status.st_mode);
        // Whoever has not looked since, and gives back what was taken away, has made what root would have made.
        if lost != 0 && (given.is_read || lost & !bits != 0) {
            return Err(Stop::Verdict(given.verdict()));
        }
        given.bits = bits;
        given.is_written = false;
        given.is_read = false;
        Ok(())
    }

    /// Tells whether a file has such a bit, or had one.
    pub(super) fn knows(&self, file: &OwnedFd) -> Result<bool, Errno> {
        let status = rustix::fs::fstat(file)?;
        Ok(self.lock().values().any(|given| given.is(&status)))
    }

    /// Has a file that is known be known as well by what the kernel takes for another, since it was looked up
    /// by another name.
    pub(super) fn follow(&self, file: &OwnedFd, other: OwnedFd) -> Result<(), Stop> {
        let status = rustix::fs::fstat(file)?;
        let mut files = self.lock();
        self.hear(&mut files);
        let Some(known) = files.values().find(|given| given.is(&status)) else {
            return Ok(());
        };
        let Given {
            bits,
            is_written,
            is_read,
            ..
        } = *known;
        let number = self.watch(&mut files, &Arc::new(other), bits);
        if let Some(given) = files.get_mut(&number.map_err(unwatched)?) {
            given.is_written |= is_written;
            given.is_read |= is_read;
        }
        Ok(())
    }

    /// Takes note of what the kernel has told.
    pub(super) fn note(&self) {
        self.hear(&mut self.lock());
    }

    /// Takes note of a call that may write to any file, of which the kernel does not tell.
    pub(super) fn doubt(&self) {
        let mut files = self.lock();
        self.hear(&mut files);
        doubt(&mut files);
    }

    /// Tells whether root's build would have ended with other modes, when nobody is left who could write.
    pub(super) fn verdict(&self) -> Verdict {
        let mut files = self.lock();
        self.hear(&mut files);
        for given in files.values() {
            match rustix::fs::fstat(&given.file) {
                Ok(status) if given.lost(status.st_mode) == 0 => {}
                // It is gone, and nobody has read it.
                Ok(status) if status.st_nlink == 0 && !given.is_read => {}
                Ok(_) => return given.verdict(),
                Err(errno) => return Verdict::Refused(not_told(errno)),
            }
        }
        Verdict::Right
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Given>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the kernel tell of a file, and returns the number that it has there.
    fn watch(
        &self,
        files: &mut BTreeMap<i32, Given>,
        file: &Arc<OwnedFd>,
        bits: u32,
    ) -> Result<i32, Errno> {
        let inotify = self.inotify.as_ref().map_err(|errno| *errno)?;
        let told = WatchFlags::MODIFY | WatchFlags::CLOSE_NOWRITE;
        let number = inotify::add_watch(inotify, by_number(file), told)?;
        files.entry(number).or_insert_with(|| Given {
            file: Arc::clone(file),
            bits,
            is_written: false,
            is_read: false,
        });
        Ok(number)
    }

    /// Reads what the kernel has told until now, in order.
    fn hear(&self, files: &mut BTreeMap<i32, Given>) {
        let Ok(inotify) = &self.inotify else {
            return;
        };
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                // Something was not told.
                doubt(files);
            }
            let Some(given) = files.get_mut(&event.wd()) else {
                continue;
            };
            if event.events().contains(ReadFlags::MODIFY) {
                given.is_written = true;
            } else if event.events().contains(ReadFlags::CLOSE_NOWRITE) {
                given.is_read |= given.is_written;
            }
        }
    }
}

impl Given {
    /// Tells whether a status is its own.
    fn is(&self, status: &Stat) -> bool {
        let inode = |status: &Stat| (status.st_dev, status.st_ino);
        rustix::fs::fstat(&self.file).is_ok_and(|own| inode(&own) == inode(status))
    }

    /// Returns the bits that it has no longer, if it was written to since it was given them.
    fn lost(&self, mode: u32) -> u32 {
        if self.is_written {
            self.bits & !mode
        } else {
            0
        }
    }

    fn verdict(&self) -> Verdict {
        let path = rustix::fs::readlink(by_number(&self.file), Vec::new());
        let path = path.unwrap_or_default();
        let path = String::from_utf8_lossy(path.as_bytes());
        // What the system says of a file that is gone.
        let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
        Verdict::ModeLost(path.to_owned())
    }
}

/// Takes it that each file was written to, and read: whatever it has lost then, nobody knows why.
fn doubt(files: &mut BTreeMap<i32, Given>) {
    for given in files.values_mut() {
        given.is_written = true;
        given.is_read = true;
    }
}

fn unwatched(errno: Errno) -> Stop {
    Stop::Verdict(Verdict::Refused(not_told(errno)))
}

fn not_told(errno: Errno) -> String {
    format!(
        "it sets the set-user-ID or the set-group-ID bit of a file, and the kernel cannot tell whether the \
         file is written to afterwards: {errno} (sysctl fs.inotify.max_user_instances, \
         fs.inotify.max_user_watches)"
    )
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use rstest::rstest;
    use rustix::fs::{CWD, Mode, OFlags};

    use super::*;

    /// A file, and what may be done with it.
    struct Tried {
        set_ids: SetIds,
        directory: tempfile::TempDir,
    }

    impl Tried {
        fn path(&self) -> std::path::PathBuf {
            self.directory.path().join("file")
        }

        fn give(&self, mode: u32) -> bool {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let file = rustix::fs::openat(CWD, self.path(), flags, Mode::empty()).unwrap();
            let given = self.set_ids.give(file, mode & SET_ID);
            fs::set_permissions(self.path(), Permissions::from_mode(mode)).unwrap();
            given.is_ok()
        }

        /// Does what a letter says.
        fn does(&self, step: char) {
            let path = self.path();
            match step {
                'w' => fs::write(path, "more").unwrap(),
                't' => File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_len(0)
                    .unwrap(),
                'r' => drop(fs::read(path).unwrap()),
                'l' => fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap(),
                'd' => fs::remove_file(path).unwrap(),
                '?' => self.set_ids.doubt(),
                // More than the kernel keeps of what it has to tell.
                'o' => {
                    let other = self.directory.path().join("other");
                    fs::write(&other, "").unwrap();
                    let flags = OFlags::PATH | OFlags::CLOEXEC;
                    let file = rustix::fs::openat(CWD, &other, flags, Mode::empty()).unwrap();
                    self.set_ids.give(file, SET_ID).unwrap();
                    fs::set_permissions(&other, Permissions::from_mode(0o6755)).unwrap();
                    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events");
                    let most: usize = most.unwrap().trim().parse().unwrap();
                    for _ in 0..=most / 2 {
                        fs::read(&path).unwrap();
                        fs::read(&other).unwrap();
                    }
                }
                other => panic!("{other} is nothing that is done"),
            }
        }
    }

    /// The letters: written, cut, read, the bit is lost, given again, deleted, doubt, too much to tell.
    #[rstest]
    #[case("", true)]
    #[case("l", true)]
    #[case("rl", true)]
    #[case("wl", false)]
    #[case("tl", false)]
    #[case("wlr", false)]
    #[case("wld", true)]
    #[case("wlrd", false)]
    #[case("?l", false)]
    #[case("?", true)]
    #[case("ol", false)]
    #[case("o", true)]
    fn what_is_lost(#[case] steps: &str, #[case] is_right: bool) {
        let tried = Tried {
            set_ids: SetIds::of(&[]).unwrap(),
            directory: tempfile::tempdir().unwrap(),
        };
        fs::write(tried.path(), "text").unwrap();
        assert!(tried.give(0o4755));
        steps.chars().for_each(|step| tried.does(step));
        let verdict = tried.set_ids.verdict();
        assert_eq!(verdict == Verdict::Right, is_right, "{verdict:?}");
    }

    #[rstest]
    #[case("wl", 0o4755, true)]
    #[case("wl", 0o6755, true)]
    #[case("wl", 0o2755, false)]
    #[case("wlr", 0o4755, false)]
    #[case("rwl", 0o4755, true)]
    #[case("l", 0o2755, true)]
    #[case("lr", 0o4755, true)]
    fn what_is_given_back(#[case] steps: &str, #[case] mode: u32, #[case] is_right: bool) {
        let tried = Tried {
            set_ids: SetIds::of(&[]).unwrap(),
            directory: tempfile::tempdir().unwrap(),
        };
        fs::write(tried.path(), "text").unwrap();
        assert!(tried.give(0o4755));
        steps.chars().for_each(|step| tried.does(step));
        assert_eq!(tried.give(mode), is_right);
    }
}
