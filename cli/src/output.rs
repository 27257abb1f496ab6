//! `--output` of `docker build`: where the image goes, and what is said of it there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::str::FromStr;

use beneath::Typed;
use build::{Delivery, Profile};
use camino::{Utf8Path, Utf8PathBuf};

use crate::docker::usage;
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;

const NO_DESTINATION: &str = "expected dest=FILE, or dest=- for standard output";

/// Where the image goes, and what is said of it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    destination: Utf8PathBuf,
    /// Whether it is a tar of the layout, or the layout.
    tar: bool,
    name: Option<String>,
    annotations: BTreeMap<String, String>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kind = None;
        let mut destination = None;
        let mut tar = true;
        let mut name = None;
        let mut annotations = BTreeMap::new();
        for word in text.split(',') {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("`{word}`: expected KEY=VALUE, such as type=oci"));
            };
            let must_be = |only: &str| {
                if value == only {
                    Ok(())
                } else {
                    Err(format!("{word}: a canonical image has {key}={only}"))
                }
            };
            match key {
                "type" => kind = Some(value),
                "dest" if value.is_empty() => return Err(NO_DESTINATION.to_owned()),
                "dest" => destination = Some(Utf8PathBuf::from(value)),
                "name" => name = Some(value.to_owned()),
                "tar" => {
                    let expected = || format!("{word}: expected true or false");
                    tar = value.parse().map_err(|_| expected())?;
                }
                "rewrite-timestamp" | "force-compression" | "oci-mediatypes" => must_be("true")?,
                "compression" => must_be("gzip")?,
                _ => match key.strip_prefix("annotation.") {
                    Some(annotation) => {
                        annotations.insert(annotation.to_owned(), value.to_owned());
                    }
                    None => return Err(format!("{key} is not taken")),
                },
            }
        }
        match kind {
            Some("oci") => {}
            Some("image" | "registry") => {
                return Err(
                    "type=oci is taken: images are written, and not stored or pushed".to_owned(),
                );
            }
            _ => return Err("expected type=oci: what is built is an image".to_owned()),
        }
        Ok(Self {
            destination: destination.ok_or(NO_DESTINATION)?,
            tar,
            name,
            annotations,
        })
    }
}

impl Output {
    /// Returns where to deliver the image, with paths relative to `root`. No link in one of `trees` decides
    /// where that is.
    pub(crate) fn delivery(
        &self,
        trees: &[Utf8PathBuf],
        root: &Utf8Path,
    ) -> Result<Delivery, Failure> {
        let named = &self.destination;
        match (self.destination.as_str(), self.tar) {
            ("-", false) => Err(usage(
                "dest=- is a tar: leave tar=false out".to_owned(),
                None,
            )),
            ("-", true) if std::io::stdout().is_terminal() => Err(usage(
                "an image is nothing for a terminal".to_owned(),
                Some("say dest=FILE, or lead standard output somewhere else"),
            )),
            ("-", true) => {
                let stdout = std::io::stdout().as_fd().try_clone_to_owned();
                let stdout =
                    stdout.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
                Ok(Delivery::Stream(Box::new(File::from(stdout))))
            }
            (_, tar) => {
                let typed = beneath::typed(trees, root, named);
                let typed = typed.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => no_folder(named),
                    _ => place::cannot("write", named, &error),
                })?;
                match (tar, typed.in_tree) {
                    (true, true) => file_in_tree(named, &typed),
                    (true, false) => file(named, typed.full()),
                    (false, true) => folder_in_tree(named, &typed),
                    (false, false) => folder(named, typed.full()),
                }
            }
        }
    }

    /// Tells whether the image goes to standard output.
    pub(crate) fn is_standard_output(&self) -> bool {
        self.destination == "-"
    }

    /// Returns the image's name, if it is said there.
    pub(crate) fn name(&self) -> Option<&String> {
        self.name.as_ref()
    }

    /// Refuses annotations that the canonical image does not have.
    pub(crate) fn check_annotations(
        &self,
        profile: &Profile,
        repository: &str,
        tag: &str,
    ) -> Result<(), Failure> {
        let canonical = profile.annotations(repository, tag);
        for (name, value) in &self.annotations {
            let has = canonical.get(name);
            if has != Some(value) {
                let expected =
                    has.map_or("no such annotation".to_owned(), |has| format!("`{has}`"));
                return Err(usage(
                    format!("--output annotation.{name}={value}: a canonical image has {expected}"),
                    None,
                ));
            }
        }
        Ok(())
    }
}

/// Delivers a tar: in place of a file, or into what is no file, such as a pipe. `named` is how the path
/// was written.
fn file(named: &Utf8Path, path: Utf8PathBuf) -> Result<Delivery, Failure> {
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(is_folder(named)),
        Ok(found) if !found.is_file() => {
            let opened = File::options().write(true).open(&path);
            let opened =
                opened.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
            Ok(Delivery::Stream(Box::new(opened)))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(place::cannot("write", named, &error))
        }
        Err(_) if !path.parent().is_some_and(Utf8Path::is_dir) => Err(no_folder(named)),
        _ => Ok(Delivery::File(path)),
    }
}

/// Delivers a tar to a path in the tree: in place of a file, and of nothing else. What else is there may have
/// come with the tree.
fn file_in_tree(named: &Utf8Path, typed: &Typed) -> Result<Delivery, Failure> {
    let parent = typed.path.parent().unwrap_or(Utf8Path::new(""));
    match typed.base.directory(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_folder(named)),
        Err(error) => return Err(place::cannot("write", named, &error)),
        Ok(_) => {}
    }
    let found = typed.base.metadata(&typed.path);
    let found = found.map_err(|error| place::cannot("write", named, &error))?;
    let refused = |what: &str, hint: &str| {
        let message = format!("`{named}` is {what}, which could have come with the tree");
        Err(usage(message, Some(hint)))
    };
    match found {
        Some(found) if found.is_dir() => Err(is_folder(named)),
        Some(found) if found.is_symlink() => {
            let hint =
                "no link in the tree is followed: name what it leads to, if that is what you mean";
            refused("a symbolic link", hint)
        }
        Some(found) if !found.is_file() => refused(
            "no regular file",
            "say dest=-, or name one outside of the tree",
        ),
        _ => Ok(Delivery::File(typed.full())),
    }
}

/// Delivers a layout to a path in the tree.
fn folder_in_tree(named: &Utf8Path, typed: &Typed) -> Result<Delivery, Failure> {
    let is_free = match typed.base.directory(&typed.path) {
        Ok(folder) => {
            let entries = folder.entries();
            let is_empty = entries.is_ok_and(|entries| entries.is_empty());
            let marker = folder.metadata("oci-layout".into());
            is_empty || matches!(marker, Ok(Some(marker)) if marker.is_file())
        }
        Err(error) if beneath::problem(&error).is_some() => {
            return Err(place::cannot("write", named, &error));
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    free(is_free, named)?;
    Ok(Delivery::Folder(typed.full()))
}

/// Delivers a layout, in place of one that is there: of nothing else. Folders on the way are made.
fn folder(named: &Utf8Path, path: Utf8PathBuf) -> Result<Delivery, Failure> {
    let is_free = match path.read_dir_utf8() {
        Ok(mut entries) => entries.next().is_none() || path.join("oci-layout").is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    free(is_free, named)?;
    Ok(Delivery::Folder(path))
}

fn free(is_free: bool, named: &Utf8Path) -> Result<(), Failure> {
    if is_free {
        return Ok(());
    }
    Err(usage(
        format!("`{named}` is there, and no layout of an image: it is not replaced"),
        Some("name another folder, or remove it yourself"),
    ))
}

fn is_folder(named: &Utf8Path) -> Failure {
    let hint = "name a file in it, or write a layout there with tar=false";
    usage(format!("`{named}` is a folder"), Some(hint))
}

/// Refuses what could not be written after all the work.
fn no_folder(named: &Utf8Path) -> Failure {
    let folder = named.parent().unwrap_or(named);
    let message = format!("there is no folder `{folder}` for the image");
    let hint = "make it, or name another with dest=FILE";
    usage(message, Some(hint))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn deliver(root: &Utf8Path, words: &str) -> Result<Delivery, Failure> {
        format!("type=oci,{words}")
            .parse::<Output>()
            .unwrap()
            .delivery(&[root.to_owned()], root)
    }

    fn root() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        (temporary, Utf8PathBuf::from_path_buf(root).unwrap())
    }

    #[test]
    fn a_layout_replaces_nothing_but_a_layout() {
        let (_temporary, root) = root();
        for (folder, file) in [("full", "file"), ("layout", "oci-layout")] {
            fs::create_dir(root.join(folder)).unwrap();
            fs::write(root.join(folder).join(file), "").unwrap();
        }
        fs::create_dir(root.join("empty")).unwrap();
        symlink("full", root.join("link")).unwrap();
        for (destination, is_taken) in [
            ("full", false),
            ("full/file", false),
            ("link", false),
            ("layout", true),
            ("empty", true),
            ("new", true),
        ] {
            let delivery = deliver(&root, &format!("tar=false,dest={destination}"));
            assert_eq!(delivery.is_ok(), is_taken, "{destination}");
        }
    }

    #[test]
    fn outside_of_the_tree_a_link_is_followed_and_what_is_no_file_is_written_into() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        fs::create_dir(&root).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        symlink("file", outside.join("link")).unwrap();
        symlink("/dev/null", outside.join("null")).unwrap();
        for link in [outside.join("link").as_str(), "../link"] {
            let Ok(Delivery::File(path)) = deliver(&root, &format!("dest={link}")) else {
                panic!("expected a file");
            };
            assert_eq!(path, outside.join("file"));
        }
        for device in ["../null", "/dev/null"] {
            let delivery = deliver(&root, &format!("dest={device}"));
            assert!(matches!(delivery, Ok(Delivery::Stream(_))), "{device}");
        }
        assert!(deliver(&root, "dest=.").is_err());
        assert!(deliver(&root, "dest=../nowhere/new").is_err());
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = format!("dest=/proc/self/fd/{}", writer.as_raw_fd());
        assert!(matches!(deliver(&root, &pipe), Ok(Delivery::Stream(_))));
    }

    #[test]
    fn a_destination_means_what_the_kernel_says() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        for directory in [&root, &outside.join("deep/directory")] {
            fs::create_dir_all(directory).unwrap();
        }
        symlink("deep/directory", outside.join("link")).unwrap();
        symlink("deep/new", outside.join("dangling")).unwrap();
        for (named, expected) in [("link/../new", "deep/new"), ("dangling", "deep/new")] {
            let Ok(Delivery::File(path)) = deliver(&root, &format!("dest=../{named}")) else {
                panic!("expected a file");
            };
            assert_eq!(path, outside.join(expected));
        }
    }

    #[test]
    fn no_link_in_the_tree_decides_what_is_written() {
        let (_temporary, outside) = root();
        let root = outside.join("tree");
        fs::create_dir_all(root.join("out")).unwrap();
        fs::create_dir(outside.join("folder")).unwrap();
        fs::write(outside.join("file"), "precious").unwrap();
        symlink("../file", root.join("file")).unwrap();
        symlink("../folder", root.join("folder")).unwrap();
        symlink("../nothing", root.join("dangling")).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        let pipe = root.join("pipe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, pipe.as_str(), kind, mode, 0).unwrap();
        let absolute = root.join("file");
        for destination in ["file", absolute.as_str(), "folder/new", "dangling", "pipe"] {
            for tar in ["true", "false"] {
                let delivery = deliver(&root, &format!("tar={tar},dest={destination}"));
                assert!(delivery.is_err(), "{destination} {tar}");
            }
        }
        for destination in ["new", "out/new", "../new"] {
            let delivery = deliver(&root, &format!("dest={destination}"));
            assert!(matches!(delivery, Ok(Delivery::File(_))), "{destination}");
        }
        assert!(deliver(&root, "dest=nowhere/new").is_err());
    }
}
