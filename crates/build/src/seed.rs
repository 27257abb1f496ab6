//! A seed, on its way from the tree's `fetch/` to an image: a root file system, as a tar of any compression, becomes
//! the one layer of an image in the canonical encoding, which every engine takes.
//!
//! Nothing in the archive is believed, and nothing of it is written to the file system: whoever unpacks the layer does
//! so as it unpacks any other. It does not know what is built from a seed, only whether that is the same from each.

use std::fs::{self, File};
use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Platform, Scope};
use oci_image::{ImageError, ImageRequest, LayerSource, Layout, Profile, Recorded};
use package_tree::Seed;
use state::{Directories, IoContext as _};

use crate::context::make_directory;
use crate::error::{Error, SeedImage, SeedProblem};
use crate::recipe::Context;
use crate::resolve::Resolved;
use crate::sources;

/// The most bytes of a root file system: some ten times what a distribution's has.
const MOST: u64 = 32 << 30;
/// What the image of a seed is called in its layout.
const NAME: &str = "seed";
/// What the image of a seed would be made of.
const CONTAINERFILE: &str = "FROM scratch\nADD seed.tar /\n";

/// Lays a seed out as an image in `work`, and has it stand for what the build calls `seed`. The seed's archive is
/// taken from the directory `fetch`.
///
/// # Errors
///
/// [`Error::Seed`] if the archive is not one of a root file system, and those of a source.
pub(crate) fn plant(
    resolved: &mut Resolved,
    seed: &Seed,
    fetch: &Utf8Path,
    work: &Utf8Path,
) -> Result<(), Error> {
    let fetch = resolved.recipe.root.join(fetch);
    let profile = resolved.recipe.profile;
    let layout = image(profile, &resolved.platform, seed, &fetch, work, MOST)?;
    let layout = Layout::open(&layout)?;
    for reference in &resolved.build.references {
        if let Some((_, Context::Seed)) = resolved.recipe.named(&reference.name) {
            let name = reference.name.clone();
            resolved.images.insert(name, layout.clone());
        }
    }
    Ok(())
}

/// Compares the images that came of seeds. If they are not one, moves each to a directory of its own below the one for
/// seeds of `package`, to be compared.
///
/// # Errors
///
/// [`Error::SeedsDiffer`] if they are not one.
pub(crate) fn agree(
    seeds: &[Seed],
    images: &[Utf8PathBuf],
    package: &str,
    directories: &Directories,
) -> Result<(), Error> {
    let digests = images.iter().map(|image| Layout::open(image));
    let digests = digests.map(|image| image.map(|image| image.manifest_digest()));
    let digests: Vec<_> = digests.collect::<Result<_, _>>()?;
    if digests.iter().all(|digest| *digest == digests[0]) {
        return Ok(());
    }
    let kept = directories.make_seeds(package)?;
    let mut differing = Vec::new();
    for ((seed, image), digest) in seeds.iter().zip(images).zip(digests) {
        let path = kept.join(&seed.name);
        fs::rename(image, &path).at("move an image to", &path)?;
        let seed = seed.name.clone();
        differing.push(SeedImage { seed, digest, path });
    }
    Err(Error::SeedsDiffer(differing))
}

/// Writes the image of a seed into `work`, and returns the directory with its layout. Its archive has at most `most`
/// bytes when it is no longer compressed.
fn image(
    profile: &'static Profile,
    platform: &Platform,
    seed: &Seed,
    fetch: &Utf8Path,
    work: &Utf8Path,
    most: u64,
) -> Result<Utf8PathBuf, Error> {
    let (taken, tar, layout) = (
        work.join("archive"),
        work.join("seed.tar"),
        work.join("layout"),
    );
    let wrong = |source| Error::Seed {
        seed: seed.name.clone(),
        path: fetch.join(&seed.source.file),
        source,
    };
    make_directory(work)?;
    sources::take(std::slice::from_ref(&seed.source), fetch, &taken)?;
    decompress(&taken.join(&seed.source.file), &tar, most, &wrong)?;
    fs::remove_dir_all(&taken).at("remove", &taken)?;
    write(profile, platform, &tar, &layout).map_err(|error| match error {
        // What is said of an engine's layer does not concern whoever has the archive.
        ImageError::Layer { source, .. } => wrong(SeedProblem::Archive(source)),
        error => error.into(),
    })?;
    fs::remove_file(&tar).at("remove", &tar)?;
    Ok(layout)
}

/// Writes what is compressed in an archive to `plain`.
fn decompress(
    archive: &Utf8Path,
    plain: &Utf8Path,
    most: u64,
    wrong: &dyn Fn(SeedProblem) -> Error,
) -> Result<(), Error> {
    let file = beneath::open(archive).at("open", archive)?;
    let mut out = File::create(plain).at("create", plain)?;
    let unreadable = |error| wrong(SeedProblem::Compression(error));
    let decompressed = compression::decompress(file).map_err(unreadable)?;
    let mut bounded = Bounded {
        input: decompressed.take(most.saturating_add(1)),
        failed: None,
    };
    let copied = io::copy(&mut bounded, &mut out);
    // A file that cannot be written is not the archive's fault.
    if let Some(error) = bounded.failed {
        return Err(unreadable(error));
    }
    if copied.at("write", plain)? > most {
        return Err(wrong(SeedProblem::TooLarge(most)));
    }
    Ok(())
}

/// An input that keeps its own error, by which it is told from one of the output.
struct Bounded<R> {
    input: R,
    failed: Option<io::Error>,
}

impl<R: io::Read> io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
            read => read,
        }
    }
}

/// Writes an image with one layer: what is in the tar.
fn write(
    profile: &'static Profile,
    platform: &Platform,
    tar: &Utf8Path,
    layout: &Utf8Path,
) -> Result<(), ImageError> {
    let file = containerfile::parse(CONTAINERFILE);
    let build = file.and_then(|file| file.resolve(&Scope::new(platform.clone())));
    let request = ImageRequest {
        repository: NAME.to_owned(),
        tag: "latest".to_owned(),
        platform: platform.clone(),
        profile,
        base: None,
        build: &build.expect("the Containerfile is a constant of this file"),
        layers: vec![LayerSource {
            tar: Some(tar.to_owned()),
            // There is nothing below that it could be compared with, and no name that deletes can mean anything.
            recorded: Recorded::Changes,
            leftovers: Vec::new(),
            destination: None,
        }],
    };
    oci_image::assemble(&request, layout).map(drop)
}

#[cfg(test)]
mod tests;
