//! Images of engines, captured or made here, become canonical; what cannot is refused.

use std::fs;

use crate::image::{
    Canonical, Entry, Given, Made, canon, canonical, edit_manifest, from_scratch, sample, step,
    unusual, write, zlib,
};
use canon::{Base, Error, Known, Step};
use containerfile::{Build, Scope};
use documents::{CanonPart, CanonWhat, ErrorKind, LayerWriter};
use images::Limits;
use oci_image::{Digest, ImageError};
use rstest::rstest;
use serde_json::json;

/// What Docker wrote that was compiled with Go 1.27, and with an older one: the same package.
const NEWER_GO: &str = "docker-28.5.2-go-1.27.1/image.tar";
const OLDER_GO: &str = "docker-26.1.5-go-1.24.4/image.tar";

fn of_sample(name: &str) -> Canonical {
    canon(&sample(name), Given::default()).unwrap()
}

#[test]
fn what_a_docker_compiled_with_go_1_27_wrote_is_repaired() {
    let repaired = of_sample(NEWER_GO);
    // Its bytes are those of an image with a base, too: see below.
    let expected = canon(&sample(OLDER_GO), from_scratch()).unwrap();
    assert!(expected.document.is_canonical);
    assert!(!repaired.document.is_canonical);
    assert_eq!(repaired.digest(), expected.digest());
    assert_eq!(repaired.files(), expected.files());
    let compressed = [1, 2].map(|layer| (layer, CanonWhat::Compression, 1));
    assert_eq!(repaired.changes_of_layers(), compressed);
    let writers = repaired.document.layers.iter().map(|layer| layer.writer);
    assert_eq!(writers.collect::<Vec<_>>(), [LayerWriter::NewerGo; 2]);
}

#[test]
fn what_is_canonical_stays_byte_for_byte() {
    let once = of_sample(NEWER_GO);
    let again = canon(&once.path(), from_scratch()).unwrap();
    assert!(again.document.is_canonical);
    assert_eq!(again.document.changes, []);
    assert_eq!(again.files(), once.files());
}

#[test]
fn a_layer_that_buildkit_rewrote_is_kept() {
    let made = unusual();
    let result = made.canon().unwrap();
    for (place, (tar, _)) in made.layers.iter().enumerate() {
        assert_eq!(&result.tar(place), tar, "layer {}", place + 1);
    }
    assert_eq!(result.changes_of_layers(), []);
}

#[rstest]
#[case("zlib", zlib, "application/vnd.oci.image.layer.v1.tar+gzip")]
#[case("nothing", <[u8]>::to_vec, "application/vnd.oci.image.layer.v1.tar")]
#[case(
    "docker",
    canonical,
    "application/vnd.docker.image.rootfs.diff.tar.gzip"
)]
fn encodings_do_not_matter(
    #[case] name: &str,
    #[case] how: fn(&[u8]) -> Vec<u8>,
    #[case] media_type: &'static str,
) {
    let expected = unusual().canon().unwrap().digest();
    let made = Made {
        media_type,
        ..unusual().stored(how)
    };
    assert_eq!(made.canon().unwrap().digest(), expected, "{name}");
}

#[test]
fn times_owners_and_order_are_normalised() {
    let expected = Made::of(&[&[
        Entry::directory("a/"),
        Entry::file("a/x", b"1"),
        Entry::file("a-b", b"2"),
    ]]);
    let named = Entry {
        owner: "root",
        ..Entry::file("a-b", b"2").at(1_700_000_000)
    };
    let found = Made::of(&[&[named, Entry::directory("./a"), Entry::file("./a/x", b"1")]]);
    let result = found.canon().unwrap();
    assert_eq!(result.digest(), expected.canon().unwrap().digest());
    let expected = [
        (1, CanonWhat::Times, 1),
        (1, CanonWhat::OwnerNames, 1),
        (1, CanonWhat::Names, 2),
        (1, CanonWhat::Order, 3),
    ];
    for change in expected {
        assert!(
            result.changes_of_layers().contains(&change),
            "{change:?} {:?}",
            result.changes()
        );
    }
}

#[test]
fn whiteouts_get_the_time_0() {
    let mut old = unusual();
    old.layers[1].0 = crate::image::tar(&[
        Entry::directory("etc/"),
        Entry::whiteout("etc/.wh.a", 1),
        Entry::file("etc/a-b", b""),
    ]);
    let result = old.stored(canonical).canon().unwrap();
    assert_eq!(result.digest(), unusual().canon().unwrap().digest());
    assert_eq!(result.changes_of_layers(), [(2, CanonWhat::Whiteouts, 1)]);
}

#[test]
fn directories_that_a_copy_made_get_its_mode() {
    let made = |mode| {
        let directory = Entry {
            mode,
            ..Entry::directory("made/")
        };
        let file = Entry {
            mode: 0o640,
            ..Entry::file("made/file", b"")
        };
        let mut made = Made::of(&[&[directory, file]]);
        made.history = vec![step("COPY --chmod=640 a /made/file # buildkit", true)];
        made
    };
    let result = made(0o755).canon().unwrap();
    assert_eq!(
        result.changes_of_layers(),
        [(1, CanonWhat::MadeDirectories, 1)]
    );
    let newer = made(0o640).canon().unwrap();
    assert_eq!(newer.changes_of_layers(), []);
    assert_eq!(result.digest(), newer.digest());
}

#[rstest]
#[case("EXPOSE map[443/udp:{} 80/tcp:{}]", "EXPOSE [443/udp 80/tcp]")]
#[case("ARG TARGETARCH", "ARG TARGETARCH=amd64")]
fn texts_of_older_versions_are_rewritten(#[case] older: &str, #[case] newer: &str) {
    let with = |text| {
        let mut made = unusual();
        made.history.push(step(text, false));
        made.canon().unwrap()
    };
    let result = with(older);
    assert_eq!(result.digest(), with(newer).digest());
    let history = (CanonPart::Config, None, CanonWhat::History, 1);
    assert!(
        result.changes().contains(&history),
        "{:?}",
        result.changes()
    );
}

fn build(text: &str) -> Build {
    let scope = Scope::new("linux/amd64".parse().unwrap());
    containerfile::parse(text).unwrap().resolve(&scope).unwrap()
}

fn known(build: &Build, runs: &[bool]) -> Given<'static> {
    let build = Box::leak(Box::new(build.clone()));
    let step = |runs: &bool| Step {
        runs: *runs,
        leftovers: Vec::new(),
        destination: None,
    };
    Given {
        base: Some(Base::Scratch),
        known: Some(Known {
            build,
            steps: runs.iter().map(step).collect(),
        }),
        name: Some(("stagex/core-x".to_owned(), "1.0".to_owned())),
        ..Given::default()
    }
}

/// What an engine writes that lists what was touched, for `COPY a /`, `COPY b /`.
fn touched(time: u64) -> Made {
    touched_until(time, time)
}

/// The same with the times of the first file and of the second.
fn touched_until(time: u64, last: u64) -> Made {
    let directory = || Entry::directory("etc/").at(time);
    let mut made = Made::of(&[
        &[directory(), Entry::file("etc/a", b"a").at(time)],
        &[
            directory(),
            Entry::file("etc/a", b"a").at(time),
            Entry::file("etc/b", b"b").at(last),
        ],
    ]);
    made.noted = vec![false; 2];
    made.annotations.clear();
    made.history = vec![json!({ "created_by": "/bin/sh -c #(nop) COPY dir:1 in / " }); 2];
    made.labels = json!({ "io.buildah.version": "1.43.2" });
    made
}

#[test]
fn with_a_containerfile_what_was_only_touched_is_dropped() {
    let build = build("FROM scratch\nCOPY a /\nCOPY b /\n");
    let (_temporary, path) = write(&touched_until(1_700_000_000, 1_700_000_001));
    let result = canon(&path, known(&build, &[false, false])).unwrap();
    let mut expected = Made::of(&[
        &[Entry::directory("etc/"), Entry::file("etc/a", b"a")],
        &[Entry::directory("etc/"), Entry::file("etc/b", b"b")],
    ]);
    expected.history[1] = step("COPY b / # buildkit", true);
    assert_eq!(result.digest(), expected.canon().unwrap().digest());
    let dropped = (2, CanonWhat::Dropped, 1);
    assert!(
        result.changes_of_layers().contains(&dropped),
        "{:?}",
        result.changes()
    );
}

#[rstest]
#[case::epoch(1)]
#[case::another(1_700_000_000)]
fn what_lost_times_would_decide_is_refused(#[case] time: u64) {
    let build = build("FROM scratch\nCOPY a /\nCOPY b /\n");
    let (_temporary, path) = write(&touched(time));
    let error = canon(&path, known(&build, &[false, false])).err().unwrap();
    let is_undecidable = matches!(
        &error,
        Error::Write(ImageError::Undecidable { layer: 2, path }) if path.to_string() == "etc/a"
    );
    assert!(is_undecidable, "{error}");
    assert_eq!(error.kind(), ErrorKind::Package);
}

#[test]
fn a_header_stays_what_a_time_made_it_that_was_clamped() {
    // Without the time, the long name would be split over two fields.
    const NAME: &str = "a-directory-with-a-name-of-fifty-characters-or-so/\
        a-file-whose-name-is-as-long-and-so-the-whole-is-longer-than-a-hundred";
    let directory = Entry::directory("a-directory-with-a-name-of-fifty-characters-or-so/");
    let mut made = Made::of(&[&[directory.at(2), Entry::file("placeholder", b"").at(2)]]);
    let mut tar = made.layers[0].0.clone();
    let at = 512
        + tar[512..]
            .windows(11)
            .position(|part| part == b"placeholder")
            .unwrap();
    let header = long(NAME, 1 << 33);
    tar.splice(at..at + 512, header);
    made.layers[0] = (tar.clone(), canonical(&tar));
    made.noted = vec![false];
    made.history = vec![json!({ "created_by": "other" })];
    let build = build("FROM scratch\nCOPY a /\n");
    let (_temporary, path) = write(&made);
    let once = canon(&path, known(&build, &[false])).unwrap();
    let text = String::from_utf8_lossy(&once.tar(0)).into_owned();
    assert!(text.contains(" path=a-directory"), "{text}");
    let again = canon(&once.path(), from_scratch()).unwrap();
    assert!(again.document.is_canonical, "{:?}", again.changes());
}

/// Returns the headers of a file with a long name in GNU's way, and a time that has no room in octal digits.
fn long(name: &str, time: u64) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_mtime(time);
    archive.append_data(&mut header, name, &b""[..]).unwrap();
    let bytes = archive.into_inner().unwrap();
    bytes[..bytes.len() - 1024].to_vec()
}

#[test]
fn a_containerfile_of_another_image_is_refused() {
    let build = build("FROM scratch\nCOPY a /\n");
    let (_temporary, path) = write(&touched(2));
    let error = canon(&path, known(&build, &[false])).err().unwrap();
    let expected = "has 1 instructions that make a layer, and the image has 2 layers";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn what_is_not_known_is_asked_for() {
    let error = touched(2).canon().err().unwrap();
    assert!(matches!(error, Error::History { entry: 2, .. }), "{error}");
    assert!(error.hint().unwrap().contains("--containerfile"));

    let mut nameless = unusual();
    nameless.annotations.clear();
    let error = nameless.canon().err().unwrap();
    assert!(matches!(error, Error::Name { .. }), "{error}");

    let mut without_notes = unusual();
    without_notes.noted = vec![false; 3];
    let error = without_notes.canon().err().unwrap();
    assert!(matches!(error, Error::Base), "{error}");
    assert!(error.hint().unwrap().contains("--base"));
}

#[rstest]
#[case::no_tar(b"no tar at all".to_vec(), "not usable")]
#[case::cut_off(crate::image::tar(&[Entry::file("a", b"a")])[..600].to_vec(), "too early")]
fn layers_that_are_none_are_refused(#[case] tar: Vec<u8>, #[case] expected: &str) {
    let mut made = unusual();
    made.layers[1] = (tar.clone(), canonical(&tar));
    let error = made.canon().err().unwrap();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    assert!(
        message.contains("layer 2") && message.contains(expected),
        "{message}"
    );
    assert_eq!(error.kind(), ErrorKind::Environment);
}

#[test]
fn a_blob_with_another_digest_than_its_name_is_named_and_refused() {
    let (_temporary, path) = write(&unusual());
    let (_, blob) = &unusual().layers[1];
    let name = Digest::of(blob);
    let place = path.join("blobs/sha256").join(name.hex());
    let mut bytes = fs::read(&place).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&place, &bytes).unwrap();
    let error = canon(&path, from_scratch()).err().unwrap();
    assert!(error.to_string().contains(&name.to_string()), "{error}");
    fs::write(&place, &bytes[..bytes.len() / 2]).unwrap();
    let error = canon(&path, from_scratch()).err().unwrap();
    assert!(error.to_string().contains(&name.to_string()), "{error}");
    fs::remove_file(&place).unwrap();
    let error = canon(&path, from_scratch()).err().unwrap();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn what_is_larger_than_a_layer_may_be_is_refused() {
    const ZEROS: &[u8] = &[0; 1 << 20];
    let (_temporary, path) = write(&Made::of(&[&[Entry::file("bomb", ZEROS)]]));
    let given = |layer| Given {
        limits: Limits {
            layer,
            ..Limits::DEFAULT
        },
        ..Given::default()
    };
    let error = canon(&path, given(1 << 20)).err().unwrap();
    assert!(
        matches!(error, Error::Image(images::Error::TooLarge { .. })),
        "{error}"
    );
    assert!(canon(&path, given(2 << 20)).is_ok());
}

#[rstest]
#[case("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]
#[case("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]
fn layers_that_lie_elsewhere_are_refused(#[case] media_type: &'static str) {
    let made = Made {
        media_type,
        ..unusual()
    };
    let error = made.canon().err().unwrap();
    assert!(matches!(error, Error::Foreign { layer: 1, .. }), "{error}");
}

#[test]
fn a_history_of_fewer_layers_is_refused() {
    let mut made = unusual();
    made.history.pop();
    let error = made.canon().err().unwrap();
    let expected = "the history has 2 layers, and the image has 3";
    assert_eq!(error.to_string(), expected);
    // That is found out before any layer is read.
    let tar = b"no tar at all".to_vec();
    made.layers[1] = (tar.clone(), canonical(&tar));
    assert_eq!(made.canon().err().unwrap().to_string(), expected);
}

#[test]
fn a_name_in_annotations_that_is_none_is_refused() {
    let mut made = unusual();
    let source = "containerd.io/distribution.source.docker.io".to_owned();
    let forged = "stagex/core-x:1.0\nit was canonical already\n";
    made.annotations.insert(source.clone(), forged.to_owned());
    let error = made.canon().err().unwrap();
    assert!(matches!(error, Error::Name { .. }), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    // What `--name` takes is one.
    made.annotations.insert(source, "x".to_owned());
    assert!(made.canon().unwrap().document.is_canonical);
}

#[test]
fn times_that_were_lost_are_refused() {
    let (_temporary, path) = write(&unusual());
    edit_manifest(&path, |manifest| {
        for layer in manifest["layers"].as_array_mut().unwrap() {
            layer["annotations"]["buildkit/rewritten-timestamp"] = "-1".into();
        }
    });
    let error = canon(&path, from_scratch()).err().unwrap();
    assert!(matches!(error, Error::Epoch { layer: 1, .. }), "{error}");
}
