//! What the first bytes of a file say: that it is a tar, or how it is compressed. It does not know what the file is for.

use std::io::{self, Read};

use compression::Format;
use tar::Header;

use crate::tar_entries::{BLOCK, checksum_holds};

/// What a file begins with.
pub(crate) enum Beginning {
    /// The header of a tar. The name of its first file may begin as compressed bytes do.
    Tar,
    /// Something else, which may be compressed.
    Other(Format),
}

impl Beginning {
    /// Reads the beginning, and no more of it.
    pub(crate) fn read(from: impl Read) -> io::Result<Self> {
        let mut start = Vec::new();
        from.take(BLOCK).read_to_end(&mut start)?;
        let mut header = Header::new_old();
        if start.len() == header.as_bytes().len() {
            header.as_mut_bytes().copy_from_slice(&start);
            if checksum_holds(&header) {
                return Ok(Self::Tar);
            }
        }
        Ok(Self::Other(Format::of(&start)))
    }
}
