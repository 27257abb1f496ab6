//! Images, unpacked: each layer into a directory of its own, once in a build, and only when something needs
//! it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use snapshot::{Digest, Stack, Stacking, Tree};

use crate::job::{Failure, FailureKind};
use crate::worker::failure::Result;
use crate::worker::files::stacks::{Stacks, View};
use crate::worker::image::{Image, Layer};
use crate::worker::kept::digests;
use crate::worker::kept::results::Results;
use crate::worker::threads::lock;

/// Unpacks images, and remembers which layers it has unpacked.
#[derive(Debug)]
pub(crate) struct Unpacker {
    circumstances: Digest,
    stacks: Arc<Stacks>,
    results: Arc<Results>,
    unpacked: Mutex<BTreeMap<Layer, Arc<Mutex<Unpacked>>>>,
}

/// The directories that a layer was unpacked into.
#[derive(Debug, Default)]
struct Unpacked {
    /// The one whose files do not depend on the layers below.
    alone: Option<PathBuf>,
    /// Those whose files do, by these layers.
    on: BTreeMap<Vec<Layer>, PathBuf>,
}

impl Unpacked {
    fn directory(&self, below: &[Layer]) -> Option<&PathBuf> {
        self.alone.as_ref().or_else(|| self.on.get(below))
    }
}

impl Unpacker {
    /// Begins with nothing unpacked; takes what was kept in the same circumstances.
    pub(crate) fn new(circumstances: Digest, stacks: Arc<Stacks>, results: Arc<Results>) -> Self {
        Self {
            circumstances,
            stacks,
            results,
            unpacked: Mutex::default(),
        }
    }

    /// Returns the file system of an image; its layers are unpacked if they have not been yet.
    pub(crate) fn unpack(&self, image: &Image) -> Result<Stack> {
        let mut stack = self.stacks.of(&[]);
        let layers = image.layers();
        if self.stacks.kind() == Stacking::Copies {
            if let Some((top, below)) = layers.split_last() {
                stack.push(self.once(top, below, |unpacked| {
                    let directory = self.unpack_into_one(image)?;
                    unpacked.on.insert(below.to_vec(), directory);
                    Ok(())
                })?);
            }
            return Ok(stack);
        }
        for (place, layer) in layers.iter().enumerate() {
            let below = &layers[..place];
            stack.push(self.once(layer, below, |unpacked| {
                self.unpack_layer(image, (below, layer), &stack, unpacked)
            })?);
            stack.check().map_err(|error| {
                Failure::from(error).within(format_args!("the image `{}`", image.name()))
            })?;
        }
        Ok(stack)
    }

    /// Returns the directory that a layer was unpacked into; the first who asks has it done.
    fn once(
        &self,
        layer: &Layer,
        below: &[Layer],
        unpack: impl FnOnce(&mut Unpacked) -> Result<()>,
    ) -> Result<PathBuf> {
        let unpacked = Arc::clone(lock(&self.unpacked).entry(layer.clone()).or_default());
        let mut unpacked = lock(&unpacked);
        if unpacked.directory(below).is_none() {
            unpack(&mut unpacked)?;
        }
        let directory = unpacked.directory(below).cloned();
        directory.ok_or_else(|| {
            Failure::new(
                FailureKind::Internal,
                "internal error: a layer was not unpacked",
            )
        })
    }

    fn unpack_into_one(&self, image: &Image) -> Result<PathBuf> {
        let directory = self.stacks.directories.directory()?;
        let into = Tree::open(&directory)?;
        for layer in image.layers() {
            self.unpack_into(image, layer, &into, None)?;
        }
        Ok(directory)
    }

    /// Unpacks a layer into a directory of its own, unless that was kept.
    fn unpack_layer(
        &self,
        image: &Image,
        (below, layer): (&[Layer], &Layer),
        stack: &Stack,
        unpacked: &mut Unpacked,
    ) -> Result<()> {
        let alone = digests::of_layer(self.circumstances, layer, None);
        let on_those_below = digests::of_layer(self.circumstances, layer, Some(below));
        if let Some(directory) = self.results.layer(alone)? {
            unpacked.alone = Some(directory);
            return Ok(());
        }
        if let Some(directory) = self.results.layer(on_those_below)? {
            unpacked.on.insert(below.to_vec(), directory);
            return Ok(());
        }
        let (entry, files) = self.stacks.directories.entry()?;
        let view = self.stacks.view(stack)?;
        let tree = view.as_ref().map(View::tree).transpose()?;
        let depends = self.unpack_into(image, layer, &Tree::open(&files)?, tree.as_ref())?;
        let key = if depends { on_those_below } else { alone };
        let files = self.results.keep_layer(key, &entry, files)?;
        if depends {
            unpacked.on.insert(below.to_vec(), files);
        } else {
            unpacked.alone = Some(files);
        }
        Ok(())
    }

    /// Unpacks a layer. It fails unless the layer is what the image says: nothing is done with any other,
    /// and nothing kept. Returns whether its files depend on those below.
    fn unpack_into(
        &self,
        image: &Image,
        layer: &Layer,
        into: &Tree,
        below: Option<&Tree>,
    ) -> Result<bool> {
        let Layer { blob, archive } = layer;
        let (name, hex) = (image.name(), &blob.hex);
        let failed = |failure: Failure| {
            failure.within(format_args!(
                "cannot unpack the layer sha256:{hex} of the image `{name}`"
            ))
        };
        let wrong = |message: String| failed(Failure::build(message));
        let unreadable = |error: io::Error| wrong(error.to_string());
        let mut reader = blob.open().map_err(unreadable)?;
        let unpacked = snapshot::unpack(&mut reader, into, below, self.stacks.kind());
        // That it is another layer is why it cannot be unpacked, if it cannot.
        reader.finish().map_err(unreadable)?;
        let found = unpacked.map_err(|error| failed(error.into()))?;
        let digest = format!("sha256:{}", found.archive);
        if *archive != digest {
            return Err(wrong(format!(
                "the image's configuration says {archive} of its archive, found {digest}"
            )));
        }
        Ok(found.depends_on_those_below)
    }
}
