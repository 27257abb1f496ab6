//! What a `COPY`, an `ADD` or a mount takes of a tree: found once, and then copied, or looked at for what
//! tells it from anything else.
//!
//! It does not know where the files go.

use patterns::Filter;
use rustix::fs::FileType;

use crate::digest::{self, Digest, Digester};
use crate::error::{Error, Result};
use crate::expand::is_archive;
use crate::place::Place;
use crate::tree::{Tree, kind};
use crate::walk::{Sight, Walk};

/// How what is taken is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// The directories that something is in come along: those from the root on, or from `/./` in its path.
    pub parents: bool,
    /// What is not taken of a directory: patterns, from that directory on.
    pub exclude: &'a [String],
    /// Archives are to be unpacked.
    pub unpack: bool,
}

/// What one path or pattern stands for in a tree.
#[derive(Debug)]
pub struct Taken {
    /// In the order of a walk.
    pub(crate) found: Vec<TakenPlace>,
    /// What is taken of a directory that was found, if not everything.
    pub(crate) filter: Option<Filter>,
}

/// A place that was found.
#[derive(Debug)]
pub(crate) struct TakenPlace {
    /// Where: its last name is that of the copy.
    pub(crate) place: Place,
    /// Where that leads to, all links followed.
    pub(crate) leads_to: Place,
    /// It is an archive, and is to be unpacked.
    pub(crate) is_archive: bool,
}

/// What is known of what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What tells it from anything else.
    pub digest: Digest,
    /// A file of it has names elsewhere too, so that others might write to it.
    pub is_shared: bool,
}

impl Look {
    /// Returns what is known of nothing.
    pub fn of_nothing() -> Self {
        Self {
            digest: Digester::default().finish(),
            is_shared: false,
        }
    }

    /// Returns what is known of this and of something that was taken after it.
    #[must_use]
    pub fn and(self, after: Self) -> Self {
        let digester = Digester::default().part(self.digest.as_bytes());
        Self {
            digest: digester.part(after.digest.as_bytes()).finish(),
            is_shared: self.is_shared || after.is_shared,
        }
    }
}

/// Looks at all that is where a path leads to: at what a mount shows of it.
pub fn look(tree: &Tree, path: &Place) -> Result<Look> {
    let place = tree.resolve(path.as_bytes())?;
    let found = digest::digest(tree, &place)?;
    Ok(Look {
        digest: found.digest,
        is_shared: found.is_shared,
    })
}

/// Finds what `path`, which may be a pattern, stands for. A pattern may stand for nothing, a path may
/// not.
pub fn take(tree: &Tree, path: &[u8], selection: &Selection<'_>) -> Result<Taken> {
    let (places, include) = if selection.parents {
        let (directory, pattern) = with_parents(tree, path)?;
        (vec![directory], Some(pattern))
    } else {
        (find(tree, path)?, None)
    };
    let found = places.into_iter().map(|place| {
        let leads_to = tree.resolve(place.as_bytes())?;
        let is_archive = selection.unpack && is_archive(tree, &leads_to)?;
        Ok(TakenPlace {
            place,
            leads_to,
            is_archive,
        })
    });
    let include = include.as_ref().map(|pattern| &pattern.as_bytes()[1..]);
    Ok(Taken {
        found: found.collect::<Result<_>>()?,
        filter: Filter::new(include, selection.exclude)?,
    })
}

impl Taken {
    /// Looks at all of it: at every file, name, mode, owner, time and link that is copied, and at no more
    /// than that.
    pub fn look(&self, tree: &Tree) -> Result<Look> {
        let mut digester = Digester::default().part(self.found.len().to_string());
        let mut is_shared = false;
        for found in &self.found {
            let walk = Walk {
                filter: self.filter.as_ref(),
                sight: Sight::Raw,
            };
            let seen = digest::digest_of(tree, &found.leads_to, walk)?;
            digester = digester
                .part(found.place.as_bytes())
                .part([u8::from(found.is_archive)])
                .part(seen.digest.as_bytes());
            is_shared |= seen.is_shared;
        }
        Ok(Look {
            digest: digester.finish(),
            is_shared,
        })
    }
}

/// Returns the directory that a path with its parents is taken from, and the pattern of what is taken
/// there.
fn with_parents(tree: &Tree, path: &[u8]) -> Result<(Place, Place)> {
    const PIVOT: &[u8] = b"/./";
    let pivot = path.windows(PIVOT.len()).position(|part| part == PIVOT);
    let (directory, pattern) = match pivot {
        Some(at) => (&path[..at], &path[at + PIVOT.len()..]),
        None => (&b"/"[..], path),
    };
    let whole = [directory, pattern].join(&b'/');
    if !whole.iter().any(|byte| b"*?[".contains(byte)) {
        let written = String::from_utf8_lossy(path);
        let place = tree.resolve(&whole)?;
        if tree.status(&place)?.is_none() {
            return Err(Error::NotFound(written.into_owned()));
        }
        // BuildKit looks for the path itself: of its names, only the last may be a link.
        let parent = Place::new(&whole).parent();
        if tree.resolve(parent.as_bytes())? != parent {
            return Err(Error::ThroughALink(written.into_owned()));
        }
    }
    Ok((Place::new(directory), Place::new(pattern)))
}

fn find(tree: &Tree, path: &[u8]) -> Result<Vec<Place>> {
    let place = Place::new(path);
    let names: Vec<&[u8]> = place.names().collect();
    let Some(first) = names.iter().position(|name| patterns::is_pattern(name)) else {
        return Ok(vec![place]);
    };
    let mut start = Place::root();
    for name in &names[..first] {
        start.step(name);
    }
    let start = tree.resolve(start.as_bytes())?;
    let pattern = names[first..].join(&b'/');
    let mut found = Vec::new();
    let mut walk = Matching {
        tree,
        pattern: &pattern,
        depth: names.len() - first,
        found: &mut found,
    };
    walk.below(&start, &[], 1)?;
    Ok(found)
}

struct Matching<'a> {
    tree: &'a Tree,
    pattern: &'a [u8],
    /// How many names the pattern has: none of its parts matches a slash.
    depth: usize,
    found: &'a mut Vec<Place>,
}

impl Matching<'_> {
    fn below(&mut self, directory: &Place, relative: &[u8], depth: usize) -> Result<()> {
        match self.tree.status(directory)? {
            Some(status) if kind(&status) == FileType::Directory => {}
            Some(_) => return Ok(()),
            None => return Err(Error::NotFound(directory.to_string())),
        }
        for name in self.tree.names(directory)? {
            let place = directory.join(&name);
            let mut path = relative.to_vec();
            path.extend_from_slice(&name);
            if patterns::matches(self.pattern, &path)? {
                self.found.push(place);
                continue;
            }
            let status = self.tree.status(&place)?;
            let is_directory = status.is_some_and(|status| kind(&status) == FileType::Directory);
            if is_directory && depth < self.depth {
                path.push(b'/');
                self.below(&place, &path, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn looked(root: &Path, path: &str, unpack: bool) -> Look {
        let tree = Tree::open(root).unwrap();
        let selection = Selection {
            unpack,
            ..Selection::default()
        };
        let taken = take(&tree, path.as_bytes(), &selection).unwrap();
        taken.look(&tree).unwrap()
    }

    #[test]
    fn the_name_that_a_pattern_finds_counts() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["a", "b"].map(|name| directory.path().join(name));
        fs::write(&one, "text").unwrap();
        let before = looked(directory.path(), "[ab]", false);
        fs::rename(&one, &other).unwrap();
        assert_ne!(
            looked(directory.path(), "[ab]", false).digest,
            before.digest
        );
    }

    #[test]
    fn with_its_parents_nothing_is_found_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("real")).unwrap();
        fs::write(directory.path().join("real/file"), "text").unwrap();
        for (link, to) in [("link", "real"), ("real/last", "file")] {
            std::os::unix::fs::symlink(to, directory.path().join(link)).unwrap();
        }
        let tree = Tree::open(directory.path()).unwrap();
        let selection = Selection {
            parents: true,
            ..Selection::default()
        };
        let found = |path: &str| take(&tree, path.as_bytes(), &selection);
        for path in ["link/file", "./link/file", "link/./file"] {
            let error = found(path).unwrap_err();
            assert!(matches!(error, Error::ThroughALink(_)), "{path}: {error}");
        }
        for path in [
            "real/last",
            "link",
            "link/",
            "real/./file",
            "link/f*",
            "link/./f*",
        ] {
            found(path).unwrap();
        }
    }

    #[test]
    fn what_is_unpacked_is_not_what_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_cksum();
        archive.append_data(&mut header, "file", &b""[..]).unwrap();
        let archive = archive.into_inner().unwrap();
        fs::write(directory.path().join("archive"), archive).unwrap();
        fs::write(directory.path().join("text"), "text").unwrap();
        let of = |name, unpack| looked(directory.path(), name, unpack).digest;
        assert_ne!(of("archive", true), of("archive", false));
        assert_eq!(of("text", true), of("text", false));
    }

    #[test]
    fn that_somebody_else_has_a_name_of_one_file_is_said_of_all() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["own", "shared"] {
            fs::write(directory.path().join(name), "text").unwrap();
        }
        let shared = directory.path().join("shared");
        fs::hard_link(shared, elsewhere.path().join("name")).unwrap();
        let [own, shared] = ["own", "shared"].map(|name| looked(directory.path(), name, false));
        assert!(!own.is_shared && shared.is_shared);
        assert!(looked(directory.path(), "*", false).is_shared);
        let nothing = Look::of_nothing();
        assert!(!nothing.and(own).is_shared);
        for (one, other) in [(own, shared), (shared, own)] {
            assert!(nothing.and(one).and(other).is_shared);
            assert_ne!(own.and(shared).digest, shared.and(own).digest);
        }
    }
}
