//! What a COPY is kept under, compared with what it copies: of random contexts, a random change to one
//! of their files, and random instructions.
//!
//! Whenever another image comes out, what is looked at has to be something else; and where nothing was
//! changed it has to be the same, wherever on the disk it is.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use snapshot::{Copying, Owner, Ownership, Selection, Source, Tree};

/// A file of a context.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    File(u8),
    Link(&'static str),
    /// A further name of the file at this path, if there is one before it.
    Again(&'static str),
    Pipe,
    Directory,
}

/// What is at each path, with its mode and the nanoseconds of its time.
type Context = BTreeMap<&'static str, (Node, u32, i64)>;

/// Any of them may be a directory to those that begin with it.
const PATHS: &[&str] = &[
    "a", "a/x", "a/y", "b", "b/a", "b/a/x", "b/a/z", "b/x", "c", "c/x", "x", "y.o", "z",
];
const TARGETS: &[&str] = &["x", "/b", "../a/x", "nowhere", "a", "c/x"];
const TAKEN: &[&str] = &[
    ".", "/", "a", "b/", "*", "**/x", "b/**", "b/./a/x", "b/./**/x", "?/x", "[ab]", "b/*/x", "c/x",
    "y.o",
];
const EXCLUDED: &[&[&str]] = &[
    &[],
    &["*.o"],
    &["**/x"],
    &["a", "!a/x"],
    &["b/a"],
    &["x", "*/y"],
];

/// An instruction.
#[derive(Debug, Clone)]
struct Order {
    paths: Vec<&'static str>,
    parents: bool,
    unpack: bool,
    exclude: Vec<String>,
}

impl Order {
    fn selection(&self) -> Selection<'_> {
        Selection {
            parents: self.parents,
            exclude: &self.exclude,
            unpack: self.unpack,
        }
    }
}

fn node() -> impl Strategy<Value = (Node, u32, i64)> {
    let node = prop_oneof![
        4 => (0..3_u8).prop_map(Node::File),
        2 => prop::sample::select(TARGETS).prop_map(Node::Link),
        2 => prop::sample::select(PATHS).prop_map(Node::Again),
        1 => Just(Node::Pipe),
        5 => Just(Node::Directory),
    ];
    let mode = prop::sample::select(vec![0o644, 0o755, 0o4755, 0o1777, 0o700]);
    (node, mode, 0..3_i64)
}

fn context() -> impl Strategy<Value = Context> {
    prop::collection::btree_map(prop::sample::select(PATHS), node(), 1..PATHS.len())
}

fn order() -> impl Strategy<Value = Order> {
    let paths = prop::collection::vec(prop::sample::select(TAKEN), 1..3);
    let exclude = prop::sample::select(EXCLUDED);
    (paths, any::<bool>(), any::<bool>(), exclude).prop_map(|(paths, parents, unpack, exclude)| {
        Order {
            paths,
            parents,
            unpack,
            exclude: exclude.iter().map(|&text| text.to_owned()).collect(),
        }
    })
}

/// Makes the files of a context. What would be in something that is no directory is left out.
fn make(context: &Context, root: &Path) {
    for (path, (node, mode, _)) in context {
        let path = root.join(path);
        if !path
            .parent()
            .is_some_and(|parent| fs::symlink_metadata(parent).is_ok_and(|it| it.is_dir()))
        {
            continue;
        }
        match node {
            Node::File(byte) => fs::write(&path, [*byte]).expect("a test may do that"),
            Node::Link(target) => symlink(target, &path).expect("a test may do that"),
            Node::Again(first) => {
                let first = root.join(first);
                if fs::symlink_metadata(&first).is_ok_and(|it| it.is_file()) {
                    fs::hard_link(first, &path).expect("a test may do that");
                    continue;
                }
                fs::write(&path, [7]).expect("a test may do that");
            }
            Node::Pipe => {
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0)
                    .expect("a test may do that");
            }
            Node::Directory => fs::create_dir(&path).expect("a test may do that"),
        }
        let mode = match node {
            Node::Link(_) => continue,
            // Nobody but root can look into one without this bit.
            Node::Directory => mode | 0o100,
            _ => *mode,
        };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a test may do that");
    }
    // What comes into a directory changes its time.
    for (path, (_, _, nanoseconds)) in context.iter().rev() {
        set_time(&root.join(path), *nanoseconds);
    }
    set_time(root, 0);
}

fn set_time(path: &Path, tv_nsec: i64) {
    let time = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    // What was left out has none.
    let _ = rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// Returns what an instruction is kept under, for a context.
fn key(context: &Path, order: &Order) -> Result<String, String> {
    let tree = Tree::open(context).expect("a test may do that");
    let look = || -> snapshot::Result<_> {
        let mut all = snapshot::Look::of_nothing();
        for path in &order.paths {
            let taken = snapshot::take(&tree, path.as_bytes(), &order.selection())?;
            all = all.and(taken.look(&tree)?);
        }
        Ok(all)
    };
    look()
        .map(|look| look.digest.to_string())
        .map_err(|error| error.to_string())
}

/// Returns what is in the image that comes out: all of it but for the times of directories, some of which
/// are those at which they are made.
fn image(context: &Path, order: &Order) -> Result<Vec<String>, String> {
    let out = tempfile::tempdir().expect("a test may do that");
    let [tree, into] =
        [context, out.path()].map(|path| Tree::open(path).expect("a test may do that"));
    let copying = Copying {
        destination: b"/out/",
        owner: Some(Owner {
            user: rustix::process::getuid().as_raw(),
            group: rustix::process::getgid().as_raw(),
        }),
        mode: None,
    };
    let ownership = Ownership::Root;
    let source = Source {
        tree: &tree,
        ownership,
    };
    for path in &order.paths {
        let taken = snapshot::take(&tree, path.as_bytes(), &order.selection());
        let copied = taken.and_then(|taken| snapshot::copy(source, &taken, &into, &copying));
        copied.map_err(|error| error.to_string())?;
    }
    let mut lines = Vec::new();
    let mut files = BTreeMap::new();
    list(out.path(), &mut lines, &mut files);
    Ok(lines)
}

fn list(directory: &Path, lines: &mut Vec<String>, files: &mut BTreeMap<u64, usize>) {
    let mut names: Vec<_> = fs::read_dir(directory)
        .expect("a test may do that")
        .map(|it| it.expect("a test may do that").path())
        .collect();
    names.sort();
    for path in names {
        let status = fs::symlink_metadata(&path).expect("a test may do that");
        let kind = status.file_type();
        let mut fields = vec![format!("{:?} {:o}", path.file_name(), status.mode())];
        if !status.is_dir() {
            let first = *files.entry(status.ino()).or_insert(lines.len());
            fields.push(format!("{} {}", lines.len() - first, status.mtime_nsec()));
        }
        if status.is_file() {
            let bytes = fs::read(&path).expect("a test may do that");
            fields.push(format!("{bytes:?}"));
        } else if status.is_symlink() {
            let target = fs::read_link(&path).expect("a test may do that");
            fields.push(target.display().to_string());
        } else {
            fields.push(kind.is_fifo().to_string());
        }
        lines.push(fields.join(" "));
        if status.is_dir() {
            list(&path, lines, files);
            lines.push("end".to_owned());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn another_image_has_another_key(
        before in context(),
        (path, new) in (prop::sample::select(PATHS), prop::option::of(node())),
        order in order(),
    ) {
        let mut after = before.clone();
        match new {
            Some(node) => after.insert(path, node),
            None => after.remove(path),
        };
        let [one, same, other] = [&before, &before, &after].map(|context| {
            let directory = tempfile::tempdir().expect("a test may do that");
            make(context, directory.path());
            directory
        });
        let keys = [&one, &same, &other].map(|directory| key(directory.path(), &order));
        prop_assert_eq!(&keys[0], &keys[1], "nothing was changed");
        let images = [&one, &other].map(|directory| image(directory.path(), &order));
        prop_assert!(images[0].is_err() || keys[0].is_ok(), "{:?}", keys[0]);
        // What cannot be copied has no image: its error may name another file under the same key.
        if images[0] != images[1] && images.iter().any(Result::is_ok) {
            prop_assert_ne!(&keys[0], &keys[2], "{:#?}", images);
        }
        // What is not copied is not looked at either: another file beside has no say in it.
        if images[0].is_ok() && !order.paths.iter().any(|path| "./*[?".contains(&path[..1])) {
            File::create(one.path().join("unused")).expect("a test may do that");
            set_time(one.path(), 0);
            prop_assert_eq!(&key(one.path(), &order), &keys[0]);
        }
    }
}
