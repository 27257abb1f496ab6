//! COPY and ADD: from the words of the instruction to what is copied.

use containerfile::{Add, Copy, Heredoc, Sources, Step};
use snapshot::{Copying, Ownership, Source, Tree, User};

use super::builder::Builder;
use super::failure::Result;
use super::step::mode_of;
use crate::job::Failure;

impl Builder {
    pub(super) fn copy(&self, step: &Step, copy: &Copy, into: &Tree) -> Result<()> {
        let order = Order {
            sources: &copy.sources,
            from: copy.from.as_deref(),
            chown: copy.chown.as_deref(),
            chmod: copy.chmod.as_deref(),
            exclude: &copy.exclude,
            parents: copy.parents,
            unpack: false,
        };
        self.bring(step, &order, into)
    }

    pub(super) fn add(&self, step: &Step, add: &Add, into: &Tree) -> Result<()> {
        let order = Order {
            sources: &add.sources,
            from: None,
            chown: add.chown.as_deref(),
            chmod: add.chmod.as_deref(),
            exclude: &add.exclude,
            parents: false,
            unpack: add.unpack.unwrap_or(true),
        };
        self.bring(step, &order, into)
    }

    fn bring(&self, step: &Step, order: &Order<'_>, into: &Tree) -> Result<()> {
        let destination = destination(&step.working_directory, &order.sources.destination);
        let owner = order.chown.map(|text| User::new(text).owner(into));
        let mode = order.chmod.map(mode_of).transpose()?;
        let mut copying = Copying {
            destination: &destination,
            owner: owner.transpose()?,
            mode: mode.as_ref(),
            unpack: order.unpack,
            include: None,
            exclude: order.exclude,
        };
        if !order.sources.paths.is_empty() {
            let (view, ownership) = self.source(order.from)?;
            let tree = &view.tree()?;
            let source = Source { tree, ownership };
            for path in &order.sources.paths {
                if order.parents {
                    copy_with_parents(source, path, into, &copying)?;
                } else {
                    snapshot::copy(source, path.as_bytes(), into, &copying)?;
                }
            }
        }
        copying.unpack = false;
        copying.exclude = &[];
        for heredoc in &order.sources.heredocs {
            self.write_heredoc(heredoc, into, &copying)?;
        }
        Ok(())
    }

    /// Copies a file that has the heredoc's name and its body.
    fn write_heredoc(&self, heredoc: &Heredoc, into: &Tree, copying: &Copying<'_>) -> Result<()> {
        let folder = self.folders.folder()?;
        let path = folder.join(&heredoc.name);
        if path.parent() != Some(&folder) {
            let message = format!("`{}` is no name of a file", heredoc.name);
            return Err(Failure::build(message));
        }
        let written = std::fs::write(&path, &heredoc.body).and_then(|()| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
        });
        written.map_err(|error| Failure::io("write", path.display(), &error))?;
        let tree = &Tree::open(&folder)?;
        let ownership = Ownership::Root;
        let source = Source { tree, ownership };
        Ok(snapshot::copy(
            source,
            heredoc.name.as_bytes(),
            into,
            copying,
        )?)
    }
}

/// Copies a file with the folders that it is in: from the source's root on, or from `/./` in its path.
fn copy_with_parents(
    source: Source<'_>,
    path: &str,
    into: &Tree,
    copying: &Copying<'_>,
) -> Result<()> {
    let (folder, pattern) = path.split_once("/./").unwrap_or(("/", path));
    let below = snapshot::Place::new(pattern);
    let is_plain = !format!("{folder}/{pattern}").contains(['*', '?', '[']);
    if is_plain {
        let whole = source
            .tree
            .resolve(format!("{folder}/{pattern}").as_bytes())?;
        if source.tree.status(&whole)?.is_none() {
            return Err(snapshot::Error::NotFound(path.to_owned()).into());
        }
    }
    let copying = Copying {
        include: below.as_bytes().strip_prefix(b"/"),
        ..*copying
    };
    Ok(snapshot::copy(source, folder.as_bytes(), into, &copying)?)
}

/// What a COPY and an ADD have in common.
struct Order<'a> {
    sources: &'a Sources,
    from: Option<&'a str>,
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    exclude: &'a [String],
    parents: bool,
    unpack: bool,
}

/// Returns where an instruction copies to: absolute, with a slash at the end where what is copied
/// has to be put into a folder.
fn destination(folder: &str, written: &str) -> Vec<u8> {
    let path = if written.starts_with('/') {
        written.to_owned()
    } else {
        format!("{folder}/{written}")
    };
    let is_folder =
        ["", "."].contains(&written) || ["/", "/."].iter().any(|end| written.ends_with(end));
    let mut path = snapshot::Place::new(path).as_bytes().to_vec();
    if is_folder && path != b"/" {
        path.push(b'/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::destination;

    #[test]
    fn destinations() {
        for (folder, written, expected) in [
            ("/", "/a", "/a"),
            ("/w", "a", "/w/a"),
            ("/w", ".", "/w/"),
            ("/w", "", "/w/"),
            ("/w", "a/.", "/w/a/"),
            ("/w", "/", "/"),
            ("/w", "../a/", "/a/"),
        ] {
            assert_eq!(
                destination(folder, written),
                expected.as_bytes(),
                "{written}"
            );
        }
    }
}
