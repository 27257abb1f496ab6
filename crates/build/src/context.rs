//! The directory that a build reads with COPY and ADD: the package's own files, as they are in
//! version control, and its sources under `fetch/`.
//!
//! It is assembled anew for each build, so that nothing else reaches a build: no old source that
//! still lies about, no umask, no time of a checkout. What was hashed is what is copied. It knows files,
//! not what they mean.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use beneath::Directory;
use camino::Utf8Path;
use state::{Hash, IoContext as _};

use crate::copy;
use crate::error::Error;
use crate::ignore::Ignored;
use crate::listing::{ContextFile, ContextFileKind, FETCH, is_deletion, is_executable};

/// The time of the first file of a context: 2001-09-09T01:46:40Z. It is later than any epoch
/// that images are clamped to, so that a file of a context is never taken for one of a base
/// image; each further file is one second younger, so that two files are never taken for one.
///
/// The fraction of the second is made of the file's bytes. BuildKit keeps the files that it was
/// sent, and takes a file of the same name, size and time for the one that it has.
pub(crate) const FIRST_TIME: u64 = 1_000_000_000;

/// Writes the files of `directory` that are not ignored into `context`, with the modes 0755 and 0644 and
/// with times that only the files decide. What lies under `fetch/` keeps its times.
///
/// # Errors
///
/// Also if a file is no longer what it was when it was listed and hashed.
pub(crate) fn assemble(
    directory: &Directory,
    files: &[ContextFile],
    ignored: &Ignored,
    context: &Utf8Path,
) -> Result<(), Error> {
    make_directory(context)?;
    for (file, seconds) in without(ignored, files).zip(FIRST_TIME..) {
        let (from, to) = (directory.path().join(&file.path), context.join(&file.path));
        if file.path.file_name().is_some_and(is_deletion) {
            return Err(Error::Deletion { path: from });
        }
        match &file.kind {
            ContextFileKind::Directory => make_directory(&to)?,
            ContextFileKind::Symlink(target) => symlink(target, &to).at("link", &to)?,
            ContextFileKind::Special(found) => return Err(Error::Special { path: from, found }),
            ContextFileKind::File {
                executable, hash, ..
            } => {
                let opened = directory.file(&file.path).at("open", &from)?;
                let metadata = opened.metadata().at("read", &from)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                let (copied, found) = copy::copy(&opened, &to, mode).at("copy", &from)?;
                let is_known = hash
                    .as_ref()
                    .is_none_or(|hash| *hash == printable::hex(&found));
                if !is_known || is_executable(&metadata) != *executable {
                    return Err(Error::Changed { path: from });
                }
                let time = if file.path.starts_with(FETCH) {
                    metadata.modified().at("read", &from)?
                } else {
                    time(seconds, &found)
                };
                copied.set_modified(time).at("set time of", &to)?;
            }
        }
    }
    Ok(())
}

/// Returns the files that are not ignored, and the directories that they are in.
fn without<'a>(
    ignored: &Ignored,
    files: &'a [ContextFile],
) -> impl Iterator<Item = &'a ContextFile> {
    // A directory comes before what is in it.
    let mut on_the_way: Vec<&ContextFile> = Vec::new();
    files.iter().flat_map(move |file| {
        on_the_way.retain(|directory| file.path.starts_with(&directory.path));
        if !ignored.has(&file.path) {
            on_the_way.push(file);
            return std::mem::take(&mut on_the_way);
        }
        if file.kind == ContextFileKind::Directory {
            on_the_way.push(file);
        }
        Vec::new()
    })
}

/// Returns the time of a file of a context, whose fraction stands for its contents.
pub(crate) fn time(seconds: u64, hash: &Hash) -> SystemTime {
    let [a, b, c, d, ..] = *hash;
    let fraction = u32::from_be_bytes([a, b, c, d]) % 1_000_000_000;
    SystemTime::UNIX_EPOCH + Duration::new(seconds, fraction)
}

/// Makes a directory that everyone may read, whatever the umask.
pub(crate) fn make_directory(path: &Utf8Path) -> Result<(), state::Error> {
    fs::create_dir_all(path).at("create directory", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).at("set mode of", path)
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use rstest::rstest;
    use state::{Directories, Hashes};

    use super::*;
    use crate::listing::{Foreign, inputs_of_files, list_context, open_package};

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, path)
    }

    fn time(path: &Utf8Path) -> Duration {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn modes_times_and_leftovers_of_the_checkout_do_not_reach_the_build() {
        let (_temporary, root) = directory();
        let package = root.join("package");
        fs::create_dir_all(package.join("files")).unwrap();
        fs::create_dir_all(package.join("fetch")).unwrap();
        fs::write(package.join("fetch/old.tar"), "").unwrap();
        fs::write(package.join("files/run"), "x").unwrap();
        fs::set_permissions(package.join("files/run"), Permissions::from_mode(0o700)).unwrap();
        fs::write(package.join("files/text"), "y").unwrap();
        fs::set_permissions(package.join("files/text"), Permissions::from_mode(0o600)).unwrap();

        let context = root.join("context");
        let package = Directory::open(&package).unwrap();
        let files = list_context(&package, Foreign::Fetch).unwrap();
        assemble(&package, &files, &nothing(&package), &context).unwrap();

        let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["files", "files/run", "files/text"]);
        let mode = |name: &str| {
            fs::metadata(context.join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("files/run") & 0o7777, 0o755);
        assert_eq!(mode("files/text") & 0o7777, 0o644);
        assert_eq!(
            time(&context.join("files/text")).as_secs(),
            time(&context.join("files/run")).as_secs() + 1
        );
    }

    #[test]
    fn a_file_with_other_bytes_of_the_same_size_has_another_time() {
        let (_temporary, root) = directory();
        let package = root.join("package");
        fs::create_dir_all(&package).unwrap();
        let written = |contents: &str, context: &str| {
            fs::write(package.join("file"), contents).unwrap();
            let package = Directory::open(&package).unwrap();
            let files = list_context(&package, Foreign::Fetch).unwrap();
            assemble(&package, &files, &nothing(&package), &root.join(context)).unwrap();
            time(&root.join(context).join("file"))
        };
        let (first, second) = (written("one", "first"), written("two", "second"));
        assert_ne!(first, second);
        assert_eq!(first.as_secs(), second.as_secs());
        assert_eq!(first, written("one", "again"));
    }

    #[test]
    fn a_file_whose_name_deletes_is_refused_unless_it_is_ignored() {
        let (_temporary, root) = directory();
        let package = root.join("package");
        fs::create_dir_all(package.join("below")).unwrap();
        fs::write(package.join("below/.wh.file"), "").unwrap();
        let assembled = |to: &str| {
            let directory = Directory::open(&package).unwrap();
            let files = list_context(&directory, Foreign::Own(None)).unwrap();
            let ignored = Ignored::of(directory.path(), &files, None).unwrap();
            assemble(&directory, &files, &ignored, &root.join(to))
        };
        let error = assembled("refused").unwrap_err();
        let path = package.join("below/.wh.file");
        assert!(matches!(&error, Error::Deletion { path: found } if *found == path));
        assert!(error.hint().unwrap().contains(".dockerignore"));
        fs::write(package.join(".dockerignore"), "**/.wh.*\n").unwrap();
        assembled("ignored").unwrap();
    }

    #[test]
    fn what_is_ignored_is_left_out_but_for_directories_on_the_way_to_what_is_not() {
        let (_temporary, root) = directory();
        for file in [
            ".dockerignore",
            "a/b/kept",
            "a/b/other",
            "a/c/other",
            "d/other",
            "e",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = list_context(&Directory::open(&root).unwrap(), Foreign::Fetch).unwrap();
        let names = |text: &str| {
            fs::write(root.join(".dockerignore"), text).unwrap();
            let ignored = Ignored::of(&root, &files, None).unwrap();
            let left = without(&ignored, &files).map(|file| file.path.to_string());
            left.collect::<Vec<_>>()
        };
        assert_eq!(
            names("a\nd\n!a/b/kept\n"),
            [".dockerignore", "a", "a/b", "a/b/kept", "e"]
        );
        assert_eq!(names("*"), [""; 0]);
        assert_eq!(names("").len(), files.len());
    }

    /// A tree with a package that has one file, and a file outside of it that is nobody's business.
    struct Scene {
        _temporary: tempfile::TempDir,
        root: Utf8PathBuf,
        package: Directory,
    }

    impl Scene {
        fn new() -> Self {
            let (temporary, root) = directory();
            fs::create_dir_all(root.join("tree/package/sub")).unwrap();
            fs::write(root.join("tree/package/sub/file"), "text").unwrap();
            fs::create_dir(root.join("outside")).unwrap();
            fs::write(root.join("outside/file"), "secret").unwrap();
            Self {
                _temporary: temporary,
                package: open_package(&root.join("tree"), "package".into()).unwrap(),
                root,
            }
        }

        fn at(&self, path: &str) -> Utf8PathBuf {
            self.package.path().join(path)
        }

        /// Lists the files, each with its hash.
        fn files(&self) -> Vec<ContextFile> {
            let mut files = list_context(&self.package, Foreign::Fetch).unwrap();
            let hashes = Hashes::of_tree(&Directories::of_tree(&self.root.join("tree")));
            inputs_of_files("package".into(), &mut files, &hashes).unwrap();
            files
        }

        fn assemble(&self, files: &[ContextFile]) -> Result<Utf8PathBuf, Error> {
            let context = self.root.join("context");
            assemble(&self.package, files, &nothing(&self.package), &context)?;
            Ok(context)
        }
    }

    fn nothing(package: &Directory) -> Ignored {
        Ignored::of(package.path(), &[], None).unwrap()
    }

    #[rstest]
    #[case::contents(|scene: &Scene| fs::write(scene.at("sub/file"), "next").unwrap())]
    #[case::mode(|scene: &Scene| {
        fs::set_permissions(scene.at("sub/file"), Permissions::from_mode(0o755)).unwrap();
    })]
    #[case::a_link_in_its_place(|scene: &Scene| {
        fs::remove_file(scene.at("sub/file")).unwrap();
        symlink(scene.root.join("outside/file"), scene.at("sub/file")).unwrap();
    })]
    #[case::a_link_on_the_way(|scene: &Scene| {
        fs::remove_dir_all(scene.at("sub")).unwrap();
        symlink(scene.root.join("outside"), scene.at("sub")).unwrap();
    })]
    #[case::a_pipe(|scene: &Scene| {
        fs::remove_file(scene.at("sub/file")).unwrap();
        pipe(&scene.at("sub/file"));
    })]
    fn what_changes_between_the_hash_and_the_copy_is_refused(#[case] change: fn(&Scene)) {
        let scene = Scene::new();
        let files = scene.files();
        change(&scene);
        let error = scene.assemble(&files).unwrap_err();
        assert!(error.to_string().contains("sub/file"), "{error}");
    }

    fn pipe(path: &Utf8Path) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path.as_str(), FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

    #[test]
    fn a_list_that_was_read_and_is_not_the_one_that_was_hashed_is_refused() {
        let scene = Scene::new();
        fs::write(scene.at(".dockerignore"), "sub").unwrap();
        let files = scene.files();
        assert!(Ignored::of(scene.package.path(), &files, None).is_ok());
        fs::write(scene.at(".dockerignore"), "").unwrap();
        let error = Ignored::of(scene.package.path(), &files, None).unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error:?}");
    }

    #[test]
    fn a_pipe_is_refused_unless_it_is_ignored_and_a_socket_is_no_file() {
        let scene = Scene::new();
        pipe(&scene.at("sub/pipe"));
        let _socket = std::os::unix::net::UnixListener::bind(scene.at("socket")).unwrap();
        let files = scene.files();
        let error = scene.assemble(&files).unwrap_err();
        assert!(
            error.to_string().contains("sub/pipe is a named pipe"),
            "{error}"
        );

        fs::write(scene.at(".dockerignore"), "sub/pipe").unwrap();
        fs::remove_dir_all(scene.root.join("context")).unwrap();
        let (files, context) = (scene.files(), scene.root.join("context"));
        assemble(&scene.package, &files, &nothing(&scene.package), &context).unwrap();
        assert!(context.join("sub/file").exists() && !context.join("sub/pipe").exists());
        assert!(!context.join("socket").exists());
    }

    #[test]
    fn a_package_that_is_a_link_out_of_its_tree_is_not_read() {
        let scene = Scene::new();
        symlink("../outside", scene.root.join("tree/other")).unwrap();
        let error = open_package(&scene.root.join("tree"), "other".into()).unwrap_err();
        assert!(matches!(error, state::Error::Io { .. }), "{error:?}");
    }
}
