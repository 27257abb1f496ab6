//! Where a command reads and writes: the directories of the tree that is worked on, with the secret by which its
//! user knows their own records again, and the paths that a user types.
//!
//! What lies outside of the tree is the user's, and a symbolic link there is followed. What lies in the tree
//! may be somebody else's: no link there decides what is written.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use beneath::{Directory, Typed};
use camino::{Utf8Path, Utf8PathBuf};
use state::{Directories, Secret};

use crate::context::Context;
use crate::environment;
use crate::exit::ErrorKind;
use crate::failure::{Failure, chain, print_problem, usage};

/// Returns the directories of the tree that is worked on.
pub(crate) fn directories(context: &Context) -> Result<Directories, Failure> {
    let secret = secret(context.verbosity.quiet);
    Ok(outputs(context)?.with_secret(secret))
}

/// Returns the same, for who only reads outputs and believes no record.
pub(crate) fn outputs(context: &Context) -> Result<Directories, Failure> {
    let directories = Directories::of_tree(&context.directory);
    let Some(out) = &context.settings.out.value else {
        return Ok(directories);
    };
    let found = outside(
        &context.directory,
        out,
        "leave it out to use the tree's out/",
    )?;
    Ok(directories.elsewhere(&found)?)
}

/// Finds out where a path leads that must lie outside of the tree; `or` is what else somebody can do.
pub(crate) fn outside(tree: &Utf8Path, path: &Utf8Path, or: &str) -> Result<Utf8PathBuf, Failure> {
    let found = typed(tree, path).map_err(|error| cannot("find", path, &error))?;
    if found.in_tree {
        let hint = format!("name a directory outside of the tree, or {or}");
        return Err(usage(format!("`{path}` is in the tree"), Some(&hint)));
    }
    Ok(found.full())
}

/// Returns the user's state directory and secret, for what is worth nothing without them.
pub(crate) fn state() -> Result<(Utf8PathBuf, Secret), Failure> {
    let Some(state) = environment::state() else {
        let error = ledger::Error::NoPlace;
        return Err(Failure::new(error.kind(), &error, error.hint()));
    };
    let secret = Secret::read_or_make(&state)
        .map_err(|error| Failure::new(ErrorKind::Environment, &error, Some(error.hint())))?;
    Ok((state, secret))
}

/// Returns the user's secret. Where there is none that lasts, nothing that is recorded now is believed later,
/// and that is said once.
fn secret(quiet: bool) -> Secret {
    static SECRET: OnceLock<Secret> = OnceLock::new();
    *SECRET.get_or_init(|| {
        const CONSEQUENCE: &str = "what is built now is built again the next time";
        let Some(state) = environment::state() else {
            if !quiet {
                let hint = "set HOME or XDG_STATE_HOME";
                let message = format!("there is no home directory: {CONSEQUENCE}");
                print_problem("warning", &message, Some(hint));
            }
            return Secret::of_process();
        };
        Secret::read_or_make(&state).unwrap_or_else(|error| {
            if !quiet {
                let message = format!("{}: {CONSEQUENCE}", chain(&error));
                print_problem("warning", &message, Some(&error.hint()));
            }
            Secret::of_process()
        })
    })
}

/// Finds out where a path leads that a user typed who works in `tree`. It is relative to the directory that
/// the program was started in; only the paths of `stagex build` are relative to the tree.
fn typed(tree: &Utf8Path, path: &Utf8Path) -> io::Result<Typed> {
    beneath::typed(&[tree], Utf8Path::new("."), path)
}

/// Returns where a file that a user typed lies in the tree that is worked on. It need not be there.
pub(crate) fn in_tree(tree: &Utf8Path, path: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let found = typed(tree, path).map_err(|error| cannot("find", path, &error))?;
    let root = tree.canonicalize_utf8();
    let root = root.map_err(|error| cannot("find", tree, &error))?;
    let within = root.join(found.full());
    let within = within.strip_prefix(&root).map(Utf8Path::to_owned);
    within.map_err(|_| {
        let hint = "name a file of the tree; a relative path begins where stagex was started";
        usage(format!("{path} is not in the tree {tree}"), Some(hint))
    })
}

/// Tells whether a path that a user typed leads into the tree that is worked on.
pub(crate) fn is_in_tree(tree: &Utf8Path, path: &Utf8Path) -> Result<bool, Failure> {
    let found = typed(tree, path).map_err(|error| cannot("find", path, &error))?;
    Ok(found.in_tree)
}

/// Opens a directory that a user typed who works in `tree`, to write into it, and makes it if it is not there.
pub(crate) fn open_directory(tree: &Utf8Path, path: &Utf8Path) -> io::Result<Directory> {
    let typed = typed(tree, path)?;
    if typed.in_tree {
        typed.base.make_directory(&typed.path)
    } else {
        Directory::open_or_make(&typed.full())
    }
}

/// Opens the directory of what a user typed who works in `tree`, to make or replace it there. Returns its name in it.
pub(crate) fn parent(
    tree: &Utf8Path,
    path: &Utf8Path,
) -> Result<(Directory, Utf8PathBuf), Failure> {
    let found = typed(tree, path).map_err(|error| cannot("find", path, &error))?;
    let full = found.full();
    let within = if found.in_tree { &found.path } else { &full };
    let (Some(parent), Some(name)) = (within.parent(), within.file_name()) else {
        let message = format!("cannot write {path}: it has no name");
        return Err(usage(
            message,
            Some("name a file or a directory that is not there"),
        ));
    };
    let opened = if found.in_tree {
        found.base.make_directory(parent)
    } else {
        Directory::open_or_make(parent)
    };
    let opened = opened.map_err(|error| cannot("write", path, &error))?;
    Ok((opened, name.into()))
}

/// What a user typed to be read.
pub(crate) enum ToRead {
    /// A regular file.
    File(File),
    /// A directory.
    Directory(Directory),
}

/// Opens what a user typed who works in `tree`, to read it.
pub(crate) fn to_read(tree: &Utf8Path, path: &Utf8Path) -> Result<ToRead, Failure> {
    open_to_read(tree, path).map_err(|error| cannot("read", path, &error))
}

/// Does the same, and says by an error of reading why it cannot.
pub(crate) fn open_to_read(tree: &Utf8Path, path: &Utf8Path) -> io::Result<ToRead> {
    let found = typed(tree, path)?;
    let full = found.full();
    if found.in_tree {
        let there = found.base.metadata(&found.path)?;
        if there.is_some_and(|there| there.is_dir()) {
            return found.base.directory(&found.path).map(ToRead::Directory);
        }
        return found.base.file(&found.path).map(ToRead::File);
    }
    if full.is_dir() {
        return Directory::open(&full).map(ToRead::Directory);
    }
    beneath::open(&full).map(ToRead::File)
}

/// Opens a directory that a user typed who works in `tree`, to write into it, and makes it if it is not there.
pub(crate) fn directory(tree: &Utf8Path, path: &Utf8Path) -> Result<Directory, Failure> {
    open_directory(tree, path).map_err(|error| cannot("open the directory", path, &error))
}

/// Says what could not be done with a path that a user typed.
pub(crate) fn cannot(action: &str, path: &Utf8Path, error: &io::Error) -> Failure {
    let message = format!("cannot {action} {path}: {error}");
    Failure::of(
        ErrorKind::Environment,
        [(message, Some(beneath::hint(error).to_owned()))],
    )
}
