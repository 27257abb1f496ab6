//! COPY and ADD: from the words of the instruction to what is copied.

use containerfile::{Add, Copy, Heredoc, Sources as Written, Step};
use snapshot::{BadMode, Copying, Ownership, Permissions, Selection, Source, Taken, Tree, User};

use crate::job::Failure;
use crate::worker::directories::Directories;
use crate::worker::failure::Result;
use crate::worker::files::sources::Sources;

/// Does a `COPY` or an `ADD`.
pub(crate) fn carry_out(
    step: &Step,
    order: &Order<'_>,
    sources: &Sources,
    into: &Tree,
) -> Result<()> {
    let destination = destination(&step.working_directory, &order.sources.destination);
    let owner = order.chown.map(|text| User::new(text).owner(into));
    let mode = order.chmod.map(mode_of).transpose()?;
    let copying = Copying {
        destination: &destination,
        owner: owner.transpose()?,
        mode: mode.as_ref(),
    };
    if !order.sources.paths.is_empty() {
        let (view, ownership) = sources.view(order.from)?;
        let tree = &view.tree()?;
        let source = Source { tree, ownership };
        for taken in order.take(tree) {
            snapshot::copy(source, &taken?, into, &copying)?;
        }
    }
    for heredoc in &order.sources.heredocs {
        write_heredoc(heredoc, &sources.stacks.directories, into, &copying)?;
    }
    Ok(())
}

/// Copies a file that has the heredoc's name and its body.
fn write_heredoc(
    heredoc: &Heredoc,
    directories: &Directories,
    into: &Tree,
    copying: &Copying<'_>,
) -> Result<()> {
    let directory = directories.directory()?;
    let path = directory.join(&heredoc.name);
    if path.parent() != Some(&directory) {
        let message = format!("`{}` is not a valid file name", heredoc.name);
        return Err(Failure::build(message));
    }
    let written = std::fs::write(&path, &heredoc.body).and_then(|()| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
    });
    written.map_err(|error| Failure::io("write", path.display(), &error))?;
    let tree = &Tree::open(&directory)?;
    let ownership = Ownership::Root;
    let source = Source { tree, ownership };
    let taken = snapshot::take(tree, heredoc.name.as_bytes(), &Selection::default())?;
    Ok(snapshot::copy(source, &taken, into, copying)?)
}

/// Reads `--chmod`.
fn mode_of(text: &str) -> Result<Permissions> {
    text.parse()
        .map_err(|error: BadMode| Failure::build(error.to_string()))
}

/// What a COPY and an ADD have in common.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    sources: &'a Written,
    pub(crate) from: Option<&'a str>,
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    selection: Selection<'a>,
}

impl<'a> Order<'a> {
    pub(crate) fn of_copy(copy: &'a Copy) -> Self {
        Self {
            sources: &copy.sources,
            from: copy.from.as_deref(),
            chown: copy.chown.as_deref(),
            chmod: copy.chmod.as_deref(),
            selection: Selection {
                parents: copy.parents,
                exclude: &copy.exclude,
                unpack: false,
            },
        }
    }

    pub(crate) fn of_add(add: &'a Add) -> Self {
        Self {
            sources: &add.sources,
            from: None,
            chown: add.chown.as_deref(),
            chmod: add.chmod.as_deref(),
            selection: Selection {
                parents: false,
                exclude: &add.exclude,
                unpack: add.unpack.unwrap_or(true),
            },
        }
    }

    /// Returns the path of what it copies, as it is, to the root of a file system; nothing where it is anything
    /// else that it does.
    pub(crate) fn of_all(&self, step: &Step) -> Option<&'a str> {
        let [path] = self.sources.paths.as_slice() else {
            return None;
        };
        let written = &self.sources.destination;
        let is_plain = self.sources.heredocs.is_empty()
            && (self.chown, self.chmod) == (None, None)
            && !self.selection.parents
            && self.selection.exclude.is_empty()
            && !path.contains(['*', '?', '[', '\\']);
        let is_to_root = destination(&step.working_directory, written) == b"/";
        (is_plain && is_to_root).then_some(path)
    }

    /// Tells whether it takes files from somewhere.
    pub(crate) fn has_paths(&self) -> bool {
        !self.sources.paths.is_empty()
    }

    /// Finds what it takes of a tree, path by path: the key of its step is made of this, and the copy.
    pub(crate) fn take(&self, tree: &'a Tree) -> impl Iterator<Item = snapshot::Result<Taken>> {
        let paths = self.sources.paths.iter();
        paths.map(|path| snapshot::take(tree, path.as_bytes(), &self.selection))
    }
}

/// Returns where an instruction copies to: absolute, with a slash at the end where what is copied
/// has to be put into a directory.
fn destination(directory: &str, written: &str) -> Vec<u8> {
    let path = if written.starts_with('/') {
        written.to_owned()
    } else {
        format!("{directory}/{written}")
    };
    let is_directory =
        ["", "."].contains(&written) || ["/", "/."].iter().any(|end| written.ends_with(end));
    let mut path = snapshot::Place::new(path).as_bytes().to_vec();
    if is_directory && path != b"/" {
        path.push(b'/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::destination;

    #[test]
    fn destinations() {
        for (directory, written, expected) in [
            ("/", "/a", "/a"),
            ("/w", "a", "/w/a"),
            ("/w", ".", "/w/"),
            ("/w", "", "/w/"),
            ("/w", "a/.", "/w/a/"),
            ("/w", "/", "/"),
            ("/w", "../a/", "/a/"),
        ] {
            assert_eq!(
                destination(directory, written),
                expected.as_bytes(),
                "{written}"
            );
        }
    }
}
