//! A path that a user typed: it means what the kernel says that it means. What lies outside of the trees that
//! the user works in is the user's, and its symbolic links are followed; what lies in a tree came with it,
//! and no link there decides what is written or read.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::problem::Problem;
use crate::read::read_text;

/// How many links are followed on one way: as many as the kernel follows.
const LINKS: usize = 40;

/// A path that a user typed.
#[derive(Debug)]
pub struct Typed {
    /// A directory that is trusted.
    pub base: Directory,
    /// The path beneath it; empty if it is the directory itself.
    pub path: Utf8PathBuf,
    /// Whether it lies in a tree.
    pub in_tree: bool,
}

/// Finds out where a path leads that is `typed` by somebody who works in the directory `from` and in `trees`.
/// What it leads to need not be there, nor the directories that it would be in.
///
/// # Errors
///
/// A link that lies in a tree would have to be followed; one at the end of the path is left to whoever opens it.
pub fn typed(
    trees: &[impl AsRef<Utf8Path>],
    from: &Utf8Path,
    typed: &Utf8Path,
) -> io::Result<Typed> {
    let named = trees.iter().map(|tree| or_here(tree.as_ref()));
    let roots = named.map(|tree| Ok((tree.canonicalize_utf8()?, tree)));
    let mut roots = roots.collect::<io::Result<Vec<_>>>()?;
    // Of trees in one another the outermost counts.
    roots.sort_by_key(|(root, _)| root.as_str().len());
    let tree_of = |path: &Utf8Path| roots.iter().find(|(root, _)| path.starts_with(root));

    let mut here = or_here(from).canonicalize_utf8()?;
    let mut rest = Vec::new();
    push(&mut rest, typed);
    let mut links = 0;
    // What is not to be walked into: a file, or what is not there.
    let mut end = Utf8PathBuf::new();
    while let Some(name) = rest.pop() {
        match name.as_str() {
            "/" => here = name.into(),
            "." => {}
            ".." => {
                here.pop();
            }
            _ => {
                let path = here.join(&name);
                let found = match path.symlink_metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        if rest.iter().any(|name| name == "..") {
                            return Err(error);
                        }
                        end.push(name);
                        end.extend(rest.drain(..).rev());
                        break;
                    }
                    found => found?,
                };
                if found.is_dir() {
                    here = path;
                } else if found.is_symlink() {
                    match tree_of(&here) {
                        None if leads_where_it_says(&path)? => {
                            links += 1;
                            if links > LINKS {
                                return Err(Errno::LOOP.into());
                            }
                            push(&mut rest, &path.read_link_utf8()?);
                        }
                        _ if rest.is_empty() => end.push(name),
                        Some((root, _)) => {
                            let link = path.strip_prefix(root).unwrap_or(&path);
                            return Err(Problem::Link(link.to_owned()).into());
                        }
                        None => {
                            let message = format!("what `{path}` leads to has no path here");
                            return Err(io::Error::other(message));
                        }
                    }
                } else if rest.is_empty() {
                    end.push(name);
                } else {
                    return Err(Errno::NOTDIR.into());
                }
            }
        }
    }
    Ok(match tree_of(&here) {
        Some((root, tree)) => Typed {
            base: Directory::open(tree)?,
            path: joined(here.strip_prefix(root).unwrap_or(&here), &end),
            in_tree: true,
        },
        None => Typed {
            base: Directory::open(&here)?,
            path: end,
            in_tree: false,
        },
    })
}

impl Typed {
    /// Returns the path of the file, as far as it is known: for messages and for programs.
    pub fn full(&self) -> Utf8PathBuf {
        joined(self.base.path(), &self.path)
    }

    /// Reads a regular file of at most `limit` bytes, which must be UTF-8.
    pub fn read_text(&self, limit: u64) -> io::Result<String> {
        if self.in_tree {
            self.base.read_text(&self.path, limit)
        } else {
            read_text(self.full(), limit)
        }
    }
}

/// Joins two paths, of which the second may be empty.
fn joined(path: &Utf8Path, end: &Utf8Path) -> Utf8PathBuf {
    match end.as_str() {
        "" => path.to_owned(),
        _ => path.join(end),
    }
}

fn or_here(path: &Utf8Path) -> &Utf8Path {
    match path.as_str() {
        "" => Utf8Path::new("."),
        _ => path,
    }
}

/// Puts the parts of a path on the stack of those that are still to be walked.
fn push(rest: &mut Vec<String>, path: &Utf8Path) {
    let parts = path.components().map(|part| part.as_str().to_owned());
    let at = rest.len();
    rest.extend(parts);
    rest[at..].reverse();
}

/// Tells whether a link's text is where it leads: in `/proc` there are some to pipes, and to what has its path
/// among other mounts.
fn leads_where_it_says(link: &Utf8Path) -> io::Result<bool> {
    let Ok(found) = fs::metadata(link) else {
        return Ok(true);
    };
    let parent = link.parent().unwrap_or(link);
    let said = fs::metadata(parent.join(link.read_link_utf8()?));
    Ok(said.is_ok_and(|said| (said.dev(), said.ino()) == (found.dev(), found.ino())))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;
    use crate::problem::problem;

    /// A directory with a tree in it, and links to and fro.
    fn scene() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let outside = Utf8Path::from_path(temporary.path()).unwrap();
        let outside = outside.canonicalize_utf8().unwrap();
        fs::create_dir_all(outside.join("tree/a")).unwrap();
        fs::create_dir_all(outside.join("deep/directory")).unwrap();
        fs::write(outside.join("plain"), "").unwrap();
        for (target, link) in [
            ("/", "tree/link"),
            ("tree", "back"),
            ("tree/link", "to-link"),
            ("deep/directory", "lnk"),
            ("nothing/new", "dangling"),
            ("loop", "loop"),
        ] {
            symlink(target, outside.join(link)).unwrap();
        }
        (temporary, outside)
    }

    #[rstest]
    #[case("a/b", "tree/a/b", true)]
    #[case("./a/../c", "tree/c", true)]
    #[case("", "tree", true)]
    #[case("../tree/a", "tree/a", true)]
    #[case("../back/a", "tree/a", true)]
    #[case("../back/../file", "file", false)]
    #[case("link", "tree/link", true)]
    #[case("../to-link", "tree/link", true)]
    #[case("../file", "file", false)]
    #[case("..", ".", false)]
    #[case("../lnk/../file", "deep/file", false)]
    #[case("../lnk/../../tree/c", "tree/c", true)]
    #[case("../new/directory/file", "new/directory/file", false)]
    #[case("../dangling", "nothing/new", false)]
    fn a_path_means_what_the_kernel_says(
        #[case] path: &str,
        #[case] expected: &str,
        #[case] in_tree: bool,
    ) {
        let (_temporary, outside) = scene();
        let tree = outside.join("tree");
        for path in [path.into(), tree.join(path)] {
            let found = typed(&[&tree], &tree, &path).unwrap();
            assert_eq!(found.in_tree, in_tree, "{path}");
            let expected = outside.join(expected);
            assert!(
                found.full().components().eq(expected.components()),
                "{found:?}"
            );
        }
    }

    #[rstest]
    #[case("link/etc/passwd")]
    #[case("link/../file")]
    #[case("../to-link/etc/passwd")]
    #[case("../back/link/etc/passwd")]
    fn no_link_in_a_tree_is_followed(#[case] path: &str) {
        let (_temporary, outside) = scene();
        let tree = outside.join("tree");
        let error = typed(&[&tree], &tree, path.into()).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::Link("link".into())));
    }

    #[rstest]
    #[case("nothing/../file", Errno::NOENT)]
    #[case("plain/file", Errno::NOTDIR)]
    #[case("plain/../file", Errno::NOTDIR)]
    #[case("loop", Errno::LOOP)]
    fn what_leads_nowhere_is_an_error(#[case] path: &str, #[case] expected: Errno) {
        let (_temporary, outside) = scene();
        let error = typed(&[outside.join("tree")], &outside, path.into()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(expected.raw_os_error()));
    }

    #[test]
    fn a_file_is_read_through_links_outside_of_a_tree_only() {
        let (_temporary, outside) = scene();
        let tree = outside.join("tree");
        fs::write(outside.join("plain"), "outside").unwrap();
        fs::write(tree.join("file"), "inside").unwrap();
        symlink("plain", outside.join("to-plain")).unwrap();
        symlink("../plain", tree.join("to-plain")).unwrap();
        let read = |path: &str| typed(&[&tree], &tree, path.into()).unwrap().read_text(7);
        assert_eq!(read("../to-plain").unwrap(), "outside");
        assert_eq!(read("file").unwrap(), "inside");
        let error = read("to-plain").unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::Link("to-plain".into())));
    }

    #[test]
    fn of_trees_in_one_another_the_outermost_counts() {
        let (_temporary, outside) = scene();
        let tree = outside.join("tree");
        let found = typed(&[&tree, &outside], &tree, "../file".into()).unwrap();
        assert_eq!(
            (found.base.path(), found.path.as_str()),
            (&*outside, "file")
        );
        let error = typed(&[&tree, &outside], &tree, "../lnk/file".into()).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::Link("lnk".into())));
    }

    #[test]
    fn a_pipe_has_no_path_but_its_link() {
        let (_temporary, outside) = scene();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
        let tree = outside.join("tree");
        let found = typed(&[&tree], &tree, path.as_str().into()).unwrap();
        assert!(!found.in_tree);
        let [one, other] = [found.full().as_str(), &path].map(|path| fs::metadata(path).unwrap());
        assert_eq!((one.dev(), one.ino()), (other.dev(), other.ino()));
    }
}
