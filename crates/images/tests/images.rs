//! One small image in every form, whole and damaged: made here, byte by byte.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fs;
use std::io::{self, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use images::{EntryError, Error, Form, Image, Limits, Source, Streamed, TarEntries};
use oci_image::Digest;
use rstest::rstest;

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn layer() -> Vec<u8> {
    tar(&[("etc/motd".to_owned(), b"hello\n".to_vec())])
}

fn config() -> Vec<u8> {
    let diff_id = Digest::of(&layer());
    format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    )
    .into_bytes()
}

/// Returns the files of a layout whose layer is stored as `stored`.
fn layout(stored: &[u8]) -> Vec<(String, Vec<u8>)> {
    let describe = |kind: &str, bytes: &[u8]| {
        let (digest, size) = (Digest::of(bytes), bytes.len());
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#
        )
    };
    let (config_pointer, layer_pointer) = (
        describe("config.v1+json", &config()),
        describe("layer.v1.tar+gzip", stored),
    );
    let manifest =
        format!(r#"{{"schemaVersion":2,"config":{config_pointer},"layers":[{layer_pointer}]}}"#);
    let pointer = describe("manifest.v1+json", manifest.as_bytes());
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{pointer}]}}"#);
    let blob = |bytes: &[u8]| {
        let hex = Digest::of(bytes).hex();
        (format!("blobs/sha256/{hex}"), bytes.to_vec())
    };
    vec![
        ("index.json".to_owned(), index.into_bytes()),
        blob(manifest.as_bytes()),
        blob(&config()),
        blob(stored),
    ]
}

/// Returns the members of what `docker save` wrote, whose config is called by `hex`.
fn saved(hex: &str) -> Vec<(String, Vec<u8>)> {
    let manifest =
        format!(r#"[{{"Config":"{hex}.json","RepoTags":["x:1"],"Layers":["a/layer.tar"]}}]"#);
    vec![
        (format!("{hex}.json"), config()),
        ("a/layer.tar".to_owned(), layer()),
        ("manifest.json".to_owned(), manifest.into_bytes()),
    ]
}

struct Scene {
    _temporary: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Scene {
    fn directory(files: &[(String, Vec<u8>)]) -> Self {
        let scene = Self::file(&[]);
        fs::remove_file(&scene.path).unwrap();
        for (name, content) in files {
            let path = scene.path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        scene
    }

    fn file(bytes: &[u8]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("image");
        fs::write(&path, bytes).unwrap();
        Self {
            _temporary: temporary,
            path,
        }
    }

    fn open(&self) -> Result<(Form, Image), Error> {
        let source = Source::open(&self.path, &Limits::DEFAULT)?;
        Ok((source.form(), source.only(None)?))
    }

    /// Opens the image and reads all of its only layer.
    fn read(&self) -> Result<Vec<u8>, Error> {
        let (_, image) = self.open()?;
        let mut bytes = Vec::new();
        let read = image.layers[0].open_tar()?.read_to_end(&mut bytes);
        read.map_err(|error| Error::of_read(error, "the layer", "the test"))?;
        Ok(bytes)
    }
}

#[rstest]
#[case::layout(Scene::directory(&layout(&gzip(&layer()))), Form::Layout)]
#[case::oci_archive(Scene::file(&tar(&layout(&gzip(&layer())))), Form::OciArchive)]
#[case::compressed(Scene::file(&gzip(&tar(&layout(&gzip(&layer()))))), Form::OciArchive)]
#[case::docker_archive(Scene::file(&tar(&saved(&Digest::of(&config()).hex()))), Form::DockerArchive)]
fn an_image_is_read_from_every_form(#[case] scene: Scene, #[case] form: Form) {
    let (found, image) = scene.open().unwrap();
    assert_eq!(found, form);
    assert_eq!(image.platform, "linux/amd64");
    assert_eq!(image.config.bytes, config());
    assert_eq!(image.manifest.is_none(), form == Form::DockerArchive);
    assert_eq!(scene.read().unwrap(), layer());
}

#[rstest]
fn a_blob_that_is_not_its_name_is_named(#[values(1, 2, 3)] which: usize) {
    let mut files = layout(&gzip(&layer()));
    let name = files[which].0.rsplit('/').next().unwrap().to_owned();
    *files[which].1.last_mut().unwrap() ^= 1;
    let error = Scene::directory(&files).read().unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(error.to_string().contains(&name), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_config_of_a_docker_archive_that_is_not_its_name_is_named() {
    let hex = "0".repeat(64);
    let error = Scene::file(&tar(&saved(&hex))).read().unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(error.to_string().contains(&hex), "{error}");
}

#[rstest]
fn an_archive_that_ends_too_early_is_an_error(#[values(100, 700, 1_500, 2_500)] length: usize) {
    let mut bytes = tar(&layout(&gzip(&layer())));
    bytes.truncate(length);
    assert!(Scene::file(&bytes).read().is_err());
}

#[rstest]
fn a_compressed_archive_that_ends_too_early_is_damaged(#[values(40, 200)] length: usize) {
    let mut bytes = gzip(&tar(&layout(&gzip(&layer()))));
    bytes.truncate(length);
    let error = Scene::file(&bytes).read().unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let stored = gzip(&vec![0; 1 << 20]);
    let scene = Scene::directory(&layout(&stored));
    let limits = Limits {
        layer: 1 << 16,
        ..Limits::DEFAULT
    };
    let source = Source::open(&scene.path, &limits).unwrap();
    let image = source.only(None).unwrap();
    let error = image.layers[0].open_tar().unwrap().finish().unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

/// Returns the files of a layout with `depth` indexes above one another, each of which lists the next `times` times,
/// and the lowest the image.
fn nested(depth: usize, times: usize, kind: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = layout(&gzip(&layer()));
    let mut top = String::from_utf8(files.remove(0).1).unwrap();
    for _ in 0..depth {
        let (digest, size) = (Digest::of(top.as_bytes()), top.len());
        files.push((
            format!("blobs/sha256/{}", digest.hex()),
            top.clone().into_bytes(),
        ));
        let pointer = format!(
            r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":{size}{kind}}}"#
        );
        let pointers = vec![pointer; times].join(",");
        top = format!(r#"{{"schemaVersion":2,"manifests":[{pointers}]}}"#);
    }
    files.push(("index.json".to_owned(), top.into_bytes()));
    files
}

/// The number of images alone does not bound what indexes that list each other lead to: here it is one.
#[rstest]
#[case::documents(20, 1_000, "20 documents")]
#[case::descriptors(1_000, 30, "30 descriptors")]
fn indexes_that_multiply_are_stopped(
    #[case] images: usize,
    #[case] descriptors: usize,
    #[case] limit: &str,
) {
    let limits = Limits {
        images,
        descriptors,
        ..Limits::DEFAULT
    };
    let open = |times| Source::open(&Scene::directory(&nested(2, times, "")).path, &limits);
    assert_eq!(open(3).unwrap().images().len(), 1);
    let error = open(5).err().unwrap();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains(limit), "{error}");
}

#[test]
fn attestations_are_counted() {
    let limits = Limits {
        descriptors: 20,
        ..Limits::DEFAULT
    };
    let kind = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#;
    let scene = Scene::directory(&nested(1, 21, kind));
    let error = Source::open(&scene.path, &limits).err().unwrap();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

/// A name that an index has is one of each image below it.
#[test]
fn names_are_counted_for_each_image_that_has_them() {
    let name = "a".repeat(100);
    let kind = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
    let scene = Scene::directory(&nested(2, 1, &kind));
    let open = |names| {
        let limits = Limits {
            names,
            ..Limits::DEFAULT
        };
        Source::open(&scene.path, &limits)
    };
    assert_eq!(
        open(400).unwrap().images()[0].names,
        [name.clone(), name.clone()]
    );
    let error = open(399).err().unwrap();
    assert!(error.to_string().contains("399 bytes of names"), "{error}");
}

#[test]
fn a_layer_that_is_not_its_diff_id_is_named() {
    let other = tar(&[("etc/motd".to_owned(), b"other\n".to_vec())]);
    let error = Scene::directory(&layout(&gzip(&other))).read().unwrap_err();
    assert!(
        error.to_string().contains(&Digest::of(&layer()).hex()),
        "{error}"
    );
}

#[test]
fn links_lead_nowhere_out_of_an_archive_and_names_are_not_doubled() {
    let mut files = saved(&Digest::of(&config()).hex());
    files[2].1 = String::from_utf8(files[2].1.clone())
        .unwrap()
        .replace("a/layer.tar", "../../../etc/passwd")
        .into_bytes();
    let error = Scene::file(&tar(&files)).read().unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    let mut files = layout(&gzip(&layer()));
    files.push(files[0].clone());
    let error = Scene::file(&tar(&files)).read().unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

/// Returns a tar whose only entry has extended headers of these types, each of 600 bytes.
fn extended(kinds: &[u8]) -> Vec<u8> {
    // One record of 600 bytes, its own length included.
    extended_by(kinds, &format!("600 comment={}\n", "x".repeat(600 - 13)))
}

/// Returns a tar whose only entry has extended headers of these types and this content.
fn extended_by(kinds: &[u8], content: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for kind in kinds {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    header.set_path("a").unwrap();
    header.set_size(0);
    header.set_cksum();
    archive.append(&header, io::empty()).unwrap();
    archive.into_inner().unwrap()
}

#[rstest]
#[case::records(b"xx")]
#[case::global(b"gx")]
#[case::names(b"Lx")]
#[case::targets(b"KL")]
fn extended_headers_have_one_limit_for_all_of_an_entry(#[case] kinds: &[u8]) {
    let first = |kinds: &[u8], extended_header| {
        let limits = Limits {
            extended_header,
            ..Limits::DEFAULT
        };
        TarEntries::new(Streamed(extended(kinds).as_slice()), &limits).next()
    };
    let entry = first(kinds, 1_200).unwrap().unwrap();
    assert_eq!(entry.extended, kinds);
    assert!(first(&kinds[..1], 1_000).is_ok());
    let error = first(kinds, 1_000).err().unwrap();
    assert!(
        matches!(error, EntryError::TooLong { size: 1_200, .. }),
        "{error}"
    );
}

/// Any number of them may be compressed to nearly nothing.
#[rstest]
#[case::records(b'x')]
#[case::global(b'g')]
#[case::names(b'L')]
fn extended_headers_without_content_are_counted(#[case] kind: u8) {
    let limits = Limits {
        extended_header: 10,
        ..Limits::DEFAULT
    };
    let first = |count| {
        let tar = extended_by(&vec![kind; count], "");
        TarEntries::new(Streamed(tar.as_slice()), &limits).next()
    };
    assert!(first(10).unwrap().is_some());
    let error = first(11).err().unwrap();
    assert!(matches!(error, EntryError::TooLong { .. }), "{error}");
}

#[test]
fn a_tar_has_as_many_entries_as_it_may() {
    let tar = [("a", ""), ("b", "content"), ("c", "")]
        .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()));
    let count = |entries| -> Result<usize, EntryError> {
        let limits = Limits {
            entries,
            ..Limits::DEFAULT
        };
        let tar = self::tar(&tar);
        let mut entries = TarEntries::new(Streamed(tar.as_slice()), &limits);
        let mut count = 0;
        while entries.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(count(3).unwrap(), 3);
    let error = count(2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are too many entries; the limit is 2"
    );
}
