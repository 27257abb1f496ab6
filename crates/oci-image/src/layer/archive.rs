//! A whole layer archive: names, files, hard links, and what is deleted.
//!
//! It knows what members mean together, not what was there before the layer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::content::Content;
use super::error::{ArchiveError, Problem};
use super::means::Means;
use super::read::{Body, Member, Offset, Seekable, Source, Streamed, TarReader};
use crate::digest::Digest;
use crate::entry::{Inode, Kind, Time};
use crate::path::TreePath;

/// The most members that a layer may have: some ten times what the largest images have.
const MOST_MEMBERS: usize = 10_000_000;

/// What the names of deletions begin with.
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// What follows [`WHITEOUT`] in the mark of a directory that hides what was in it.
const OPAQUE: &[u8] = b".wh..opq";

/// A layer as its archive has it.
pub(crate) struct Archive {
    /// The members in order. No name is there twice.
    pub(crate) items: Vec<Item>,
    /// The files that the names stand for.
    pub(crate) inodes: Vec<Arc<Inode<Content>>>,
}

/// A member of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A name of a file.
    Name(TreePath, InodeId),
    /// What had the name below is deleted.
    Whiteout(TreePath),
    /// What was in the directory below is deleted.
    Opaque(TreePath),
}

/// The place of a file in [`Archive::inodes`].
pub(crate) type InodeId = usize;

impl Archive {
    /// Reads an archive in a file that an engine made of what a step did. Content stays where it is.
    pub(crate) fn index(file: File, means: Means) -> Result<Self, ArchiveError> {
        in_file(file, Origin::Engine(means))
    }

    /// Reads one whose times were clamped.
    pub(crate) fn of_rewritten(file: File, means: Means) -> Result<Self, ArchiveError> {
        in_file(file, Origin::Rewritten(means))
    }

    /// Reads the archive in a file that is a layer of an image. Content stays where it is.
    pub(crate) fn of_image(file: File) -> Result<Self, ArchiveError> {
        in_file(file, Origin::Image)
    }

    /// Reads an archive once, from its beginning to its end. Of content the digest is kept.
    pub(crate) fn digest(stream: impl Read) -> Result<Self, ArchiveError> {
        read(Streamed(stream), Origin::Image, |reader, _| {
            Digest::of_reader(reader.content()).map(Content::Known)
        })
    }
}

/// Where an archive is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// An engine made it just now of what a step did. A step that copies deletes nothing, so what has the
    /// name of a whiteout there was copied. Of a RUN, a file that has such a name is told from a whiteout
    /// by what no whiteout of an engine has.
    Engine(Means),
    /// The same, and then `BuildKit` clamped the times.
    Rewritten(Means),
    /// It is a layer of an image, in which such a name deletes, whatever it is of.
    Image,
}

impl Origin {
    /// Tells whether a member with the name of a whiteout may be one.
    fn may_delete(self, body: &Body) -> bool {
        match self {
            Self::Image => true,
            Self::Engine(Means::Copy) | Self::Rewritten(Means::Copy) => false,
            Self::Engine(Means::Run) | Self::Rewritten(Means::Run) => is_whiteout(body),
        }
    }
}

fn in_file(file: File, origin: Origin) -> Result<Archive, ArchiveError> {
    let archive = Arc::new(file.try_clone()?);
    let source = Seekable::new(file)?;
    read(source, origin, |_, offset| {
        Ok(Content::Stored {
            archive: Arc::clone(&archive),
            offset,
        })
    })
}

fn read<S: Source>(
    source: S,
    origin: Origin,
    mut content: impl FnMut(&mut TarReader<S>, Offset) -> io::Result<Content>,
) -> Result<Archive, ArchiveError> {
    let mut reader = TarReader::new(source);
    let mut archive = Archive {
        items: Vec::new(),
        inodes: Vec::new(),
    };
    let mut names = BTreeMap::new();
    while let Some(member) = reader.next()? {
        let position = member.position;
        archive
            .add(member, &mut names, origin, |offset| {
                content(&mut reader, offset)
            })
            .map_err(|problem| problem.at(position))?;
    }
    Ok(archive)
}

impl Archive {
    fn add(
        &mut self,
        member: Member,
        names: &mut BTreeMap<TreePath, InodeId>,
        origin: Origin,
        content: impl FnOnce(Offset) -> io::Result<Content>,
    ) -> Result<(), Problem> {
        let Member {
            path,
            mut body,
            has_pax_name,
            ..
        } = member;
        if self.items.len() == MOST_MEMBERS {
            return Err(Problem::TooMany(MOST_MEMBERS));
        }
        if path.is_root() {
            // Layers do not record the root, whatever its mode is.
            return Ok(());
        }
        if let Some(deleted) = path.name().strip_prefix(WHITEOUT) {
            let directory = path.parent().unwrap_or_else(TreePath::root);
            match deleted {
                OPAQUE => self.items.push(Item::Opaque(directory)),
                b"" | b"." | b".." => return Err(Problem::Whiteout(path)),
                // Bookkeeping of a file system that engines used once.
                deleted if deleted.starts_with(WHITEOUT) => {}
                _ if !origin.may_delete(&body) => return Err(Problem::Mark(path)),
                deleted => self.items.push(Item::Whiteout(directory.child(deleted))),
            }
            return Ok(());
        }
        if let (Origin::Rewritten(_), Body::New(inode)) = (origin, &mut body)
            && has_pax_name
            && inode.modified.seconds >= 0
        {
            // Where nothing else needed PAX, the time did before it was clamped, which it is again.
            inode.modified = Time::from_seconds(i64::MAX);
        }
        let id = match body {
            Body::New(inode) => {
                self.inodes.push(Arc::new(inode.try_map(content)?));
                self.inodes.len() - 1
            }
            Body::HardLink(target) => {
                let found = TreePath::parse(&target).ok();
                let id = found.and_then(|target| names.get(&target).copied());
                let Some(id) = id.filter(|id| !self.inodes[*id].is_directory()) else {
                    let target = String::from_utf8_lossy(&target).into_owned();
                    return Err(Problem::Link { path, target });
                };
                id
            }
        };
        match names.entry(path) {
            Entry::Occupied(taken) => Err(Problem::Duplicate(taken.key().clone())),
            Entry::Vacant(free) => {
                self.items.push(Item::Name(free.key().clone(), id));
                free.insert(id);
                Ok(())
            }
        }
    }
}

/// Returns the name of the mark of a directory that hides what was in it.
pub(crate) fn opaque_mark(directory: &TreePath) -> TreePath {
    directory.child(&[WHITEOUT, OPAQUE].concat())
}

/// Tells whether a member may be a whiteout: engines write them as empty files that nobody but their owner
/// may read, and have written them as further names of one.
fn is_whiteout(body: &Body) -> bool {
    match body {
        Body::New(inode) => {
            matches!(inode.kind, Kind::File { size: 0, .. }) && inode.mode | 0o700 == 0o700
        }
        Body::HardLink(_) => true,
    }
}
