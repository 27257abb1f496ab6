//! What can be wrong with an archive that an engine made. Nothing in one is believed.

use std::io;

use crate::path::{InvalidPath, TreePath};

/// An archive that cannot be read or is not a layer.
#[derive(Debug, thiserror::Error)]
#[error("{}{problem}", shown(*position))]
pub struct ArchiveError {
    /// Where the member's header begins, in bytes; none where it concerns no single member.
    pub position: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

fn shown(position: Option<u64>) -> String {
    position.map_or_else(String::new, |position| {
        format!("at byte {position} of the archive: ")
    })
}

impl From<Problem> for ArchiveError {
    fn from(problem: Problem) -> Self {
        Self {
            position: None,
            problem,
        }
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Problem::Io(error).into()
    }
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It ends within a member or without its end mark.
    #[error("the archive ends too early: expected {0}")]
    Truncated(&'static str),
    /// It is compressed.
    #[error("expected a plain tar, found one that is compressed with {0}")]
    Compressed(&'static str),
    /// A header's checksum is wrong.
    #[error("expected a tar header, found one whose checksum is wrong")]
    Checksum,
    /// A number in a header cannot be read or cannot be.
    #[error("the {field} of `{member}` is not a number that a file can have")]
    Number {
        /// The field.
        field: &'static str,
        /// The member's name.
        member: String,
    },
    /// An extended header cannot be read.
    #[error("expected `LENGTH KEY=VALUE` records in an extended header, found {0}")]
    Extended(&'static str),
    /// A name or an extended header is longer than any file system allows.
    #[error("an extended header of {0} bytes; at most {most} are read", most = super::block::LONGEST_EXTENDED)]
    ExtendedTooLong(u64),
    /// A kind of member that a layer cannot have.
    #[error("`{member}` is of type `{kind}`, which no file in a layer has")]
    Type {
        /// The type's letter.
        kind: char,
        /// The member's name.
        member: String,
    },
    /// A name that leads out of the image, or that no file can have.
    #[error("the name `{name}` {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: InvalidPath,
    },
    /// A whiteout without the name of what it deletes.
    #[error("`{0}` is a whiteout that does not name what it deletes")]
    Whiteout(TreePath),
    /// A file with the name of a whiteout.
    #[error("`{0}` cannot be in an image: in a layer, a name that begins with `.wh.` deletes")]
    Mark(TreePath),
    /// The target of a symbolic link that no file system has.
    #[error("`{member}` is a symbolic link {why}")]
    Target {
        /// The member's name.
        member: String,
        /// What is wrong with its target.
        why: &'static str,
    },
    /// More members than any layer has.
    #[error("more than {0} members")]
    TooMany(usize),
    /// The same name twice.
    #[error("`{0}` is in the archive twice; expected each name once")]
    Duplicate(TreePath),
    /// A hard link to nothing.
    #[error("`{path}` is a hard link to `{target}`, which is not a file before it in the archive")]
    Link {
        /// The link.
        path: TreePath,
        /// What it says.
        target: String,
    },
    /// The mark of a directory that hides what was in it, where none can be.
    #[error(
        "`{0}` hides what is below it; expected an engine that lists changes to list deletions"
    )]
    Opaque(TreePath),
    /// A member that is in no directory.
    #[error(
        "`{path}` is in `{parent}`, which is not a directory of the layer or of those below it"
    )]
    Parent {
        /// The member.
        path: TreePath,
        /// The directory that is not one.
        parent: TreePath,
    },
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated("the content of a file"),
            _ => Self::Io(error),
        }
    }
}

impl Problem {
    /// Says where it was found.
    pub(crate) fn at(self, position: u64) -> ArchiveError {
        ArchiveError {
            position: Some(position),
            problem: self,
        }
    }
}
