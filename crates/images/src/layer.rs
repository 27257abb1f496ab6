//! One layer: its bytes as they are stored, and as the tar that they are of.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use compression::Format;
use oci_image::{DiffId, Digest};

use crate::beginning::Beginning;
use crate::blobs::Blobs;
use crate::error::Error;
use crate::files::Files;
use crate::limits::Limits;
use crate::verified::Verified;

/// Where the bytes of a layer are.
pub(crate) enum Stored {
    /// Under their digest.
    Blob(Arc<dyn Blobs>, Digest),
    /// Under a name in a docker-archive, which has no digest of them.
    Member(Arc<Files>, String),
}

/// One layer of an image.
pub struct Layer {
    /// The media type that the manifest says; none without a manifest.
    pub media_type: Option<String>,
    /// The digest of the bytes as they are stored; none without a manifest.
    pub digest: Option<Digest>,
    /// How many bytes are stored.
    pub size: u64,
    /// The digest of the tar, as the config says.
    pub diff_id: DiffId,
    pub(crate) stored: Stored,
    pub(crate) limits: Limits,
}

impl Layer {
    /// Returns where it lies, for messages.
    pub fn place(&self) -> &str {
        match &self.stored {
            Stored::Blob(blobs, _) => blobs.place(),
            Stored::Member(files, _) => files.place(),
        }
    }

    /// Returns what it is called, for messages.
    pub fn name(&self) -> String {
        match &self.stored {
            Stored::Blob(_, digest) => format!("the layer {digest}"),
            Stored::Member(_, name) => format!("the layer `{}`", printable::line(name)),
        }
    }

    fn open_raw(&self) -> Result<Box<dyn Read + Send>, Error> {
        match &self.stored {
            Stored::Blob(blobs, digest) => blobs.open(digest),
            Stored::Member(files, name) => match files.open(name)? {
                Some(section) => Ok(Box::new(section)),
                None => Err(Error::Missing {
                    name: self.name(),
                    place: files.place().to_owned(),
                }),
            },
        }
    }

    /// Begins to read the bytes as they are stored. Where they have a digest, their end is reported only if
    /// they are what it says.
    pub fn open_blob(&self) -> Result<Box<dyn Read + Send>, Error> {
        let raw = self.open_raw()?;
        Ok(match self.digest {
            Some(digest) => Box::new(Verified::new(raw, digest, Some(self.size), self.place())),
            None => raw,
        })
    }

    /// Reads all bytes as they are stored and compares them with their digest; without one, the tar with its
    /// own. Returns how many bytes are stored.
    pub fn verify(&self) -> Result<u64, Error> {
        match self.digest {
            Some(digest) => {
                let raw = self.open_raw()?;
                Verified::new(raw, digest, Some(self.size), self.place()).finish()
            }
            None => self.open_tar()?.finish().map(|_| self.size),
        }
    }

    /// Returns how the stored bytes are compressed: what their first bytes say, which must not be something
    /// else than the media type says.
    pub fn format(&self) -> Result<Format, Error> {
        let found = match Beginning::read(self.open_raw()?) {
            Ok(Beginning::Tar) => Format::None,
            Ok(Beginning::Other(format)) => format,
            Err(error) => return Err(Error::of_read(error, &self.name(), self.place())),
        };
        let said = self.media_type.as_deref().and_then(declared);
        match said {
            Some(said) if said != found => {
                // A blob that was changed is no longer what its type says, either.
                self.verify_stored()?;
                Err(Error::Damaged {
                    what: self.name(),
                    place: self.place().to_owned(),
                    why: format!("its media type says {said}, and its first bytes say {found}"),
                })
            }
            _ => Ok(found),
        }
    }

    /// Begins to read the tar. Its end is reported only if the tar is what the diff id says, and the stored
    /// bytes are what their digest says.
    pub fn open_tar(&self) -> Result<TarStream<'_>, Error> {
        self.open_tar_through(|stored| stored)
    }

    /// Does the same with a view of the stored bytes while they are read: `view` is given their stream, and
    /// returns one that passes them on.
    pub fn open_tar_through(
        &self,
        view: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> Result<TarStream<'_>, Error> {
        let format = self.format()?;
        let blob = BufReader::with_capacity(1 << 16, view(self.open_blob()?));
        let tar = compression::decoder(format, blob)
            .map_err(|error| self.broken(error).unwrap_or_else(|error| error))?;
        let bounded = Bounded {
            inner: tar,
            left: self.limits.layer,
            layer: self,
        };
        Ok(TarStream {
            tar: Verified::new(bounded, self.diff_id.0, None, self.place()),
            layer: self,
            ended: false,
        })
    }

    fn verify_stored(&self) -> Result<(), Error> {
        match self.digest {
            Some(_) => self.verify().map(drop),
            None => Ok(()),
        }
    }

    /// Returns why the tar cannot be read on: that the stored bytes were changed, if they were.
    fn broken(&self, error: io::Error) -> Result<Error, Error> {
        let error = Error::of_read(error, &self.name(), self.place());
        match error {
            Error::Damaged { .. } => self.verify_stored().map(|()| error),
            error => Ok(error),
        }
    }
}

/// Returns what a media type says of compression; nothing where it is not one of a layer.
fn declared(media_type: &str) -> Option<Format> {
    match media_type.rsplit_once(['+', '.']) {
        Some((_, "tar")) => Some(Format::None),
        Some((_, "gzip")) => Some(Format::Gzip),
        Some((_, "zstd")) => Some(Format::Zstd),
        _ => None,
    }
}

/// A stream that may not be longer than a layer may be.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    layer: &'a Layer,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            Error::TooLarge {
                what: format!("{}, once it is decompressed,", self.layer.name()),
                place: self.layer.place().to_owned(),
                limit: format!("{} bytes", self.layer.limits.layer),
            }
            .into_io()
        })?;
        Ok(count)
    }
}

/// The tar of a layer, being read.
pub struct TarStream<'a> {
    tar: Verified<Bounded<'a>>,
    layer: &'a Layer,
    ended: bool,
}

impl TarStream<'_> {
    /// Reads what is left, and says whether all is what it should be. Returns how many bytes there were left.
    pub fn finish(mut self) -> Result<u64, Error> {
        let rest = io::copy(&mut self, &mut io::sink());
        rest.map_err(|error| Error::of_read(error, &self.layer.name(), self.layer.place()))
    }
}

impl Read for TarStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        match self.tar.read(buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(error) => {
                let error = self.layer.broken(error).unwrap_or_else(|error| error);
                Err(error.into_io())
            }
        }
    }
}
