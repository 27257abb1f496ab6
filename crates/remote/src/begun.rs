//! What a server was asked for and has not answered yet, kept in the tree's `out/`: who comes after a client that was
//! killed waits for that, and does not begin anew.
//!
//! Whoever wrote the file is not believed: what is waited for has to be the same action.

use bazel_remote_apis::build::bazel::remote::execution::v2;
use beneath::Directory;
use camino::Utf8Path;
use state::Directories;

use crate::address::Address;

/// The directory of these files, beside the records.
const DIRECTORY: &str = "begun";
/// The longest line that is read.
const LONGEST: u64 = 8 << 10;

/// Where it is kept that a package was begun.
#[derive(Debug)]
pub(crate) struct Begun {
    directory: Option<Directory>,
    file: String,
    /// What a line begins with that is of this server and action.
    of: String,
}

impl Begun {
    /// Returns where it is kept for a package of a tree that is open. Where nothing can be kept, nothing is.
    pub(crate) fn of(
        directories: &Directories,
        package: &str,
        server: &Address,
        action: &v2::Digest,
    ) -> Self {
        let own = directories.open_own().ok().flatten();
        let made = own.and_then(|own| own.make_directory(DIRECTORY.into()).ok());
        Self {
            directory: made,
            file: package.to_owned(),
            of: format!("{server} {} ", action.hash),
        }
    }

    /// Returns what the server calls the execution, if one was begun.
    pub(crate) fn find(&self) -> Option<String> {
        let directory = self.directory.as_ref()?;
        let text = directory.read_text(self.path(), LONGEST).ok()?;
        let name = text.strip_prefix(&self.of)?.trim_end();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Keeps what the server calls the execution; nothing once it is over.
    pub(crate) fn keep(&self, name: Option<&str>) {
        let Some(directory) = &self.directory else {
            return;
        };
        // Who cannot keep it begins anew the next time, and no more.
        let _ = match name {
            Some(name) => {
                let line = format!("{}{name}\n", self.of);
                directory.write(self.path(), line.as_bytes())
            }
            None => directory.remove(self.path()),
        };
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::new(&self.file)
    }
}
