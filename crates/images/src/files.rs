//! Files by their names: those in a directory, or the members of a tar, which stay where they are.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use beneath::Directory;
use camino::Utf8Path;

use crate::archive::Members;
use crate::error::{Error, io};
use crate::section::Section;

/// Files by their names.
pub(crate) enum Files {
    /// Those beneath a directory. No symbolic link there is followed.
    Directory(Directory),
    /// Those in a tar.
    Archive {
        /// Where the tar lies, for messages.
        place: String,
        /// The tar, which is not compressed.
        file: Arc<File>,
        /// What is in it.
        members: Members,
    },
}

impl Files {
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Directory(directory) => directory.path().as_str(),
            Self::Archive { place, .. } => place,
        }
    }

    /// Opens a file; none if there is none of this name.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Section>, Error> {
        match self {
            Self::Directory(directory) => {
                let path = directory.path().join(name);
                match directory.file(Utf8Path::new(name)) {
                    Ok(file) => {
                        let size = file.metadata().map_err(io("read", path.as_str()))?.len();
                        Ok(Some(Section::new(Arc::new(file), 0, size)))
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(io("read", path.as_str())(error)),
                }
            }
            Self::Archive { file, members, .. } => {
                let found = members.find(name);
                Ok(found.map(|member| Section::new(Arc::clone(file), member.start, member.size)))
            }
        }
    }

    /// Reads a document; none if there is none of this name.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(section) = self.open(name)? else {
            return Ok(None);
        };
        if section.left() > limit {
            return Err(Error::TooLarge {
                what: name.to_owned(),
                place: self.place().to_owned(),
                limit: format!("{limit} bytes"),
            });
        }
        read_bounded(section, limit)
            .map(Some)
            .map_err(|error| Error::of_read(error, name, self.place()))
    }
}

/// Reads at most `limit` bytes, which are all that there are.
pub(crate) fn read_bounded(input: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(beneath::Problem::TooLarge(limit).into());
    }
    Ok(bytes)
}
