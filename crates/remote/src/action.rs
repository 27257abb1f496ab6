//! From a recipe to an action: what is sent of a package, as blobs with their digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use backend_api::Network;
use bazel_remote_apis::build::bazel::remote::execution::v2;
use bazel_remote_apis::google::protobuf;
use beneath::{Directory, Kind};
use build::{Context, ContextFileKind, Recipe, Resolved, Sources};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use oci_image::Digest;

use crate::blob::Blobs;
use crate::description::{DESCRIPTION, Description, IMAGE, IMAGES, Images, LOG, PROGRAM, TREE};
use crate::error::Error;
use crate::server::Server;
use crate::tree::Tree;

/// The directories in which a worker looks for programs: those that lead to the network and map user IDs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An action, with everything that it is made of.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) digest: v2::Digest,
    pub(crate) blobs: Blobs,
}

/// This program, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: Utf8PathBuf,
    hash: String,
    size: u64,
}

impl Program {
    /// Reads the program at a path.
    pub(crate) fn read(path: &Utf8Path) -> Result<Self, Error> {
        let read = || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok((Digest::of_reader(file)?.hex(), size))
        };
        let (hash, size) = read().map_err(|source| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let path = path.to_owned();
        Ok(Self { path, hash, size })
    }
}

/// Puts an action together for a server, which keeps its result or does not.
pub(crate) fn of(
    resolved: &[Resolved],
    program: &Program,
    network: Network,
    (server, is_kept): (&Server, bool),
) -> Result<Action, Error> {
    let (mut root, mut blobs) = (Tree::default(), Blobs::default());
    let recipe = &resolved[0].recipe;
    let path = program.path.clone();
    let digest = blobs.add_file(
        program.hash.clone(),
        program.size,
        Arc::new(move || File::open(&path)),
    );
    root.file(PROGRAM.into(), digest, true);
    add_context(&resolved[0], &mut root, &mut blobs)?;
    add_sources(recipe, &mut root, &mut blobs)?;
    let images = add_images(recipe, &mut root, &mut blobs)?;
    let description = Description::of(recipe, &images, network);
    let description = description.ok_or_else(|| {
        Error::Unsupported("only packages of a tree are built by a server".to_owned())
    })?;
    let description = blobs.add(description.to_file());
    root.file(DESCRIPTION.into(), description, false);

    let command = v2::Command {
        arguments: vec![format!("./{PROGRAM}"), "remote-worker".to_owned()],
        environment_variables: vec![v2::command::EnvironmentVariable {
            name: "PATH".to_owned(),
            value: PATH.to_owned(),
        }],
        output_paths: vec![IMAGE.to_owned(), LOG.to_owned()],
        ..v2::Command::default()
    };
    let properties = server
        .properties
        .iter()
        .map(|(name, value)| v2::platform::Property {
            name: name.clone(),
            value: value.clone(),
        });
    let action = v2::Action {
        command_digest: Some(blobs.add_message(&command)),
        input_root_digest: Some(root.seal(&mut blobs)),
        platform: Some(v2::Platform {
            properties: properties.collect(),
        }),
        timeout: server.time_limit.map(|limit| protobuf::Duration {
            seconds: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        do_not_cache: !is_kept,
        ..v2::Action::default()
    };
    let digest = blobs.add_message(&action);
    Ok(Action { digest, blobs })
}

fn failed(path: &Utf8Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action: "read",
        path,
        source,
    }
}

/// Returns where a path of a recipe is among the inputs.
fn in_tree(path: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let is_plain =
        |component| matches!(component, Utf8Component::Normal(_) | Utf8Component::CurDir);
    if path.components().all(is_plain) {
        Ok(Utf8Path::new(TREE).join(path))
    } else {
        Err(Error::Unsupported(format!("`{path}` is not in the tree")))
    }
}

/// Adds a file, whose hash need not be known.
fn add_file(
    directory: &Arc<Directory>,
    path: &Utf8Path,
    hash: Option<String>,
    blobs: &mut Blobs,
) -> io::Result<v2::Digest> {
    let file = directory.file(path)?;
    let size = file.metadata()?.len();
    let hash = match hash {
        Some(hash) => hash,
        None => Digest::of_reader(file)?.hex(),
    };
    let (directory, path) = (Arc::clone(directory), path.to_owned());
    Ok(blobs.add_file(hash, size, Arc::new(move || directory.file(&path))))
}

/// Adds the files of the context, and the Containerfile.
fn add_context(resolved: &Resolved, root: &mut Tree, blobs: &mut Blobs) -> Result<(), Error> {
    let recipe = &resolved.recipe;
    let context = in_tree(&recipe.context)?;
    let opened = recipe
        .directory()
        .map_err(|error| Error::Unsupported(error.to_string()))?;
    let directory = Arc::new(opened);
    root.directory(&context);
    for file in resolved.files.iter() {
        let place = context.join(&file.path);
        let path = || recipe.context.join(&file.path);
        match &file.kind {
            ContextFileKind::Directory => {
                root.directory(&place);
            }
            ContextFileKind::Symlink(target) => root.link(&place, target),
            ContextFileKind::Special(found) => {
                let message = format!("{} is {found}, which cannot be in a context", path());
                return Err(Error::Unsupported(message));
            }
            ContextFileKind::File {
                executable, hash, ..
            } => {
                let digest = add_file(&directory, &file.path, hash.clone(), blobs);
                root.file(&place, digest.map_err(failed(&path()))?, *executable);
            }
        }
    }
    // It is the text that was understood here, wherever it stands.
    let text = blobs.add(resolved.file.source.as_bytes().to_vec());
    root.file(&in_tree(&recipe.containerfile)?, text, false);
    Ok(())
}

/// Adds the sources of the package.
fn add_sources(recipe: &Recipe, root: &mut Tree, blobs: &mut Blobs) -> Result<(), Error> {
    let Sources::Checked {
        directory,
        sources,
        seeds,
    } = &recipe.sources
    else {
        return Ok(());
    };
    let of_seeds = seeds.iter().map(|seed| &seed.source);
    for source in sources.iter().chain(of_seeds) {
        let path = recipe.root.join(directory).join(&source.file);
        // A source may be a symbolic link: archives may lie elsewhere.
        let size = beneath::open(&path).and_then(|file| file.metadata());
        let size = size.map_err(failed(&path))?.len();
        let place = in_tree(directory)?.join(&source.file);
        let open = Arc::new(move || beneath::open(&path));
        let digest = blobs.add_file(source.hash.clone(), size, open);
        root.file(&place, digest, false);
    }
    Ok(())
}

/// Adds the images that the recipe names, each as its layout: a directory of the API has neither owners nor attributes.
fn add_images(recipe: &Recipe, root: &mut Tree, blobs: &mut Blobs) -> Result<Images, Error> {
    let mut images: Images = BTreeMap::new();
    for (number, (name, context)) in recipe.contexts.iter().enumerate() {
        if !matches!(
            context,
            Context::Image(_) | Context::Given(..) | Context::Chosen(..)
        ) {
            continue;
        }
        let unusable = |source| Error::Unsupported(format!("the image of {name}: {source}"));
        let image = recipe.images(name).map_err(unusable)?;
        let image = image.ok_or_else(|| Error::Unsupported(format!("{name} is not there")))?;
        let layout = image.first().directory();
        let place = Utf8Path::new(IMAGES).join(number.to_string());
        let mut add = || {
            let directory = Arc::new(Directory::open(layout)?);
            for file in ["oci-layout", "index.json"] {
                let digest = add_file(&directory, file.into(), None, blobs)?;
                root.file(&place.join(file), digest, false);
            }
            let inner = Utf8Path::new("blobs/sha256");
            for entry in directory.directory(inner)?.entries()? {
                if entry.kind != Kind::File {
                    continue;
                }
                let name = entry.name.clone();
                let path = inner.join(&name);
                let digest = add_file(&directory, &path, Some(name), blobs)?;
                root.file(&place.join(path), digest, false);
            }
            Ok(())
        };
        add().map_err(failed(layout))?;
        images.insert(name.clone(), (place, image.digest()));
    }
    Ok(images)
}
