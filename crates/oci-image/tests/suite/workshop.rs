//! A directory in which layers and images are made.

use std::fs::{self, File};

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Platform, Scope};
use libtest_mimic::Failed;
use oci_image::{
    Image, ImageRequest, LayerSource, Layout, Profile, Recorded, assemble, image_facts,
};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// The name by which Containerfiles of these tests call their base.
pub(crate) const BASE_NAME: &str = "stagex/test-base";

/// An entry of a layer: its path, what it is, its mode, and its time in seconds.
pub(crate) type Entry = (&'static str, Kind, u32, u64);

/// What an entry is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Directory,
    File(&'static str),
    Symlink(&'static str),
    HardLink(&'static str),
}

/// A directory of the test's own.
pub(crate) struct Workshop {
    _directory: TempDir,
    pub(crate) root: Utf8PathBuf,
}

impl Workshop {
    pub(crate) fn new() -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let root = Utf8PathBuf::try_from(directory.path().to_owned())?;
        Ok(Self {
            _directory: directory,
            root,
        })
    }

    /// Writes a layer as an engine would that lists what it touched.
    pub(crate) fn layer(&self, name: &str, entries: &[Entry]) -> Result<LayerSource, Failed> {
        let path = self.root.join(name);
        let mut builder = Builder::new(File::create(&path)?);
        for (path, kind, mode, time) in entries {
            let mut header = Header::new_gnu();
            header.set_mtime(*time);
            header.set_mode(*mode);
            let (kind, link, content) = match kind {
                Kind::Directory => (EntryType::Directory, None, ""),
                Kind::File(content) => (EntryType::Regular, None, *content),
                Kind::Symlink(target) => (EntryType::Symlink, Some(target), ""),
                Kind::HardLink(target) => (EntryType::Link, Some(target), ""),
            };
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            match link {
                Some(target) => builder.append_link(&mut header, path, target)?,
                None => builder.append_data(&mut header, path, content.as_bytes())?,
            }
        }
        builder.finish()?;
        Ok(LayerSource {
            tar: Some(path),
            recorded: Recorded::Touched,
            leftovers: Vec::new(),
            destination: None,
        })
    }

    /// Returns the names of all that is in the directory.
    pub(crate) fn names(&self) -> Result<Vec<String>, Failed> {
        let files = fs::read_dir(&self.root)?.collect::<Result<Vec<_>, _>>()?;
        let names = files.iter().map(fs::DirEntry::file_name);
        let mut names: Vec<_> = names.map(|name| name.display().to_string()).collect();
        names.sort();
        Ok(names)
    }
}

/// Makes an image of a Containerfile and the layers of its steps.
pub(crate) fn make(
    source: &str,
    base: Option<&Layout>,
    layers: Vec<LayerSource>,
    destination: &Utf8Path,
) -> Result<Image, Failed> {
    make_in(Profile::STAGEX_2026, source, base, layers, destination)
}

/// Makes an image in another encoding.
pub(crate) fn make_in(
    profile: &'static Profile,
    source: &str,
    base: Option<&Layout>,
    layers: Vec<LayerSource>,
    destination: &Utf8Path,
) -> Result<Image, Failed> {
    let platform: Platform = "linux/amd64".parse()?;
    let mut scope = Scope::new(platform.clone());
    if let Some(base) = base {
        let facts = image_facts(base.config())?;
        scope.images.insert(BASE_NAME.to_owned(), facts);
    }
    let request = ImageRequest {
        repository: "stagex/test".to_owned(),
        tag: "1".to_owned(),
        platform,
        profile,
        base,
        build: &containerfile::parse(source)?.resolve(&scope)?,
        layers,
    };
    Ok(assemble(&request, destination)?)
}
