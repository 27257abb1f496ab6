//! A reproduction that goes on where it was: what was asked for, and whether that was finished, in the user's state
//! directory.

use std::io;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use documents::DependencyOrigin;
use oci_image::Digest;
use serde::{Deserialize, Serialize};
use state::{IoContext as _, Key, Secret, Sum, random};

use crate::error::Error;

/// The directory of what is unfinished, in the state directory: a file for each tree.
const DIRECTORY: &str = "reproductions";
/// How many bytes of random numbers name a reproduction.
const RANDOM: usize = 8;

/// What was asked for. Only the same goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The names of the packages that are built again, in the order of the plan.
    pub packages: Vec<String>,
    /// The labels of the runtimes, each with the version of its program.
    pub runtimes: Vec<(String, String)>,
    /// How often each package is built.
    pub rounds: u32,
    /// What packages are built from.
    pub dependencies: DependencyOrigin,
    /// Whether everything is built again, whatever was reproduced before.
    pub clean: bool,
}

/// A reproduction that is under way.
#[derive(Debug)]
pub struct Session {
    directory: Utf8PathBuf,
    file: String,
    key: Key,
    unfinished: Unfinished,
    /// Whether it goes on where it was.
    resumed: bool,
}

/// What is written of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unfinished {
    id: String,
    request: Request,
}

impl Session {
    /// Begins a reproduction of the tree in `root`, or goes on with the one of the same request that was not finished.
    /// With `anew`, it begins in any case.
    ///
    /// # Errors
    ///
    /// What cannot be read or written.
    pub fn begin(
        state: &Utf8Path,
        secret: &Secret,
        root: &Utf8Path,
        request: Request,
        anew: bool,
    ) -> Result<Self, Error> {
        let root = root.canonicalize_utf8().at("find", root)?;
        let directory = state.join(DIRECTORY);
        let file = Digest::of(root.as_str().as_bytes()).hex()[..2 * RANDOM].to_owned();
        let key = secret.key("reproduction");
        let found = (!anew)
            .then(|| read(&directory, &file, &key))
            .flatten()
            .filter(|found| found.request == request);
        let resumed = found.is_some();
        let unfinished = found.unwrap_or_else(|| Unfinished {
            id: printable::hex(&random()[..RANDOM]),
            request,
        });
        let session = Self {
            directory,
            file,
            key,
            unfinished,
            resumed,
        };
        session.write()?;
        Ok(session)
    }

    /// Returns the name of the reproduction, which all of its attempts have.
    pub fn id(&self) -> &str {
        &self.unfinished.id
    }

    /// Tells whether it goes on where it was.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Tells whether packages that were reproduced before are built again.
    pub fn is_clean(&self) -> bool {
        self.unfinished.request.clean
    }

    /// Ends it: the same request begins anew.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.directory.join(&self.file);
        let removed = Directory::open(&self.directory)
            .and_then(|directory| directory.remove(self.file.as_str().into()));
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.at("remove", &path)?),
        }
    }

    fn write(&self) -> Result<(), Error> {
        let json = serde_json::to_string(&self.unfinished).expect("it is JSON");
        let (text, _) = self.key.seal(&Sum::default(), &json);
        let written = Directory::open_or_make(&self.directory)
            .and_then(|directory| directory.write(self.file.as_str().into(), text.as_bytes()));
        Ok(written.at("write", &self.directory.join(&self.file))?)
    }
}

/// Reads what is unfinished; what is not proven is as if it were not there.
fn read(directory: &Utf8Path, file: &str, key: &Key) -> Option<Unfinished> {
    let directory = Directory::open(directory).ok()?;
    let text = directory.read_text(file.into(), beneath::LIST).ok()?;
    let (json, _) = key.open(&Sum::default(), text.strip_suffix('\n')?)?;
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(clean: bool) -> Request {
        Request {
            packages: vec!["core-a".to_owned()],
            runtimes: vec![("native".to_owned(), "1".to_owned())],
            rounds: 1,
            dependencies: DependencyOrigin::Built,
            clean,
        }
    }

    #[test]
    fn the_same_request_goes_on_until_it_is_finished() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let secret = Secret::of_process();
        let begin = |clean, anew| {
            Session::begin(&root.join("state"), &secret, root, request(clean), anew).unwrap()
        };
        let first = begin(true, false);
        assert!(!first.is_resumed());
        let second = begin(true, false);
        assert_eq!(second.id(), first.id());
        assert!(second.is_resumed() && second.is_clean());
        second.finish().unwrap();
        let third = begin(true, false);
        assert!(third.id() != first.id() && !third.is_resumed());
        let anew = begin(true, true);
        assert!(anew.id() != third.id());
        let other = begin(false, false);
        assert!(other.id() != anew.id() && !other.is_clean());
    }

    #[test]
    fn what_somebody_else_wrote_is_not_gone_on_with() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let state = root.join("state");
        let begin = |secret| Session::begin(&state, secret, root, request(true), false).unwrap();
        let (one, other) = (Secret::of_process(), Secret::of_process());
        let first = begin(&one);
        assert!(begin(&one).is_resumed());
        let path = state.join(DIRECTORY).join(&first.file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"rounds\":1", "\"rounds\":2")).unwrap();
        assert!(!begin(&one).is_resumed());
        assert!(!begin(&other).is_resumed());
    }
}
