//! The artifact that carries sources: the same set gives the same bytes, and nothing that is wrong in one gets a
//! source's name.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod scene;
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use fetch::{Error, Exported, Fetcher, Form, How, Imported, Input, Told, Wanted};
use rstest::rstest;
use scene::{Counted, Scene, block_on, contents, hash, of_package};
use server::{Server, file};

/// The contents of the sources. One is what the configuration of an artifact is.
fn bodies() -> [Vec<u8>; 4] {
    [contents(70_000), b"{}".to_vec(), contents(0), contents(513)]
}

/// A scene that has fetched the sources, in an order.
fn filled(order: [usize; 4]) -> (Scene, Vec<Wanted>) {
    let (scene, server) = (Scene::new(), Server::start());
    let sources = order.map(|number| {
        let body = &bodies()[number];
        let url = server.on(&format!("/{number}"), [file(body, "")]);
        of_package("core", &format!("p{number}"), "x.tar", body, &[url])
    });
    assert_eq!(scene.fetch(&sources).failed().count(), 0);
    (scene, sources.into())
}

fn export_to(
    scene: &Scene,
    wanted: &[Wanted],
    name: &str,
    form: Form,
    stop: bool,
) -> Result<Exported, Error> {
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let directory = Directory::open(&scene.root).unwrap();
    let meter = Counted::default();
    let told = Told {
        meter: &meter,
        to_stop: &AtomicBool::new(stop),
    };
    let exported = fetcher.export(wanted, &directory, name.into(), form, told);
    if exported.is_ok() {
        meter.ends();
    }
    exported
}

fn export(scene: &Scene, wanted: &[Wanted], name: &str, form: Form) -> Utf8PathBuf {
    export_to(scene, wanted, name, form, false).unwrap();
    scene.root.join(name)
}

fn import(scene: &Scene, path: &Utf8Path) -> Result<Imported, Error> {
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let input = if path.is_dir() {
        Input::Layout(Directory::open(path).unwrap())
    } else {
        Input::Archive(fs::File::open(path).unwrap())
    };
    let meter = Arc::new(Counted::default());
    let imported = block_on(fetcher.import("seed".into(), input, &(meter.clone() as _)));
    if imported.is_ok() {
        meter.ends();
    }
    imported
}

/// Returns what a directory has, by the paths in it.
fn read(directory: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut next = vec![directory.to_owned()];
    while let Some(path) = next.pop() {
        for entry in path.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                next.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// How many files the store has under final names.
fn stored(scene: &Scene) -> usize {
    fs::read_dir(scene.store("sha256")).unwrap().count()
}

/// Tells whether nothing that was written aside is left.
fn is_tidy(scene: &Scene) -> bool {
    let mut names = scene.root.read_dir_utf8().unwrap();
    names.all(|entry| !entry.unwrap().file_name().starts_with('.'))
        && fs::read_dir(scene.store("partial")).unwrap().count() == 0
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let (one, of_one) = filled([0, 1, 2, 3]);
    let (other, of_other) = filled([3, 1, 0, 2]);
    // What else a store has changes nothing.
    let more = of_package("user", "more", "y", b"more", &[]);
    fs::create_dir_all(other.tree("fetch/user/more")).unwrap();
    fs::write(other.tree("fetch/user/more/y"), b"more").unwrap();
    other.fetch(&[more]);

    let archives = [
        export(&one, &of_one, "a.tar", Form::Archive),
        export(&other, &of_other, "b.tar", Form::Archive),
    ];
    let [first, second] = archives.map(|path| fs::read(path).unwrap());
    assert!(first == second);
    let (layout, of_archive) = (export(&one, &of_one, "a", Form::Layout), tar_of(&first));
    let files = read(&layout);
    assert_eq!(files, read(&export(&other, &of_other, "b", Form::Layout)));
    assert_eq!(files, of_archive);
    assert!(is_tidy(&one) && is_tidy(&other));

    // The bytes themselves are promised: an artifact of today is that of tomorrow.
    let text = |name: &str| String::from_utf8(files[Utf8Path::new(name)].clone()).unwrap();
    let index: serde_json::Value = serde_json::from_str(&text("index.json")).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = text(&format!("blobs/sha256/{}", &digest["sha256:".len()..]));
    let mut hashes: Vec<_> = bodies().map(|body| (hash(&body), body.len())).into();
    hashes.sort();
    let layers: Vec<_> = hashes
        .iter()
        .map(|(hash, size)| {
            format!(
                "{{\"mediaType\":\"application/octet-stream\",\"digest\":\"sha256:{hash}\",\"size\":{size}}}"
            )
        })
        .collect();
    let expected = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
         \"artifactType\":\"application/vnd.stagex.sources.v1\",\"config\":{{\"mediaType\":\
         \"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:\
         44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}},\"layers\":[{}]}}",
        layers.join(",")
    );
    assert_eq!(manifest, expected);
    assert_eq!(text("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
}

/// Returns the files of a tar, of which each header says nothing that differs.
fn tar_of(bytes: &[u8]) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let (mut files, mut names) = (BTreeMap::new(), Vec::new());
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let said = (header.mode(), header.uid(), header.gid(), header.mtime());
        let said = (
            said.0.unwrap(),
            said.1.unwrap(),
            said.2.unwrap(),
            said.3.unwrap(),
        );
        assert_eq!(said, (0o644, 0, 0, 0));
        let name = Utf8PathBuf::from_path_buf(entry.path().unwrap().into_owned()).unwrap();
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut contents).unwrap();
        names.push(name.clone());
        files.insert(name, contents);
    }
    assert!(names.is_sorted());
    files
}

#[rstest]
#[case(Form::Layout, "a")]
#[case(Form::Archive, "a.tar")]
fn what_was_exported_is_fetched_without_a_network(#[case] form: Form, #[case] name: &str) {
    let (from, sources) = filled([0, 1, 2, 3]);
    let path = export(&from, &sources, name, form);
    let mut to = Scene::new();
    to.config.offline = true;
    // What is damaged there is mended, and what has arrived of a source is replaced.
    let (damaged, begun) = (hash(&bodies()[0]), hash(&bodies()[3]));
    for (directory, name, contents) in [("sha256", damaged, "damaged"), ("partial", begun, "begun")]
    {
        fs::create_dir_all(to.store(directory)).unwrap();
        fs::write(to.store(directory).join(name), contents).unwrap();
    }
    let imported = import(&to, &path).unwrap();
    assert_eq!((imported.imported, imported.present), (4, 0));
    to.holds();
    let report = to.fetch(&sources);
    let is_stored = |how: &Result<How, _>| matches!(how, Ok(How::Stored));
    assert!(
        report.sources.iter().all(|(_, how)| is_stored(how)),
        "{report:?}"
    );
    let again = import(&to, &path).unwrap();
    assert_eq!((again.imported, again.present), (0, 4));
    assert!(is_tidy(&to));
}

#[test]
fn what_is_exported_twice_replaces_a_file_and_no_directory() {
    let (scene, sources) = filled([0, 1, 2, 3]);
    let archive = export(&scene, &sources[..1], "a.tar", Form::Archive);
    let first = fs::read(&archive).unwrap();
    export(&scene, &sources, "a.tar", Form::Archive);
    assert!(fs::read(&archive).unwrap() != first);
    fs::create_dir(scene.root.join("empty")).unwrap();
    export(&scene, &sources, "empty", Form::Layout);
    for (name, form) in [
        ("empty", Form::Layout),
        ("empty", Form::Archive),
        ("a.tar", Form::Layout),
    ] {
        let error = export_to(&scene, &sources, name, form, false).unwrap_err();
        assert!(error.hint().unwrap().contains("is in the way"), "{error}");
    }
    assert!(is_tidy(&scene));
}

#[test]
fn nothing_half_is_left() {
    let (scene, sources) = filled([0, 1, 2, 3]);
    let stopped = export_to(&scene, &sources, "a.tar", Form::Archive, true).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    // It has the same length, and no hash of it is known: nothing but the copy tells.
    let path = scene.tree(sources[0].path().as_str());
    fs::write(&path, vec![0; 70_000]).unwrap();
    for (name, form) in [("a.tar", Form::Archive), ("a", Form::Layout)] {
        let error = export_to(&scene, &sources, name, form, false).unwrap_err();
        assert!(
            matches!(&error, Error::Changed(path) if *path == sources[0].path()),
            "{error}"
        );
        assert!(!scene.root.join(name).exists());
    }
    assert!(is_tidy(&scene));
}

/// A layout of one source, and what is done to it.
struct Layout {
    root: Utf8PathBuf,
    manifest: Utf8PathBuf,
    source: Utf8PathBuf,
}

impl Layout {
    fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    /// Replaces a part of the manifest, which gets its new name.
    fn change(&self, from: &str, to: &str) {
        let old = fs::read_to_string(&self.manifest).unwrap();
        let new = old.replacen(from, to, 1);
        assert_ne!(old, new);
        let blob = self.path("blobs/sha256").join(hash(new.as_bytes()));
        fs::remove_file(&self.manifest).unwrap();
        fs::write(blob, &new).unwrap();
        let index = fs::read_to_string(self.path("index.json")).unwrap();
        let index = index
            .replace(&hash(old.as_bytes()), &hash(new.as_bytes()))
            .replace(
                &format!("\"size\":{}", old.len()),
                &format!("\"size\":{}", new.len()),
            );
        fs::write(self.path("index.json"), index).unwrap();
    }
}

const LAYER: &str = "application/octet-stream";

#[rstest]
#[case::other_bytes(|l: &Layout| fs::write(&l.source, vec![0; 513]).unwrap(), "has other contents")]
#[case::shorter(|l: &Layout| fs::write(&l.source, "a").unwrap(), "has 1 bytes instead of 513")]
#[case::gone(|l: &Layout| fs::remove_file(&l.source).unwrap(), "is missing")]
#[case::more(|l: &Layout| fs::write(l.path("blobs/sha256/more"), "").unwrap(), "no layer names `blobs/sha256/more`")]
#[case::beside(|l: &Layout| fs::write(l.path("README"), "").unwrap(), "no layer names `README`")]
#[case::directory(|l: &Layout| fs::create_dir(l.path("blobs/x")).unwrap(), "`blobs/x` in it is a directory")]
#[case::link(
    |l: &Layout| { fs::rename(&l.source, l.path("../x")).unwrap(); symlink(l.path("../x"), &l.source).unwrap(); },
    "is a symbolic link"
)]
#[case::no_index(|l: &Layout| fs::remove_file(l.path("index.json")).unwrap(), "`index.json` is missing")]
#[case::no_json(|l: &Layout| fs::write(l.path("index.json"), "[").unwrap(), "`index.json` in it cannot be understood")]
#[case::version(
    |l: &Layout| fs::write(l.path("oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}").unwrap(),
    "imageLayoutVersion `2.0.0`"
)]
#[case::manifest(|l: &Layout| fs::write(&l.manifest, "{}").unwrap(), "bytes instead of")]
#[case::no_artifact(|l: &Layout| l.change("vnd.stagex.sources", "vnd.x"), "has the artifactType `application/vnd.x.v1`")]
#[case::compressed(|l: &Layout| l.change(LAYER, "application/x+gzip"), "layers[].mediaType `application/x+gzip`")]
#[case::names(|l: &Layout| l.change("\"size\":513", "\"size\":513,\"annotations\":{}"), "unknown field `annotations`")]
#[case::absurd(|l: &Layout| l.change("\"size\":513", "\"size\":18446744073709551615"), "at most 16777216 are taken")]
#[case::negative(|l: &Layout| l.change("\"size\":513", "\"size\":-1"), "cannot be understood")]
#[case::digest(|l: &Layout| l.change("\"digest\":\"sha256:", "\"digest\":\"sha512:"), "is not a digest")]
#[case::traversal(
    |l: &Layout| l.change(l.source.file_name().unwrap(), "../../../../../../etc/passwd"),
    "is not a digest"
)]
#[case::twice(
    |l: &Layout| {
        let text = fs::read_to_string(&l.manifest).unwrap();
        let (_, layer) = text.split_once("\"layers\":[").unwrap();
        let layer = layer.strip_suffix("]}").unwrap();
        l.change(layer, &format!("{layer},{layer}"));
    },
    "is in it twice"
)]
#[case::order(
    |l: &Layout| {
        let text = fs::read_to_string(&l.manifest).unwrap();
        let (_, layer) = text.split_once("\"layers\":[").unwrap();
        let layer = layer.strip_suffix("]}").unwrap();
        let later = layer.replace(l.source.file_name().unwrap(), &"f".repeat(64));
        l.change(layer, &format!("{later},{layer}"));
    },
    "not sorted"
)]
fn what_is_wrong_in_a_layout_is_named(
    #[case] spoil: fn(&Layout),
    #[case] expected: &str,
    #[values(Form::Layout, Form::Archive)] form: Form,
) {
    let (from, sources) = filled([3, 0, 1, 2]);
    let root = export(&from, &sources[..1], "seed", Form::Layout);
    let index = fs::read_to_string(root.join("index.json")).unwrap();
    let (_, digest) = index.split_once("sha256:").unwrap();
    let layout = Layout {
        manifest: root.join("blobs/sha256").join(&digest[..64]),
        source: root.join("blobs/sha256").join(&sources[0].source.hash),
        root: root.clone(),
    };
    spoil(&layout);
    let path = match form {
        Form::Layout => root,
        Form::Archive => {
            let path = from.root.join("seed.tar");
            let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
            archive.follow_symlinks(false);
            archive.append_dir_all(".", &root).unwrap();
            archive.finish().unwrap();
            path
        }
    };
    let to = Scene::new();
    let error = import(&to, &path).unwrap_err();
    let text = said(&error);
    assert!(text.contains(expected), "{text}");
    assert_eq!((error.kind(), stored(&to)), (ErrorKind::Usage, 0));
    assert!(is_tidy(&to));
}

/// Returns an error with all that it comes from.
fn said(error: &dyn std::error::Error) -> String {
    let from = error.source().map_or_else(String::new, said);
    format!("{error}: {from}")
}

#[rstest]
#[case::gzip(|_: &[u8]| b"\x1f\x8b\x08\0".to_vec(), "it is compressed with gzip")]
#[case::text(|_: &[u8]| b"text".repeat(300), "it is not a tar")]
#[case::empty(|_: &[u8]| Vec::new(), "it ends early")]
#[case::no_end(|all: &[u8]| all[..all.len() - 1024].to_vec(), "it ends early")]
#[case::cut(|all: &[u8]| all[..2048].to_vec(), "it ends early")]
#[case::more(|all: &[u8]| [all, b"more"].concat(), "something follows the end")]
#[case::another(|all: &[u8]| [all, all].concat(), "something follows the end")]
#[case::twice(|all: &[u8]| [&all[..all.len() - 1024], all].concat(), "is in it twice")]
fn what_is_wrong_with_a_tar_is_said(#[case] spoil: fn(&[u8]) -> Vec<u8>, #[case] expected: &str) {
    let (from, sources) = filled([0, 1, 2, 3]);
    let path = export(&from, &sources, "seed.tar", Form::Archive);
    let spoiled = spoil(&fs::read(&path).unwrap());
    fs::write(&path, spoiled).unwrap();
    let to = Scene::new();
    let text = said(&import(&to, &path).unwrap_err());
    assert!(text.contains(expected), "{text}");
    assert_eq!(stored(&to), 0);
}
