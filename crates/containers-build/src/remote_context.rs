//! A directory as it is sent to an engine elsewhere: with the Containerfile in it, which every version
//! of the client finds there, and a list by which no COPY does.
//!
//! (A Containerfile that lies elsewhere is sent too, and `COPY . /` finds it.)

use std::fs::{self, File, FileTimes};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;

/// The Containerfile's name in the directory.
const CONTAINERFILE: &str = ".stagex-Containerfile";
/// The list of what no COPY finds. Where there is one, no other is looked for.
const IGNORE: &str = ".containerignore";

/// A directory that can be sent.
#[derive(Debug)]
pub(crate) struct RemoteContext {
    pub(crate) directory: Utf8PathBuf,
    pub(crate) containerfile: Utf8PathBuf,
}

impl RemoteContext {
    /// Packs the files in `context`, as links, with `containerfile` into the new directory `to`.
    pub(crate) fn pack(
        context: &Utf8Path,
        containerfile: &Utf8Path,
        to: &Utf8Path,
    ) -> Result<Self, Error> {
        if context.join(IGNORE).exists() {
            return Err(Error::Unsupported {
                message: format!("`{IGNORE}` cannot be sent to a remote engine"),
                hint: "rename it to .dockerignore, which means the same",
            });
        }
        let packed = || -> io::Result<Utf8PathBuf> {
            link(context, to)?;
            let file = to.join(CONTAINERFILE);
            fs::copy(containerfile, &file)?;
            let ignored = ["/", CONTAINERFILE, "\n/", IGNORE, "\n"].concat();
            fs::write(to.join(IGNORE), ignored)?;
            Ok(file)
        };
        Ok(Self {
            containerfile: packed().map_err(|source| Error::file(to, source))?,
            directory: to.to_owned(),
        })
    }
}

/// Makes `to` what `from` is, of links to the same files.
fn link(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if !metadata.is_dir() {
        return fs::hard_link(from, to);
    }
    fs::create_dir(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        link(entry.path(), &to.join(entry.file_name()))?;
    }
    File::open(to)?.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    fs::set_permissions(to, metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_has_all_that_the_context_has() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let (context, file) = (directory.join("context"), directory.join("Containerfile"));
        fs::create_dir_all(context.join("a/b")).unwrap();
        fs::write(context.join("a/file"), "text").unwrap();
        std::os::unix::fs::symlink("nowhere", context.join("a/link")).unwrap();
        fs::write(context.join(".dockerignore"), "*.o").unwrap();
        fs::write(&file, "FROM scratch\n").unwrap();

        let to = directory.join("remote-context");
        let remote_context = RemoteContext::pack(&context, &file, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/file")).unwrap(), "text");
        assert_eq!(to.join("a/link").read_link_utf8().unwrap(), "nowhere");
        assert!(to.join("a/b").is_dir());
        assert_eq!(remote_context.containerfile.parent(), Some(&*to));
        let ignored = fs::read_to_string(to.join(IGNORE)).unwrap();
        let lines: Vec<_> = ignored.lines().collect();
        // What the context itself leaves out was left out before.
        assert_eq!(lines, ["/.stagex-Containerfile", "/.containerignore"]);
        assert!(!context.join(IGNORE).exists());
    }

    #[test]
    fn a_list_of_the_same_name_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        fs::write(directory.join(IGNORE), "").unwrap();
        let error = RemoteContext::pack(directory, directory, &directory.join("to")).unwrap_err();
        assert_eq!(error.kind(), backend_api::ErrorKind::Unsupported);
    }
}
