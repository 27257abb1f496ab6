//! What can go wrong with a file of a build.

use std::io;

use rustix::io::Errno;

/// How many directories the kernel stacks.
pub(crate) const MOST_LAYERS: usize = 500;

/// Something went wrong with a file of a build.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was to be done: `read`.
        action: &'static str,
        /// To what: a path in the tree that it belongs to.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A file has the group that stands in for all beyond the ranges of this user, and no mark of which: it
    /// has it from a directory with the set-group-ID bit, or from a process.
    #[error(
        "cannot tell the group of `{0}`: it has the last group that is set aside for this user, which also \
         stands for all beyond (usermod --add-subgids sets more aside)"
    )]
    UnknownGroup(String),
    /// A `COPY` or `ADD` names what is not there.
    #[error("`{0}` was not found")]
    NotFound(String),
    /// A `COPY --parents` names what is there only through a symbolic link.
    #[error("`{0}` was not found: COPY --parents does not follow symbolic links to directories")]
    ThroughALink(String),
    /// A directory would come in place of a file.
    #[error("cannot copy a directory to `{0}`, which is not a directory")]
    NotADirectory(String),
    /// A file would come in place of a directory.
    #[error("cannot replace the directory `{0}` by a file")]
    IsADirectory(String),
    /// There are more symbolic links on a path than any system follows.
    #[error("too many symbolic links in `{0}`")]
    TooManyLinks(String),
    /// A pattern that is none.
    #[error(transparent)]
    BadPattern(#[from] patterns::BadPattern),
    /// A name of a user or a group is given where there is no file at all.
    #[error(
        "there are no files yet in which `{0}` could be looked up: give a number, or copy it later"
    )]
    NoAccounts(String),
    /// A file is called as the mark of a deletion.
    #[error("`{0}` cannot be in an image: in a layer, a name that begins with `.wh.` deletes")]
    Mark(String),
    /// An archive's entry leads out of the directory that it is unpacked in.
    #[error("an entry of the archive leads out of it: `{0}`")]
    Breakout(String),
    /// An archive or a layer cannot be read.
    #[error("cannot read `{name}`: {source}")]
    Archive {
        /// The archive.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A layer cannot be read.
    #[error(transparent)]
    Layer(io::Error),
    /// An extended attribute cannot be set, mostly since the file system has no room for more of them.
    #[error(
        "cannot set the extended attribute `{name}` of `{path}`: {}",
        no_room(source)
    )]
    Attribute {
        /// The attribute.
        name: String,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// There are more layers than the kernel stacks.
    #[error("there are {0} layers; overlayfs stacks at most {MOST_LAYERS}")]
    TooManyLayers(usize),
    /// A layer has a device by which the overlay file system marks what is deleted.
    #[error("the entry `{0}` is the character device 0:0, which overlayfs takes for a whiteout")]
    Deletion(String),
    /// A layer deletes or replaces the directory that it is unpacked in.
    #[error("a layer has the entry `{0}`, which no layer may have")]
    BadEntry(String),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what a failed system call was for.
pub(crate) trait Context<T> {
    fn at(self, action: &'static str, path: &[u8]) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: &[u8]) -> Result<T> {
        self.map_err(|error| {
            let (path, source) = (shown(path), error.into());
            if source.raw_os_error() == Some(Errno::OVERFLOW.raw_os_error()) {
                return Error::UnknownGroup(path);
            }
            Error::Io {
                action,
                path,
                source,
            }
        })
    }
}

/// Says why an attribute cannot be set. A file has not room for many, however empty the disk is.
fn no_room(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            "the file system has no room for so many attributes of one file".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Shows a path or what is to be one, of which there may be much: of that, the end.
pub(crate) fn shown(path: &[u8]) -> String {
    const MOST: usize = 500;
    match path.len().checked_sub(MOST) {
        Some(left_out @ 1..) => format!("...{}", String::from_utf8_lossy(&path[left_out..])),
        _ => String::from_utf8_lossy(path).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(shown(b"/a"), "/a");
        assert_eq!(shown(&[b'a'; 500]).len(), 500);
        let path = [&[b'a'; 1000][..], b"/end"].concat();
        let text = shown(&path);
        assert!(
            text.starts_with("...a") && text.ends_with("a/end"),
            "{text}"
        );
        assert_eq!(text.len(), 503);
    }
}
