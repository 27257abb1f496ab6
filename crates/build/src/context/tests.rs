//! Contexts of small directories: what reaches them, and what is refused.

use camino::Utf8PathBuf;
use rstest::rstest;
use state::{Directories, Hashes};

use super::*;
use crate::listing::{Foreign, inputs_of_files, list_context, open_package};

const NOT_OURS: Foreign = Foreign::Own {
    own: None,
    made_out: false,
};
const USER: Whose = Whose::User { epoch: 1 };

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
    assemble(
        &package,
        &files,
        &nothing(&package),
        Whose::Package,
        &context,
    )
    .unwrap();

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
        assemble(
            &package,
            &files,
            &nothing(&package),
            Whose::Package,
            &root.join(context),
        )
        .unwrap();
        time(&root.join(context).join("file"))
    };
    let (first, second) = (written("one", "first"), written("two", "second"));
    assert_ne!(first, second);
    assert_eq!(first.as_secs(), second.as_secs());
    assert_eq!(first, written("one", "again"));
}

#[test]
fn hard_links_of_a_users_context_stay_links_and_those_of_a_package_do_not() {
    let (_temporary, root) = directory();
    let package = root.join("package");
    fs::create_dir_all(package.join("below")).unwrap();
    fs::write(package.join("a"), "x").unwrap();
    fs::hard_link(package.join("a"), package.join("below/b")).unwrap();
    fs::hard_link(package.join("a"), root.join("elsewhere")).unwrap();
    fs::write(package.join("c"), "x").unwrap();
    let directory = Directory::open(&package).unwrap();
    let files = list_context(&directory, NOT_OURS).unwrap();
    for (whose, to, links) in [(USER, "user", 2), (Whose::Package, "package's", 1)] {
        let to = root.join(to);
        let linked = assemble(&directory, &files, &nothing(&directory), whose, &to).unwrap();
        assert_eq!(linked, links == 2);
        for (name, links) in [("a", links), ("below/b", links), ("c", 1)] {
            assert_eq!(
                fs::metadata(to.join(name)).unwrap().nlink(),
                links,
                "{name}"
            );
        }
    }
    // What is ignored is no name of a file.
    fs::write(package.join(".dockerignore"), "below\n").unwrap();
    let files = list_context(&directory, NOT_OURS).unwrap();
    let ignored = Ignored::of(directory.path(), &files, None).unwrap();
    assert!(!assemble(&directory, &files, &ignored, USER, &root.join("one")).unwrap());
}

#[rstest]
#[case::a_file("file")]
#[case::a_directory("directory")]
#[case::a_symbolic_link("link")]
fn what_is_from_before_the_epoch_is_refused_in_a_users_context(#[case] name: &str) {
    let (_temporary, root) = directory();
    let package = root.join("package");
    fs::create_dir_all(package.join("directory")).unwrap();
    fs::write(package.join("file"), "").unwrap();
    symlink("file", package.join("link")).unwrap();
    let directory = Directory::open(&package).unwrap();
    let assembled = |seconds: i64, whose: Whose, to: &str| {
        let time = rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 999_999_999,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(&directory, name, &times, flags).unwrap();
        let files = list_context(&directory, NOT_OURS).unwrap();
        assemble(
            &directory,
            &files,
            &nothing(&directory),
            whose,
            &root.join(to),
        )
    };
    let error = assembled(0, USER, "refused").unwrap_err();
    let path = package.join(name);
    assert!(matches!(&error, Error::Early { path: found } if *found == path));
    assert!(error.hint().unwrap().contains("touch -h"));
    assembled(1, USER, "taken").unwrap();
    assembled(-5, Whose::Package, "of a package").unwrap();
}

#[test]
fn a_file_whose_name_deletes_is_refused_unless_it_is_ignored() {
    let (_temporary, root) = directory();
    let package = root.join("package");
    fs::create_dir_all(package.join("below")).unwrap();
    fs::write(package.join("below/.wh.file"), "").unwrap();
    let assembled = |to: &str| {
        let directory = Directory::open(&package).unwrap();
        let files = list_context(&directory, NOT_OURS).unwrap();
        let ignored = Ignored::of(directory.path(), &files, None).unwrap();
        assemble(&directory, &files, &ignored, USER, &root.join(to))
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
        assemble(
            &self.package,
            files,
            &nothing(&self.package),
            Whose::Package,
            &context,
        )?;
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
    let ignored = Ignored::of(scene.package.path(), &files, None).unwrap();
    assemble(&scene.package, &files, &ignored, Whose::Package, &context).unwrap();
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
