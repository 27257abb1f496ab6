//! What tells one file system from any other, as a digest: of an image, of a stage as far as it has come, of
//! an unpacked layer, of directories that are stacked.

use snapshot::{Digest, Digester};

use crate::worker::image::{Image, Layer};
use crate::worker::kept::entry::Reference;

/// Returns what tells an image's file system from any other.
pub(crate) fn of_image(image: &Image) -> Digest {
    let layers = image.layers().iter();
    let digester = Digester::default().part("image");
    layers
        .fold(digester, |all, layer| all.part(&layer.blob.hex))
        .finish()
}

/// Returns what tells the empty file system from any other.
pub(crate) fn of_nothing() -> Digest {
    Digester::default().part("nothing").finish()
}

/// Returns what tells a file system from any other that is `below` with `files` put on it.
pub(crate) fn of_stack(below: Digest, files: Digest) -> Digest {
    let digester = Digester::default().part("stack");
    digester
        .part(below.as_bytes())
        .part(files.as_bytes())
        .finish()
}

/// Returns what tells what is stacked from anything else.
pub(crate) fn of_stacked(stacked: &[Reference]) -> Digest {
    let digester = Digester::default().part("stacked");
    let all = stacked.iter().fold(digester, |all, reference| {
        all.part(&reference.files).part(&reference.place)
    });
    all.finish()
}

/// Returns the key of the unpacked files of a layer, which depend on the layers below it only if these
/// are said.
pub(crate) fn of_layer(circumstances: Digest, layer: &Layer, below: Option<&[Layer]>) -> Digest {
    let layers = below.into_iter().flatten().chain([layer]);
    let digester = Digester::default().part(circumstances.as_bytes());
    let digester = digester.part(if below.is_none() { "layer" } else { "layers" });
    // What another image says of the same blob's archive has not been compared with it.
    let add =
        |digester: Digester, layer: &Layer| digester.part(&layer.blob.hex).part(&layer.archive);
    layers.fold(digester, add).finish()
}
