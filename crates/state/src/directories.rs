//! Where things lie in a tree's `out/`: outputs, logs, records, and the work of builds that run.
//!
//! A tree is often somebody else's, and so may be all that lies in its `out/`: every directory is opened
//! through no symbolic link, and what is written there replaces what has its name. Knows nothing of what is
//! in the files.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::absolute;
use std::sync::{Arc, OnceLock};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, ImageSet, LayoutError};
use rustix::fs::Mode;

use crate::error::{Error, IoContext, not_utf8};
use crate::proof::Proof;
use crate::secret::Secret;

/// The directory of outputs, in a tree.
const OUT: &str = "out";
/// The directory of what is nobody's output, in that of outputs.
pub const OWN: &str = ".stagex";
/// The file in it that says that the directory with all outputs was made for it. Who puts it there has an otherwise empty
/// directory left out of a context, and nothing else.
pub const MADE: &str = "made-out";
/// The directories in it that are always there.
const PARTS: [&str; 3] = [LOGS, RECORDS, WORK];
/// The directory of logs, in `.stagex`.
pub const LOGS: &str = "logs";
/// The directory of records of builds, in `.stagex`.
pub const RECORDS: &str = "records";
/// The directory in which builds work, in `.stagex`.
pub const WORK: &str = "work";
/// The directory of what is reproduced, in `.stagex`: a directory for each runtime.
const REPRODUCED: &str = "reproduced";
/// The directory of what was pulled from registries, in `.stagex`.
pub const PULLED: &str = "pulled";
/// The directory of images that seeds of one package gave and that are not one, in `.stagex`.
const SEEDS: &str = "seeds";
/// The file that is locked while somebody builds.
pub const LOCK: &str = "lock";
/// The mode of files that are locked: whoever can open a file can lock it, and keep us waiting.
pub const LOCKED_MODE: u32 = 0o600;
/// How long the number of a process is at most.
const LONGEST_NUMBER: u64 = 32;
/// How many hex digits tell the outputs of trees of the same name apart.
const DIGITS: usize = 12;

/// The directories below a tree's `out/`.
#[derive(Debug, Clone)]
pub struct Directories {
    root: Utf8PathBuf,
    /// The directory that the user wants outputs in, and the name of this tree's directory in it.
    elsewhere: Option<(Utf8PathBuf, String)>,
    /// The directory in that of outputs that takes its place, if one does.
    within: Utf8PathBuf,
    secret: Secret,
    proof: Arc<OnceLock<Proof>>,
}

impl Directories {
    /// Names the directories of the tree in `root`. Nothing is made yet. What is recorded there is believed
    /// as long as this process lives.
    pub fn of_tree(root: &Utf8Path) -> Self {
        Self {
            root: root.to_owned(),
            elsewhere: None,
            within: Utf8PathBuf::new(),
            secret: Secret::of_process(),
            proof: Arc::default(),
        }
    }

    /// Believes what was recorded with this secret.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        (self.secret, self.proof) = (secret, Arc::default());
        self
    }

    /// Names another place for what would be in `out/`: a directory in `parent` that no other tree has.
    ///
    /// # Errors
    ///
    /// The tree's own path cannot be found out.
    pub fn elsewhere(mut self, parent: &Utf8Path) -> Result<Self, Error> {
        let root = self.root();
        let root = root.canonicalize_utf8().at("find", root)?;
        let sum = Digest::of(root.as_str().as_bytes()).hex();
        let name = root.file_name().unwrap_or("tree");
        let name = format!("{name}-{}", &sum[..DIGITS]);
        self.elsewhere = Some((parent.to_owned(), name));
        self.proof = Arc::default();
        Ok(self)
    }

    /// Returns the directories of what `label`, a runtime, reproduces of the tree: they have outputs, records
    /// and a lock of their own, and go with all outputs of the tree.
    #[must_use]
    pub fn of_reproduction(&self, label: &str) -> Self {
        self.in_own(&Utf8Path::new(REPRODUCED).join(label))
    }

    /// Returns the directories that those of all reproductions are in: whoever reproduces something of the tree has
    /// their lock.
    #[must_use]
    pub fn of_reproductions(&self) -> Self {
        self.in_own(REPRODUCED.into())
    }

    /// Returns the directories of what was pulled from registries for the tree: an output there is an image, by the hex
    /// digits of its digest. All runtimes share them, and they go with all outputs of the tree.
    #[must_use]
    pub fn of_pulled(&self) -> Self {
        self.in_own(PULLED.into())
    }

    fn in_own(&self, place: &Utf8Path) -> Self {
        Self {
            root: self.root.clone(),
            elsewhere: self.elsewhere.clone(),
            within: self.within.join(OWN).join(place),
            secret: self.secret,
            proof: Arc::default(),
        }
    }

    /// Returns the tree's directory.
    pub fn root(&self) -> &Utf8Path {
        match self.root.as_str() {
            "" => Utf8Path::new("."),
            _ => &self.root,
        }
    }

    /// Returns the directory with all outputs.
    pub fn out(&self) -> Utf8PathBuf {
        let (parent, name) = self.place();
        parent.join(name)
    }

    /// Returns the directory with the OCI layout of the output `name`: `out/<stage>-<name>`.
    pub fn output(&self, name: &str) -> Utf8PathBuf {
        self.out().join(name)
    }

    /// Returns the same, seen from the tree's directory.
    pub fn output_in_tree(&self, name: &str) -> Utf8PathBuf {
        match &self.elsewhere {
            // It is absolute.
            Some(_) => self.output(name),
            None => self.place().1.join(name),
        }
    }

    /// Returns the path of the archive `name`: `out/<name>.tgz`.
    pub fn archive(&self, name: &str) -> Utf8PathBuf {
        self.out().join(format!("{name}.tgz"))
    }

    /// Returns the log of the last build of the output `name`.
    pub fn log(&self, name: &str) -> Utf8PathBuf {
        self.own().join(LOGS).join(log_file(name))
    }

    /// Returns the record of the last build of the output `name`.
    pub fn record(&self, name: &str) -> Utf8PathBuf {
        self.own().join(RECORDS).join(record_file(name))
    }

    /// Returns the directory in which builds work. On the file system of the outputs, so that an
    /// output can be moved into place.
    pub fn work(&self) -> Utf8PathBuf {
        self.own().join(WORK)
    }

    /// Returns the directory of what a runtime keeps itself for later builds, if it is one that does.
    pub fn kept(&self, runtime: &str) -> Utf8PathBuf {
        self.own().join(runtime)
    }

    /// Returns the directory of what is nobody's output.
    pub fn own(&self) -> Utf8PathBuf {
        self.out().join(OWN)
    }

    /// Tells whether something was ever done there.
    pub fn is_used(&self) -> bool {
        matches!(self.open_own(), Ok(Some(_)))
    }

    /// Refuses directories whose absolute paths are no text: engines could not be told them.
    pub fn check_text(&self) -> Result<(), Error> {
        let out = self.out();
        let out = absolute(&out).at("find", &out)?;
        match out.to_str() {
            Some(_) => Ok(()),
            None => Err(not_utf8(&out)),
        }
    }

    /// Opens the directory with all outputs, if it is there.
    pub fn open_out(&self) -> Result<Option<Directory>, Error> {
        let (parent, name) = self.place();
        let opened = Directory::open(parent).and_then(|parent| parent.directory(&name));
        there(opened).at("open", &self.out())
    }

    /// Opens the directory of what is nobody's output, if it is there.
    pub fn open_own(&self) -> Result<Option<Directory>, Error> {
        let Some(out) = self.open_out()? else {
            return Ok(None);
        };
        there(out.directory(OWN.into())).at("open", &self.own())
    }

    /// Opens the directory in which builds work, if it is there.
    pub fn open_work(&self) -> Result<Option<Directory>, Error> {
        let Some(own) = self.open_own()? else {
            return Ok(None);
        };
        there(own.directory(WORK.into())).at("open", &self.work())
    }

    /// Returns the absolute path of the directory in which builds work: engines are told paths in it, and work in
    /// directories of their own.
    pub fn absolute_work(&self) -> Result<Utf8PathBuf, Error> {
        let work = self.work();
        camino::absolute_utf8(&work).at("find", &work)
    }

    /// Opens the directory with all outputs, and makes it if it is not there.
    pub fn make_out(&self) -> Result<Directory, Error> {
        self.make_own()?;
        let out = self.open_out()?;
        out.ok_or_else(|| io::ErrorKind::NotFound.into())
            .at("open", &self.out())
    }

    /// Opens the directory of the records, if it is there.
    pub fn open_records(&self) -> Result<Option<Directory>, Error> {
        let Some(own) = self.open_own()? else {
            return Ok(None);
        };
        let records = own.directory(RECORDS.into());
        there(records).at("open", &self.own().join(RECORDS))
    }

    /// Returns the trusted directory that the one with all outputs is in, and its path there.
    fn place(&self) -> (&Utf8Path, Utf8PathBuf) {
        let (parent, name) = match &self.elsewhere {
            Some((parent, name)) => (parent.as_path(), name.as_str()),
            None => (self.root(), OUT),
        };
        let within = self.within.as_path();
        let place = Utf8Path::new(name);
        // A path that ends with a separator is another text.
        let place = if within.as_str().is_empty() {
            place.to_owned()
        } else {
            place.join(within)
        };
        (parent, place)
    }

    fn make_own(&self) -> Result<Directory, Error> {
        let (parent, name) = self.place();
        let parent = match &self.elsewhere {
            Some(_) => Directory::open_or_make(parent),
            None => Directory::open(parent),
        };
        let was_there = self.open_out()?.is_some();
        let out = parent.and_then(|parent| parent.make_directory(&name));
        let out = out.at("create directory", &self.out())?;
        let own = out.make_directory(OWN.into());
        let own = own.at("create directory", &self.own())?;
        if !was_there {
            let made = own.write(MADE.into(), b"");
            made.at("write", &self.own().join(MADE))?;
        }
        Ok(own)
    }

    /// Finds the directory of what a runtime keeps itself, which may not be there yet.
    pub fn find_kept(&self, runtime: &str) -> Result<Utf8PathBuf, Error> {
        let path = self.kept(runtime);
        if let Some(own) = self.open_own()? {
            there(own.directory(runtime.into())).at("open", &path)?;
        }
        Ok(path)
    }

    /// Removes the images that seeds of the output `name` have given, if any are kept.
    pub fn clear_seeds(&self, name: &str) -> Result<(), Error> {
        let Some(own) = self.open_own()? else {
            return Ok(());
        };
        let path = Utf8Path::new(SEEDS).join(name);
        let at = self.own().join(&path);
        let seeds = there(own.directory(SEEDS.into())).at("open", &self.own().join(SEEDS))?;
        match seeds {
            Some(seeds) if seeds.metadata(name.into()).at("read", &at)?.is_some() => {
                seeds.remove(name.into()).at("remove", &at)
            }
            _ => Ok(()),
        }
    }

    /// Makes the directory for the images that seeds of the output `name` give, where they are not one.
    pub fn make_seeds(&self, name: &str) -> Result<Utf8PathBuf, Error> {
        let path = Utf8Path::new(SEEDS).join(name);
        let made = self.make_own()?.make_directory(SEEDS.into());
        let made = made.and_then(|seeds| seeds.make_directory(name.into()));
        let at = self.own().join(&path);
        made.at("create directory", &at)?;
        Ok(at)
    }

    /// Opens the images in the output `name`.
    pub fn images(&self, name: &str) -> Result<ImageSet, LayoutError> {
        let (parent, within) = self.place();
        ImageSet::open_beneath(parent, &within.join(name), None)
    }

    /// Reads a file of ours that is text of at most `limit` bytes. What is not there, is no such file or
    /// cannot be read is nothing.
    pub fn read_own(&self, path: &Utf8Path, limit: u64) -> Option<String> {
        self.open_own().ok()??.read_text(path, limit).ok()
    }

    /// Writes a file of ours, so that it is there whole or not at all. Whatever else has its name is
    /// replaced, also a directory.
    pub fn write_own(&self, path: &Utf8Path, contents: &[u8]) -> Result<(), Error> {
        let own = self.make_own()?;
        let written = match own.write(path, contents) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                own.remove(path).and_then(|()| own.write(path, contents))
            }
            written => written,
        };
        written.at("write", &self.own().join(path))
    }

    /// Removes a directory that has the name of the archive `name`, in place of which no file can be put.
    pub fn free_archive(&self, name: &str) -> Result<(), Error> {
        let path = self.archive(name);
        let (Some(out), Some(file)) = (self.open_out()?, path.file_name()) else {
            return Ok(());
        };
        let file = Utf8Path::new(file);
        match out.metadata(file).at("read", &path)? {
            Some(found) if found.is_dir() => out.remove(file).at("remove", &path),
            _ => Ok(()),
        }
    }

    /// Begins the log of the output `name` anew.
    pub fn begin_log(&self, name: &str) -> Result<File, Error> {
        let logs = self.make_own()?.make_directory(LOGS.into());
        let logs = logs.at("create directory", &self.own().join(LOGS))?;
        let log = logs.new_file(log_file(name).as_str().into());
        log.at("write", &self.log(name))
    }

    /// Returns what proves what is written here. Where nothing is yet, nothing is proven.
    pub fn proof(&self) -> Proof {
        let find = || {
            let own = self.open_own().ok()??;
            Proof::of_place(&self.secret, &own).ok()
        };
        match self.proof.get().cloned().or_else(find) {
            Some(proof) => self.proof.get_or_init(|| proof).clone(),
            None => Proof::of_nothing(),
        }
    }

    /// Makes the directories and takes their lock. Who is alone also clears away outputs that a killed
    /// process had begun to write.
    ///
    /// The lock is held until the returned value is dropped. `waiting` is called if another
    /// process holds it, before this one waits, with that process's id if it is known.
    pub fn open(
        &self,
        access: Access,
        waiting: &mut dyn FnMut(Option<u32>),
    ) -> Result<Lock, Error> {
        let own = self.make_own()?;
        for part in PARTS {
            let made = own.make_directory(part.into());
            made.at("create directory", &self.own().join(part))?;
        }
        let path = self.own().join(LOCK);
        let mut file = loop {
            let file = lock_file(&own).at("open", &path)?;
            take(&file, access, waiting).at("lock", &path)?;
            // Whoever had it may have removed it with all the rest meanwhile.
            if is_still(&own, &file).at("lock", &path)? {
                break file;
            }
        };
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

    /// Removes what is no directory where one of ours would be, such as a symbolic link: it came with the
    /// tree. Returns how many that were.
    pub fn clear_parts(&self) -> Result<u64, Error> {
        let Some(own) = self.open_own()? else {
            return Ok(0);
        };
        let mut removed = 0;
        for part in PARTS {
            let path = self.own().join(part);
            let part = Utf8Path::new(part);
            let found = own.metadata(part).at("read", &path)?;
            if found.is_some_and(|found| !found.is_dir()) {
                own.remove(part).at("remove", &path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes outputs that a killed process had begun to write beside their places.
    fn clear_unfinished(&self) -> Result<(), Error> {
        let path = self.out();
        let Some(out) = self.open_out()? else {
            return Ok(());
        };
        for entry in out.entries().at("read", &path)? {
            let begun = entry.name.starts_with('.') && entry.name != OWN;
            if begun && entry.kind == beneath::Kind::Directory {
                let name = Utf8Path::new(&entry.name);
                out.remove(name).at("clear", &path.join(name))?;
            }
        }
        Ok(())
    }
}

/// Returns the name of the record of an output.
pub(crate) fn record_file(name: &str) -> String {
    format!("{name}.json")
}

fn log_file(name: &str) -> String {
    format!("{name}.log")
}

/// Turns what is not there into nothing.
fn there(opened: io::Result<Directory>) -> io::Result<Option<Directory>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Opens the file that is locked. What is no file of our own, since it is a symbolic link, has other names
/// or is not even a file, has never been locked, and is replaced.
fn lock_file(own: &Directory) -> io::Result<File> {
    let name = Utf8Path::new(LOCK);
    let is_ours = match own.metadata(name)? {
        Some(found) => found.is_file() && found.nlink() == 1,
        None => true,
    };
    if !is_ours {
        own.remove(name)?;
    }
    let file = own.file_to_keep(name, LOCKED_MODE)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(LOCKED_MODE))?;
    }
    Ok(file)
}

fn take(file: &File, access: Access, waiting: &mut dyn FnMut(Option<u32>)) -> io::Result<()> {
    let free = match access {
        Access::Alone => file.try_lock(),
        Access::Beside => file.try_lock_shared(),
    };
    match free {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(LONGEST_NUMBER).read_to_string(&mut holder);
            waiting(read.ok().and_then(|_| holder.trim().parse().ok()));
            match access {
                Access::Alone => file.lock(),
                Access::Beside => file.lock_shared(),
            }
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Tells whether the file that is locked is the one that others would lock.
fn is_still(own: &Directory, file: &File) -> io::Result<bool> {
    let (found, ours) = (own.metadata(LOCK.into())?, file.metadata()?);
    Ok(found.is_some_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino())))
}

/// Who else may work in a tree's directories meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody: outputs are written and removed.
    Alone,
    /// Others who write no outputs either.
    Beside,
}

/// Keeps others out of a tree's directories, while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[cfg(test)]
mod tests;
