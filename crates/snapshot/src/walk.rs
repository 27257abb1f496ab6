//! The one walk through what is taken of a tree: whoever copies it and whoever looks for what tells it
//! from anything else are told of the same files, in the same order.
//!
//! It knows which files are taken. What is done with each of them is for a [`Visitor`].

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use patterns::{Below, Filter};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::special;
use crate::tree::{Tree, kind, names};

/// What is walked through.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    /// What is taken of a directory, if not everything.
    pub(crate) filter: Option<&'a Filter>,
    pub(crate) sight: Sight,
}

/// How a file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// As it is on the disk.
    Raw,
    /// As what it stands for: in a tree of a build, whose marks are a build's own.
    Meant,
}

/// A file or a directory that is taken.
pub(crate) struct Item<'a> {
    /// The directory that it is in, open.
    pub(crate) directory: BorrowedFd<'a>,
    pub(crate) name: &'a [u8],
    /// Where it is in the tree.
    pub(crate) place: &'a Place,
    pub(crate) status: Stat,
}

/// Why a directory is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is taken.
    Taken,
    /// Something in it is.
    OnTheWay,
}

/// Is told of what is taken.
pub(crate) trait Visitor {
    /// What it needs to know of a directory for what is in it.
    type Directory;

    /// Anything but a directory. `into` is what was made of the directory that it is in.
    fn file(&mut self, item: &Item<'_>, into: &Self::Directory) -> Result<()>;

    /// A directory, before what is in it. `opened` is itself.
    fn enter(
        &mut self,
        item: &Item<'_>,
        opened: BorrowedFd<'_>,
        into: &Self::Directory,
        reason: Reason,
    ) -> Result<Self::Directory>;

    /// A directory that was entered, after what is in it.
    fn leave(
        &mut self,
        item: &Item<'_>,
        directory: &Self::Directory,
        into: &Self::Directory,
        reason: Reason,
    ) -> Result<()>;
}

/// A directory under way.
struct Entered<'a, D> {
    item: &'a Item<'a>,
    opened: BorrowedFd<'a>,
    outer: Outer<'a, D>,
    reason: Reason,
    /// It is entered when something in it is taken.
    directory: OnceCell<D>,
}

/// What something is in.
enum Outer<'a, D> {
    /// It is what is named.
    Top(&'a D),
    Entered(&'a Entered<'a, D>),
}

impl<D> Clone for Outer<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Outer<'_, D> {}

impl<'a, D> Outer<'a, D> {
    /// Returns the directory, which is entered now if it was not yet, after those that it is in.
    fn directory<V: Visitor<Directory = D>>(self, visitor: &mut V) -> Result<&'a D> {
        match self {
            Self::Top(directory) => Ok(directory),
            Self::Entered(entered) => entered.directory(visitor),
        }
    }
}

impl<D> Entered<'_, D> {
    fn directory<V: Visitor<Directory = D>>(&self, visitor: &mut V) -> Result<&D> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        let outer = self.outer.directory(visitor)?;
        let directory = visitor.enter(self.item, self.opened, outer, self.reason)?;
        Ok(self.directory.get_or_init(|| directory))
    }
}

impl Walk<'_> {
    /// Tells a visitor of what is at a place, with all of it that is taken. `top` is what that is in.
    pub(crate) fn through<V: Visitor>(
        self,
        tree: &Tree,
        place: &Place,
        top: &V::Directory,
        visitor: &mut V,
    ) -> Result<()> {
        let (directory, name) = tree.parent(place)?;
        let at = (directory.as_fd(), name, place);
        self.name(at, (true, Below::default()), Outer::Top(top), visitor)
    }

    fn name<V: Visitor>(
        self,
        (directory, name, place): (BorrowedFd<'_>, &[u8], &Place),
        (is_taken, below): (bool, Below),
        outer: Outer<'_, V::Directory>,
        visitor: &mut V,
    ) -> Result<()> {
        place.check_length().at("ask about", place.as_bytes())?;
        let status = self
            .status(directory, name)
            .at("ask about", place.as_bytes())?;
        let item = Item {
            directory,
            name,
            place,
            status,
        };
        if kind(&item.status) != FileType::Directory {
            if is_taken {
                let into = outer.directory(visitor)?;
                visitor.file(&item, into)?;
            }
            return Ok(());
        }
        let opened = open_directory(directory, name).at("open", place.as_bytes())?;
        let entered = Entered {
            item: &item,
            opened: opened.as_fd(),
            outer,
            reason: if is_taken {
                Reason::Taken
            } else {
                Reason::OnTheWay
            },
            directory: OnceCell::new(),
        };
        if is_taken {
            entered.directory(visitor)?;
        }
        for name in names(&opened).at("read", place.as_bytes())? {
            let step = match self.filter {
                Some(filter) => filter.step(&below, &name),
                None => (true, Below::default()),
            };
            let at = (opened.as_fd(), name.as_slice(), &place.join(&name));
            self.name(at, step, Outer::Entered(&entered), visitor)?;
        }
        match entered.directory.get() {
            Some(directory) => {
                let outer = outer.directory(visitor)?;
                visitor.leave(&item, directory, outer, entered.reason)
            }
            None => Ok(()),
        }
    }

    fn status(self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
        let name = OsStr::from_bytes(name);
        match self.sight {
            Sight::Raw => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW),
            Sight::Meant => special::status_at(directory, name),
        }
    }
}

/// Opens a directory in an open one; a link is not followed.
pub(crate) fn open_directory(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty())
}
