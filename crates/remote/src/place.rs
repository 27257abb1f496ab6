//! Where a worker builds: a directory on a file system that keeps what it is told. The one that inputs are staged on need
//! not be one: FUSE file systems swallow owners, and hard links into a store must not be changed.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};

/// Where it is looked for, in this order; the last is in memory.
const PLACES: [&str; 4] = ["/var/tmp", "/tmp", ".", "/dev/shm"];
/// What the directories of workers are called.
const PREFIX: &str = "stagex-worker-";
/// The file in one that is locked as long as its worker lives.
const LIFE: &str = "life";

/// A directory in which a worker builds. It is locked as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) parent: Utf8PathBuf,
    pub(crate) name: String,
    _life: File,
}

impl Place {
    /// Finds a place, and makes a directory there. Otherwise returns why there is none anywhere.
    pub(crate) fn find(named: Option<&Utf8Path>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let named: Vec<&Utf8Path> = named.into_iter().collect();
        let places = PLACES.iter().map(Utf8Path::new);
        for parent in named.into_iter().chain(places) {
            clear(parent);
            match Self::make(parent) {
                Ok(place) => match try_out(&place.path()) {
                    Ok(()) => return Ok(place),
                    Err(error) => {
                        problems.push(format!("{parent}: {error}"));
                        let _ = fs::remove_dir_all(place.path());
                    }
                },
                Err(error) => problems.push(format!("{parent}: {error}")),
            }
        }
        Err(problems)
    }

    fn make(parent: &Utf8Path) -> io::Result<Self> {
        let parent = parent.canonicalize_utf8()?;
        let made = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&parent)?;
        let life = File::create_new(made.path().join(LIFE))?;
        life.lock()?;
        let path = Utf8PathBuf::from_path_buf(made.keep());
        let path = path.map_err(|_| io::Error::other("its path is not UTF-8"))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        // RUNs of other users pass through it.
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self {
            parent,
            name,
            _life: life,
        })
    }

    /// Returns the directory.
    pub(crate) fn path(&self) -> Utf8PathBuf {
        self.parent.join(&self.name)
    }
}

/// Removes what workers have left that were killed.
fn clear(parent: &Utf8Path) {
    let Ok(entries) = parent.read_dir_utf8() else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().starts_with(PREFIX) {
            continue;
        }
        // Where everybody may write, somebody else's may be called so.
        let own = rustix::process::geteuid().as_raw();
        if !fs::symlink_metadata(entry.path()).is_ok_and(|found| found.uid() == own) {
            continue;
        }
        let life = Directory::open(entry.path()).and_then(|left| left.file(LIFE.into()));
        if life.is_ok_and(|life| life.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Finds out whether a directory keeps what images are made of.
fn try_out(directory: &Utf8Path) -> io::Result<()> {
    let lost = |what: &str| io::Error::other(format!("this file system does not keep {what}"));
    let file = directory.join("tried");
    fs::write(&file, "x")?;
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::lchown(&file, Some(1), Some(2))?;
        let found = fs::metadata(&file)?;
        if (found.uid(), found.gid()) != (1, 2) {
            return Err(lost("owners"));
        }
    }
    fs::set_permissions(&file, Permissions::from_mode(0o4751))?;
    if fs::metadata(&file)?.mode() & 0o7777 != 0o4751 {
        return Err(lost("modes"));
    }
    setxattr(file.as_std_path(), "user.stagex", b"x", XattrFlags::empty()).or_else(|error| {
        match error {
            // They are kept where the kernel has them, and nobody misses them where it has none.
            rustix::io::Errno::OPNOTSUPP => Ok(()),
            error => Err(error),
        }
    })?;
    let second = directory.join("linked");
    fs::hard_link(&file, &second)?;
    if fs::metadata(&second)?.ino() != fs::metadata(&file)?.ino() {
        return Err(lost("hard links"));
    }
    let link = directory.join("link");
    symlink("tried", &link)?;
    let mut made = vec![file, second, link];
    if is_root {
        let device = directory.join("device");
        // Some containers may make none; a build that needs one says so.
        if mknodat(
            CWD,
            device.as_std_path(),
            FileType::CharacterDevice,
            Mode::RUSR,
            makedev(1, 3),
        )
        .is_ok()
        {
            if !fs::symlink_metadata(&device)?.file_type().is_char_device() {
                return Err(lost("devices"));
            }
            made.push(device);
        }
    }
    made.iter().try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_left_goes_and_what_a_living_one_has_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let parent = Utf8Path::from_path(temporary.path()).unwrap();
        let living = Place::make(parent).unwrap();
        let killed = Place::make(parent).unwrap().path();
        clear(parent);
        assert!(living.path().exists());
        assert!(!killed.exists());
    }

    #[test]
    fn a_named_place_comes_first() {
        let temporary = tempfile::tempdir().unwrap();
        let parent = Utf8Path::from_path(temporary.path()).unwrap();
        let place = Place::find(Some(parent)).unwrap();
        assert_eq!(place.parent, parent.canonicalize_utf8().unwrap());
        assert_eq!(
            place.path().read_dir_utf8().unwrap().count(),
            1,
            "its lock only"
        );
        fs::remove_dir_all(place.path()).unwrap();
    }
}
