//! The secret by which a user knows their own records again: 32 random bytes in a file of their own.
//!
//! It does not know what is proven with it.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

/// The secret's file.
const FILE: &str = "secret";
/// How many bytes it has.
const LENGTH: usize = 32;

/// A secret of one user.
#[derive(Clone, Copy)]
pub struct Secret([u8; LENGTH]);

/// Why there is no secret that lasts.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one that only the user can read and write.
    #[error("{path} {found}: whoever knows its contents could forge records of builds")]
    Open {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The file, or the directory that it would be in, belongs to somebody else.
    #[error("{path} belongs to another user")]
    Foreign {
        /// The file or the directory.
        path: Utf8PathBuf,
    },
}

impl SecretError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { path, .. } => {
                format!(
                    "make {path} accessible to you, or name another directory with XDG_STATE_HOME"
                )
            }
            Self::Open { path, .. } => format!("remove {path}: stagex then creates another one"),
            Self::Foreign { .. } => {
                "set HOME or XDG_STATE_HOME to a directory of the user who builds".to_owned()
            }
        }
    }
}

impl Secret {
    /// Returns a secret that nobody knows once this process has ended.
    pub fn of_process() -> Self {
        Self(random())
    }

    /// Reads the secret in the directory `state`, or makes it if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read or made, or it is not only this user's.
    pub fn read_or_make(state: &Utf8Path) -> Result<Self, SecretError> {
        let path = state.join(FILE);
        match read(&path) {
            Err(SecretError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make(state, &path)?;
                read(&path)
            }
            secret => secret,
        }
    }

    /// Returns its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn read(path: &Utf8Path) -> Result<Secret, SecretError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let open = |found| SecretError::Open {
        path: path.to_owned(),
        found,
    };
    // It is looked at first: whatever else is wrong with it, another user's is not to be removed.
    own(path, &fs::symlink_metadata(path).map_err(at("read", path))?)?;
    let mut file = options.open(path).map_err(|error| {
        let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        if is_link {
            return open("is a symbolic link");
        }
        at("read", path)(error)
    })?;
    let metadata = file.metadata().map_err(at("read", path))?;
    own(path, &metadata)?;
    if !metadata.is_file() {
        return Err(open("is not a regular file"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(open("can be read or written by others"));
    }
    let mut bytes = [0; LENGTH];
    if metadata.len() != LENGTH as u64 || file.read_exact(&mut bytes).is_err() {
        return Err(open("does not have 32 bytes"));
    }
    Ok(Secret(bytes))
}

/// Makes the secret, unless somebody else does at the same time: then theirs is the one.
fn make(state: &Utf8Path, path: &Utf8Path) -> Result<(), SecretError> {
    let is_there = |path: &&Utf8Path| fs::metadata(path).is_ok();
    if let Some(nearest) = state.ancestors().find(is_there) {
        let found = fs::metadata(nearest).map_err(at("read", nearest))?;
        // A file of ours there would be in the way of theirs.
        own(nearest, &found)?;
    }
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(state);
    made.map_err(at("create the directory", state))?;
    let mut file = tempfile::Builder::new()
        .prefix(".secret.")
        .tempfile_in(state)
        .map_err(at("create a file in", state))?;
    let written = file
        .write_all(&random())
        .and_then(|()| file.as_file().sync_all());
    written.map_err(at("write", path))?;
    let link = |from: &Path| rustix::fs::linkat(CWD, from, CWD, path.as_str(), AtFlags::empty());
    name(file.into_temp_path(), path, link)
}

/// Gives a file its name, unless that is there already: it is not taken from what has it.
fn name(
    file: tempfile::TempPath,
    path: &Utf8Path,
    link: impl Fn(&Path) -> Result<(), Errno>,
) -> Result<(), SecretError> {
    let named = match link(&file) {
        // Not every file system has hard links.
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
            let to = path.as_str();
            rustix::fs::renameat_with(CWD, &*file, CWD, to, RenameFlags::NOREPLACE)
        }
        linked => linked,
    };
    match named {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(at("make", path)(error.into())),
    }
    match file.close() {
        // It has only its new name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        closed => closed.map_err(at("finish", path)),
    }
}

/// Refuses what belongs to somebody else: with sudo, HOME may be another user's.
fn own(path: &Utf8Path, found: &fs::Metadata) -> Result<(), SecretError> {
    if found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let path = path.to_owned();
    Err(SecretError::Foreign { path })
}

fn at(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::Io {
        action,
        path,
        source,
    }
}

/// Returns bytes that nobody can foresee.
pub fn random() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut filled = 0;
    while filled < LENGTH {
        match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => panic!("the kernel has no random numbers: {error}"),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
    use std::sync::Barrier;

    use rstest::rstest;

    use super::*;

    fn state() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(temporary.path()).unwrap();
        let state = state.join("state/stagex");
        (temporary, state)
    }

    #[test]
    fn it_is_made_once_and_only_the_user_can_read_it() {
        let (_temporary, state) = state();
        let first = Secret::read_or_make(&state).unwrap();
        assert_eq!(Secret::read_or_make(&state).unwrap().0, first.0);
        assert_ne!(first.0, Secret::of_process().0);
        let mode = |path: &Utf8Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn of_two_that_make_it_at_once_both_have_the_same() {
        let (_temporary, state) = state();
        let barrier = Barrier::new(8);
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                barrier.wait();
                Secret::read_or_make(&state).map(|secret| secret.0)
            };
            // All are started before the first is waited for.
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.collect()
        });
        let secrets: Vec<_> = secrets.into_iter().map(Result::unwrap).collect();
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[rstest]
    #[case::it_is_there_already(true)]
    #[case::it_is_not(false)]
    fn without_hard_links_there_are_never_two(#[case] is_there: bool) {
        let (_temporary, state) = state();
        let path = state.join(FILE);
        fs::create_dir_all(&state).unwrap();
        if is_there {
            fs::write(&path, "theirs").unwrap();
        }
        let mut file = tempfile::NamedTempFile::new_in(&state).unwrap();
        file.write_all(b"ours").unwrap();
        name(file.into_temp_path(), &path, |_| Err(Errno::PERM)).unwrap();
        let expected = if is_there { "theirs" } else { "ours" };
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[rstest]
    #[case::readable(|path: &Utf8Path| fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap())]
    #[case::link(|path: &Utf8Path| {
        fs::rename(path, path.with_extension("real")).unwrap();
        symlink("secret.real", path).unwrap();
    })]
    #[case::short(|path: &Utf8Path| File::options().write(true).open(path).unwrap().set_len(31).unwrap())]
    #[case::pipe(|path: &Utf8Path| {
        fs::remove_file(path).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, path.as_str(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    })]
    fn one_that_others_may_know_is_refused(#[case] spoil: fn(&Utf8Path)) {
        let (_temporary, state) = state();
        Secret::read_or_make(&state).unwrap();
        spoil(&state.join(FILE));
        let error = Secret::read_or_make(&state).unwrap_err();
        assert!(matches!(error, SecretError::Open { .. }), "{error}");
    }

    #[test]
    fn another_users_is_refused_and_nobody_is_told_to_remove_it() {
        let (_temporary, state) = state();
        let mut paths = vec![Utf8PathBuf::from("/etc/passwd")];
        if rustix::process::geteuid().is_root() {
            Secret::read_or_make(&state).unwrap();
            let link = state.join("link");
            symlink("nowhere", &link).unwrap();
            paths = vec![state.join(FILE), link];
            for path in &paths {
                lchown(path, Some(65534), None).unwrap();
            }
        }
        for path in paths {
            let error = read(&path).unwrap_err();
            assert!(matches!(error, SecretError::Foreign { .. }), "{error}");
            assert!(!error.hint().contains("remove"), "{}", error.hint());
        }
    }

    #[test]
    fn none_is_made_in_another_users_home_directory() {
        let (_temporary, state) = state();
        let mut home = Utf8PathBuf::from("/");
        if rustix::process::geteuid().is_root() {
            home = state.parent().unwrap().to_owned();
            fs::create_dir(&home).unwrap();
            lchown(&home, Some(65534), None).unwrap();
        }
        let state = home.join("stagex");
        let error = Secret::read_or_make(&state).unwrap_err();
        assert!(matches!(error, SecretError::Foreign { .. }), "{error}");
        assert!(!state.exists());
    }

    #[test]
    fn none_is_made_where_there_is_no_home_directory() {
        let error = Secret::read_or_make("/dev/null/state".into()).unwrap_err();
        assert!(matches!(error, SecretError::Io { .. }), "{error}");
    }
}
