//! The layers of an image as plain tars in a directory: verified, and what wrote them and what their headers
//! have is noted on the way.
//!
//! It knows one layer at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use compression::Format;
use documents::LayerWriter;
use images::{EntryError, Layer};
use oci_image::Measured;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};

use crate::census::Census;
use crate::error::Error;
use crate::writer::{Sample, Watched};

/// A layer, unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) tar: Utf8PathBuf,
    pub(crate) format: Format,
    pub(crate) writer: LayerWriter,
    pub(crate) census: Census,
}

/// Unpacks all layers into the directory `work`.
pub(crate) fn unpack(
    layers: &[Layer],
    work: &Utf8Path,
    epoch: i64,
) -> Result<Vec<Unpacked>, Error> {
    let unpacked = layers.par_iter().enumerate();
    let unpacked: Vec<_> = unpacked
        .map(|(place, layer)| unpack_one(layer, place, work, epoch))
        .collect();
    unpacked.into_iter().collect()
}

fn unpack_one(layer: &Layer, place: usize, work: &Utf8Path, epoch: i64) -> Result<Unpacked, Error> {
    let media_type = layer.media_type.as_deref().unwrap_or_default();
    if media_type.contains("foreign") || media_type.contains("nondistributable") {
        return Err(Error::Foreign {
            layer: place + 1,
            media_type: printable::line(media_type).into_owned(),
        });
    }
    let tar = work.join(format!("{place}.tar"));
    let sample = Arc::new(Mutex::new(Sample::default()));
    let stream = layer.open_tar_through(|stored| Box::new(Watched::new(stored, &sample)))?;
    write(stream, &tar, layer)?;
    let format = layer.format()?;
    let sample = sample.lock().unwrap_or_else(PoisonError::into_inner);
    let census = Census::of(&tar, epoch).map_err(|source| Error::Layer {
        layer: place + 1,
        source: ended(source),
    })?;
    Ok(Unpacked {
        tar,
        format,
        writer: sample.writer(format),
        census,
    })
}

/// Tells what wrote the stored bytes of a layer.
pub(crate) fn writer(layer: &Layer) -> Result<LayerWriter, Error> {
    let sample = Arc::new(Mutex::new(Sample::default()));
    let mut stored = Watched::new(layer.open_blob()?, &sample);
    let read = io::copy(&mut stored, &mut io::sink());
    read.map_err(|error| images::Error::of_read(error, &layer.name(), layer.place()))?;
    let format = layer.format()?;
    let sample = sample.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(sample.writer(format))
}

/// Says of a tar that ends too early that it does.
fn ended(error: EntryError) -> EntryError {
    match error {
        EntryError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let message = "the tar ends too early";
            EntryError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, message))
        }
        error => error,
    }
}

/// Writes the stored bytes of a layer into the directory `work`.
pub(crate) fn store(
    layer: &Layer,
    place: usize,
    work: &Utf8Path,
) -> Result<(Utf8PathBuf, Option<Measured>), Error> {
    let path = work.join(format!("{place}.blob"));
    write(layer.open_blob()?, &path, layer)?;
    let blob = layer.digest.map(|digest| Measured {
        digest,
        size: layer.size,
    });
    Ok((path, blob))
}

fn write(mut stream: impl io::Read, path: &Utf8Path, layer: &Layer) -> Result<(), Error> {
    let failed = |source| Error::Unpack {
        path: path.to_owned(),
        source,
    };
    let file = File::create_new(path).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = stream.read(&mut buffer);
        let count =
            count.map_err(|error| images::Error::of_read(error, &layer.name(), layer.place()))?;
        if count == 0 {
            return file.flush().map_err(failed);
        }
        file.write_all(&buffer[..count]).map_err(failed)?;
    }
}
