//! Directories stacked by the kernel's overlay file system: the layers of an image, and the changes of
//! the steps above them.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::copying_snapshotter;
use crate::error::{Context as _, Error, MOST_LAYERS, Result};
use crate::mounted::Mounted;

/// The attribute of a directory that hides what is below it.
pub(crate) const OPAQUE: Attribute = Attribute("user.overlay.opaque");

/// The name of an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute(&'static str);

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

/// How directories are stacked. Without the attributes of the superuser's own namespace, root and
/// everybody else get the same; without redirects a directory that is renamed is copied, as in a
/// layer it has to be; nothing has to reach the disk, since what a crash leaves is thrown away.
const OPTIONS: &str = "userxattr,index=off,xino=off,volatile";

/// How a snapshot is made of another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stacking {
    /// The kernel shows a directory of changes over those below it.
    #[default]
    Overlay,
    /// All of it is copied, and the copy changed.
    Copies,
}

/// Directories, one on another. Copies are one directory at most, which has everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    /// From the lowest to the highest.
    directories: Vec<PathBuf>,
    stacking: Stacking,
}

impl Stack {
    /// Returns an empty one.
    pub fn new(stacking: Stacking) -> Self {
        Self {
            directories: Vec::new(),
            stacking,
        }
    }

    /// Puts what a step left in `upper` on top, of which there may be nothing.
    pub fn grow(&mut self, upper: PathBuf, is_empty: bool) {
        match self.stacking {
            Stacking::Overlay if is_empty => {}
            Stacking::Overlay => self.push(upper),
            Stacking::Copies => self.directories = vec![upper],
        }
    }

    /// Adds a directory on top. Its path should be short: the kernel takes all of a stack in one
    /// page. With a comma, a colon or a backslash in it, the stack cannot be mounted.
    ///
    /// The kernel takes no directory twice. One that is in the stack already is left out below, where it is
    /// without effect: for each name in it, the same file, the same deletion or a directory with the same
    /// mark comes first on top; where that is a directory which hides nothing, what the one below could
    /// add to it are names which the one on top has as well.
    pub fn push(&mut self, directory: impl Into<PathBuf>) {
        let directory = directory.into();
        self.directories.retain(|other| *other != directory);
        self.directories.push(directory);
    }

    /// Refuses more directories than the kernel stacks.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyLayers`].
    pub fn check(&self) -> Result<()> {
        match self.directories.len() {
            0..=MOST_LAYERS => Ok(()),
            count => Err(Error::TooManyLayers(count)),
        }
    }

    /// Returns the directories from the lowest to the highest.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Mounts the stack at `at`, with `upper` taking what is changed. `work` is an empty directory
    /// beside `upper`, and `empty` one that stays empty.
    pub fn mount(&self, upper: &Path, work: &Path, empty: &Path, at: &Path) -> Result<Mounted> {
        if self.stacking == Stacking::Copies {
            let directory = self.directories.first().map(PathBuf::as_path);
            return copying_snapshotter::mount(directory, upper, at);
        }
        self.check()?;
        let mut options = b"lowerdir=".to_vec();
        options.extend(self.lower(empty).at("mount", at.as_os_str().as_bytes())?);
        for (name, path) in [("upperdir", upper), ("workdir", work)] {
            options.extend_from_slice(format!(",{name}=").as_bytes());
            options.extend_from_slice(path.as_os_str().as_bytes());
        }
        options.extend_from_slice(format!(",{OPTIONS}").as_bytes());
        // A build may make any device, and open none of them.
        mount(options, at, MountFlags::NODEV)
    }

    /// Mounts the stack at `at`, to be read.
    pub fn mount_to_read(&self, empty: &Path, at: &Path) -> Result<Mounted> {
        self.check()?;
        let mut options = b"lowerdir=".to_vec();
        options.extend(self.lower(empty).at("mount", at.as_os_str().as_bytes())?);
        if self.directories.len() < 2 {
            // Nothing but a lower directory is refused where there is one only.
            options.extend_from_slice(b":");
            options.extend_from_slice(empty.as_os_str().as_bytes());
        }
        options.extend_from_slice(b",userxattr");
        mount(options, at, MountFlags::RDONLY | MountFlags::NODEV)
    }

    /// Returns the directories as the kernel takes them: from the highest to the lowest.
    fn lower(&self, empty: &Path) -> Result<Vec<u8>, Errno> {
        let directories = self.directories.iter().rev();
        let names: Vec<&[u8]> = directories
            .map(|path| path.as_os_str().as_bytes())
            .collect();
        // The kernel would take what is behind one for another directory, or for another option.
        if names.concat().iter().any(|byte| b",:\\".contains(byte)) {
            return Err(Errno::INVAL);
        }
        if names.is_empty() {
            return Ok(empty.as_os_str().as_bytes().to_vec());
        }
        Ok(names.join(&b':'))
    }
}

fn mount(options: Vec<u8>, at: &Path, flags: MountFlags) -> Result<Mounted> {
    let path = at.as_os_str().as_bytes();
    let options = CString::new(options).map_err(|_| Errno::INVAL);
    let options = options.at("mount", path)?;
    let mounted = rustix::mount::mount(c"overlay", at, c"overlay", flags, Some(&*options));
    mounted.at("mount", path)?;
    Ok(Mounted::at(at.to_owned()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", Ok(&b"2:1"[..]))]
    #[case("1:/root", Err(Errno::INVAL))]
    #[case("1,upperdir=/root", Err(Errno::INVAL))]
    #[case("1\\", Err(Errno::INVAL))]
    fn a_path_is_one_directory_of_the_stack(
        #[case] path: &str,
        #[case] expected: Result<&[u8], Errno>,
    ) {
        let mut stack = Stack::default();
        stack.push(path);
        stack.push("2");
        let lower = stack.lower(Path::new("empty"));
        assert_eq!(lower.as_deref().map_err(|errno| *errno), expected);
    }

    #[test]
    fn a_directory_that_is_put_on_top_again_is_there_once() {
        let mut stack = Stack::default();
        for path in ["1", "2", "1", "3", "3"] {
            stack.push(path);
        }
        assert_eq!(stack.directories(), ["2", "1", "3"].map(PathBuf::from));
    }

    #[test]
    fn more_directories_than_the_kernel_stacks_are_refused() {
        let mut stack = Stack::default();
        for number in 0..MOST_LAYERS {
            stack.push(number.to_string());
        }
        stack.check().unwrap();
        stack.push("one more");
        let at = Path::new("nowhere");
        for refused in [stack.check(), stack.mount_to_read(at, at).map(drop)] {
            assert!(matches!(refused, Err(Error::TooManyLayers(501))));
        }
    }
}
