//! Where things lie in a tree's `out/`: outputs, logs, records, and the work of builds that run.
//!
//! Knows paths and how a file appears whole or not at all; knows nothing of what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::absolute;

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{Error, IoContext, not_text};

/// The folders below a tree's `out/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    out: Utf8PathBuf,
}

impl Folders {
    /// Names the folders of the tree in `root`. Nothing is made yet.
    pub fn of_tree(root: &Utf8Path) -> Self {
        Self {
            out: root.join("out"),
        }
    }

    /// Returns the folder with the OCI layout of the output `name`: `out/<stage>-<name>`.
    pub fn output(&self, name: &str) -> Utf8PathBuf {
        self.out.join(name)
    }

    /// Returns the path of the archive `name`: `out/<name>.tgz`.
    pub fn archive(&self, name: &str) -> Utf8PathBuf {
        self.out.join(format!("{name}.tgz"))
    }

    /// Returns the log of the last build of the output `name`.
    pub fn log(&self, name: &str) -> Utf8PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Returns the record of the last build of the output `name`.
    pub fn record(&self, name: &str) -> Utf8PathBuf {
        self.own().join("records").join(format!("{name}.json"))
    }

    /// Returns the file with the hashes of files that were hashed before.
    pub(crate) fn hashes(&self) -> Utf8PathBuf {
        self.own().join("hashes")
    }

    /// Returns the file with what was found in `out/` before.
    pub(crate) fn outputs(&self) -> Utf8PathBuf {
        self.own().join("outputs")
    }

    /// Returns the folder in which builds work. On the file system of the outputs, so that an
    /// output can be moved into place.
    pub fn work(&self) -> Utf8PathBuf {
        self.own().join("work")
    }

    /// Returns the folder of what a runtime keeps itself for later builds, if it is one that does.
    pub(crate) fn kept(&self, runtime: &str) -> Utf8PathBuf {
        self.own().join(runtime)
    }

    /// Returns the folder with all outputs.
    pub(crate) fn out(&self) -> Utf8PathBuf {
        self.out.clone()
    }

    /// Returns the folder of what is nobody's output.
    pub(crate) fn own(&self) -> Utf8PathBuf {
        self.out.join(".stagex")
    }

    /// Returns the folder with all logs.
    pub(crate) fn logs(&self) -> Utf8PathBuf {
        self.own().join("logs")
    }

    /// Returns the file that is locked while somebody builds.
    pub(crate) fn lock(&self) -> Utf8PathBuf {
        self.own().join("lock")
    }

    /// Refuses folders whose absolute paths are no text: engines could not be told them.
    pub(crate) fn check_text(&self) -> Result<(), Error> {
        let out = absolute(&self.out).at("find", &self.out)?;
        match out.to_str() {
            Some(_) => Ok(()),
            None => Err(not_text(&out)),
        }
    }

    /// Makes the folders and takes their lock. Who is alone also clears away outputs that a killed
    /// process had begun to write.
    ///
    /// The lock is held until the returned value is dropped. `waiting` is called if another
    /// process holds it, before this one waits, with that process's id if it is known.
    pub fn open(
        &self,
        access: Access,
        waiting: &mut dyn FnMut(Option<u32>),
    ) -> Result<Lock, Error> {
        for folder in ["logs", "records", "work"] {
            let path = self.own().join(folder);
            fs::create_dir_all(&path).at("make folder", &path)?;
        }
        let path = self.lock();
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .at("open", &path)?;
        let free = match access {
            Access::Alone => file.try_lock(),
            Access::Beside => file.try_lock_shared(),
        };
        match free {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let holder = io::read_to_string(&file).ok();
                waiting(holder.and_then(|text| text.trim().parse().ok()));
                match access {
                    Access::Alone => file.lock(),
                    Access::Beside => file.lock_shared(),
                }
                .at("lock", &path)?;
            }
            Err(fs::TryLockError::Error(error)) => Err(error).at("lock", &path)?,
        }
        // Only for people who wait: what holds the lock is the open file.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .at("write", &path)?;
        if access == Access::Alone {
            self.clear_unfinished()?;
        }
        Ok(Lock { _file: file })
    }

    /// Removes outputs that a killed process had begun to write beside their places.
    fn clear_unfinished(&self) -> Result<(), Error> {
        for entry in self.out.read_dir_utf8().at("read", &self.out)? {
            let path = entry.at("read", &self.out)?.into_path();
            let hidden = path.file_name().is_some_and(|name| name.starts_with('.'));
            if hidden && path != self.own() && path.is_dir() {
                remove_folder(&path).at("clear", &path)?;
            }
        }
        Ok(())
    }
}

/// Who else may work in a tree's folders meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody: outputs are written and removed.
    Alone,
    /// Others who write no outputs either.
    Beside,
}

/// Keeps others out of a tree's folders, while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Removes a folder with all that is in it. A folder that is not there is no error.
pub(crate) fn remove_folder(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Writes a file so that it is there whole or not at all, whatever happens meanwhile.
pub(crate) fn write_whole(path: &Utf8Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(contents)?;
    fs::set_permissions(
        file.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_were_begun_are_cleared_and_whole_ones_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let folders = Folders::of_tree(root);
        let [left, output] = [".core-a.x1y2", "core-a"].map(|name| root.join("out").join(name));
        for folder in [&left, &output] {
            fs::create_dir_all(folder).unwrap();
        }
        let _lock = folders
            .open(Access::Alone, &mut |_| panic!("nobody else holds the lock"))
            .unwrap();
        assert!(!left.exists());
        assert!(output.exists());
    }

    #[test]
    fn a_second_process_is_told_whom_it_waits_for() {
        let temporary = tempfile::tempdir().unwrap();
        let folders = Folders::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
        let nobody = &mut |_| panic!("nobody else holds the lock");
        let mut first = Some(folders.open(Access::Alone, nobody).unwrap());
        let mut waited_for = None;
        let second = folders.open(Access::Alone, &mut |holder| {
            waited_for = holder;
            first = None;
        });
        assert!(second.is_ok());
        assert_eq!(waited_for, Some(std::process::id()));
    }

    #[test]
    fn who_writes_no_outputs_works_beside_others() {
        let temporary = tempfile::tempdir().unwrap();
        let folders = Folders::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
        let nobody = &mut |_| panic!("nobody holds the lock alone");
        let first = folders.open(Access::Beside, nobody).unwrap();
        let second = folders.open(Access::Beside, nobody).unwrap();
        let mut others = Some((first, second));
        let alone = folders.open(Access::Alone, &mut |_| others = None);
        assert!(alone.is_ok() && others.is_none());
    }
}
