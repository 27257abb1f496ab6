//! Stacks of directories: how they are made into one file system here, to be read or to be written to.
//!
//! It does not know what is in them.

use std::error::Error as _;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot::{Mounted, Place, Stack, Stacking, Tree};

use crate::job::Message;
use crate::worker::directories::{Directories, Snapshot, path_in};
use crate::worker::failure::Result;
use crate::worker::report::Report;

/// How directories are stacked in this build.
#[derive(Debug)]
pub(crate) struct Stacks {
    kind: Stacking,
    pub(crate) directories: Arc<Directories>,
}

/// A file system, as long as it is used.
#[derive(Debug)]
pub(crate) enum View {
    Directory(PathBuf),
    Mounted(Mounted),
}

impl View {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) => path,
            Self::Mounted(mounted) => mounted.path(),
        }
    }

    pub(crate) fn tree(&self) -> Result<Tree> {
        Ok(Tree::open(self.path())?)
    }
}

impl Stacks {
    /// Finds out whether overlayfs works where this build has its directories: not on every file system.
    pub(crate) fn try_out(directories: Arc<Directories>, report: &Report) -> Result<Self> {
        let trial = directories.snapshot()?;
        let (upper, work, at) = (&trial.upper, &trial.work, &trial.merged);
        let mounted = Stack::default().mount(upper, work, Directories::empty(), at);
        let Err(error) = mounted else {
            let kind = Stacking::Overlay;
            return Ok(Self { kind, directories });
        };
        // What was mounted was a trial, whose name tells nobody anything.
        let reason = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        let message = format!(
            "overlayfs is not available here ({reason}): each step copies the whole file system"
        );
        report.say(Message::Notice { message });
        let kind = Stacking::Copies;
        Ok(Self { kind, directories })
    }

    /// Returns how directories are stacked.
    pub(crate) fn kind(&self) -> Stacking {
        self.kind
    }

    /// Returns a stack of directories, from the lowest to the highest.
    pub(crate) fn of(&self, directories: &[PathBuf]) -> Stack {
        let mut stack = Stack::new(self.kind);
        for directory in directories {
            stack.push(directory);
        }
        stack
    }

    /// Returns a stack as a tree to be read; nothing where it has no directory.
    pub(crate) fn view(&self, stack: &Stack) -> Result<Option<View>> {
        match stack.directories() {
            [] => Ok(None),
            [only] => Ok(Some(View::Directory(only.clone()))),
            _ => {
                let at = self.directories.directory()?;
                let mounted = stack.mount_to_read(Directories::empty(), &at)?;
                Ok(Some(View::Mounted(mounted)))
            }
        }
    }

    /// Returns the path of a file or directory that looks like one in a tree, and takes what is written to
    /// it, as long as the file system is used in which it is.
    pub(crate) fn throwaway(&self, root: &Path, place: &Place) -> Result<(PathBuf, View)> {
        let snapshot = self.directories.snapshot()?;
        // A directory that is in what is stacked keeps its mode and its owner, and a file can be in it.
        // Its path may have anything in it.
        let stack = self.of(&[self.directories.link(&path_in(root, &place.parent()))?]);
        let view = writable(&stack, &snapshot)?;
        let name = place.name().map(OsStr::from_bytes);
        let path = name.map_or(snapshot.merged.clone(), |name| snapshot.merged.join(name));
        Ok((path, view))
    }
}

/// Returns a stack as a file system whose changes go into a snapshot.
pub(crate) fn writable(below: &Stack, snapshot: &Snapshot) -> Result<View> {
    let (upper, work) = (&snapshot.upper, &snapshot.work);
    let mounted = below.mount(upper, work, Directories::empty(), &snapshot.merged)?;
    Ok(View::Mounted(mounted))
}
