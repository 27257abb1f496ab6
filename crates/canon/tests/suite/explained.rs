//! Why images are not canonical, and which variant of one has a digest.

use std::collections::BTreeMap;

use crate::image::{
    Canonical, Entry, Given, Made, based, canon, canonical, edit_manifest, explain, explain_digest,
    explain_digest_of, from_scratch, sample, step, write, zlib,
};
use canon::Base;
use documents::{ExplainReason, ExplainVerdict};
use oci_image::{Digest, Profile};
use rstest::rstest;

const NEWER_GO: &str = "docker-28.5.2-go-1.27.1/image.tar";
const OLDER_GO: &str = "docker-26.1.5-go-1.24.4/image.tar";

#[test]
fn a_docker_compiled_with_go_1_27_is_named() {
    let explained = explain(&sample(NEWER_GO), Given::default()).unwrap();
    assert_eq!(explained.verdict, ExplainVerdict::Explained);
    assert!(
        explained
            .sentence
            .starts_with("your Docker was built with Go 1.27")
    );
    let [cause] = explained.causes.as_slice() else {
        panic!("expected one cause: {:?}", explained.causes);
    };
    assert_eq!(
        (cause.cause, cause.layers.as_slice()),
        (ExplainReason::NewerGo, &[1, 2][..])
    );
}

#[test]
fn what_is_canonical_needs_no_reason() {
    let explained = explain(&sample(OLDER_GO), from_scratch()).unwrap();
    assert_eq!(explained.verdict, ExplainVerdict::Canonical);
    assert_eq!(explained.causes, []);
}

/// The layers of an image in which there is everything of which there are variants: a directory that a COPY made,
/// with this mode, and a whiteout with this time.
fn rich_layers(mode: u32, time: u64) -> [Vec<Entry>; 2] {
    let directory = || Entry {
        mode,
        ..Entry::directory("made/")
    };
    let file = Entry {
        mode: 0o600,
        ..Entry::file("made/file", b"")
    };
    let whiteout = Entry::whiteout("etc/.wh.file", time);
    [
        vec![directory(), file],
        vec![Entry::directory("etc/"), whiteout],
    ]
}

fn rich() -> Made {
    // The daemon takes the group's right to write from what it makes.
    let [made, deleted] = rich_layers(0o640, 0);
    let mut rich = Made::of(&[&made, &deleted]);
    rich.history = vec![
        step("ARG TARGETARCH=amd64", false),
        step("COPY --chmod=660 a /made/file # buildkit", true),
        step("RUN rm /made/file # buildkit", true),
        step("EXPOSE [80/tcp]", false),
    ];
    rich
}

fn annotations(variant: ExplainReason) -> BTreeMap<String, String> {
    let mut all = Profile::STAGEX_2026.annotations("stagex/x", "1.0");
    match variant {
        ExplainReason::Annotations202503 => {}
        ExplainReason::Annotations202502 => {
            all.retain(|key, _| key == "org.opencontainers.image.version");
        }
        ExplainReason::Annotations2024 => {
            all.retain(|key, _| key == "org.opencontainers.image.version");
            all.insert(
                "org.opencontainers.image.revision".to_owned(),
                "1234".to_owned(),
            );
        }
        _ => all.clear(),
    }
    all
}

fn named() -> Given<'static> {
    Given {
        name: Some(("stagex/core-x".to_owned(), "1.0".to_owned())),
        ..from_scratch()
    }
}

#[rstest]
#[case::older(ExplainReason::Annotations202503)]
#[case::version(ExplainReason::Annotations202502)]
#[case::revision(ExplainReason::Annotations2024)]
#[case::none(ExplainReason::Annotations)]
fn annotations_of_earlier_releases_are_named(#[case] variant: ExplainReason) {
    let made = Made {
        annotations: annotations(variant),
        ..rich()
    };
    let (_temporary, path) = write(&made);
    let explained = explain(&path, named()).unwrap();
    let causes = explained.causes.iter().map(|cause| cause.cause);
    assert_eq!(causes.collect::<Vec<_>>(), [variant], "{explained:?}");
    assert_eq!(explained.verdict, ExplainVerdict::Explained);
}

#[test]
fn annotations_that_are_missing_beside_layers_are_named() {
    let mut made = Made::of(&[
        &[Entry::directory("etc/"), Entry::file("etc/a", b"a")],
        &[Entry::directory("etc/"), Entry::file("etc/b", b"b")],
    ]);
    made.noted[1] = false;
    let explained = made.explain();
    let causes: Vec<_> = explained.causes.iter().map(|cause| cause.cause).collect();
    assert_eq!(causes, [ExplainReason::NotNoted]);
}

#[test]
fn notes_beside_layers_of_the_base_are_named_and_found_by_their_digest() {
    let (base, mut made) = based();
    let layout = canon::open_base(&base.path()).unwrap();
    let (_temporary, path) = write(&made);
    let of_base = || Given {
        base: Some(Base::Image(&layout)),
        ..Given::default()
    };
    let explained = explain(&path, of_base()).unwrap();
    assert_eq!(reasons(&explained), [ExplainReason::NotedOfBase]);
    assert_eq!(explained.verdict, ExplainVerdict::Explained);
    // With these notes it is the canonical image of one that begins with nothing.
    let noted = canon(&path, from_scratch()).unwrap().digest();
    made.noted[0] = false;
    let (_temporary, path) = write(&made);
    let found = explain_digest_of(&path, &noted, of_base());
    assert_eq!(reasons(&found), [ExplainReason::NotedOfBase]);
}

#[test]
fn texts_whiteouts_and_modes_of_older_versions_are_named() {
    let mut made = rich();
    made.history[0] = step("ARG TARGETARCH", false);
    made.history[3] = step("EXPOSE map[80/tcp:{}]", false);
    for (place, layer) in rich_layers(0o755, 1).iter().enumerate() {
        made.layers[place].0 = crate::image::tar(layer);
    }
    let explained = made.stored(canonical).explain();
    let causes: Vec<_> = explained.causes.iter().map(|cause| cause.cause).collect();
    let expected = [
        ExplainReason::Whiteouts,
        ExplainReason::MadeDirectories,
        ExplainReason::ExposeText,
        ExplainReason::ArgumentText,
    ];
    assert_eq!(causes, expected);
    assert!(
        explained.sentence.ends_with("and there are 3 more reasons"),
        "{}",
        explained.sentence
    );
}

#[test]
fn what_is_not_known_is_not_guessed() {
    // flate2 has an encoder of its own, with a header like Go's.
    let explained = rich().stored(zlib).explain();
    let causes: Vec<_> = explained.causes.iter().map(|cause| cause.cause).collect();
    assert_eq!(causes, [ExplainReason::UnknownEncoder]);
    assert_eq!(explained.verdict, ExplainVerdict::Unexplained);
}

#[test]
fn an_image_without_a_canonical_form_is_explained_all_the_same() {
    let mut made = rich();
    made.labels = serde_json::json!({ "io.buildah.version": "1.43.2" });
    for entry in &mut made.history {
        entry["comment"] = "".into();
    }
    let explained = made.explain();
    assert_eq!(explained.verdict, ExplainVerdict::Explained);
    assert!(explained.sentence.starts_with("Buildah or Podman built it"));
    assert!(explained.canon.is_none());
    assert!(
        explained
            .refused
            .unwrap()
            .contains("not written by BuildKit")
    );
    let hint = explained.refused_hint.unwrap();
    assert!(hint.contains("--containerfile"), "{hint}");
}

#[test]
fn an_image_whose_times_were_lost_is_explained_all_the_same() {
    let made = Made {
        media_type: "application/vnd.oci.image.layer.v1.tar",
        ..rich().stored(<[u8]>::to_vec)
    };
    let (_temporary, path) = write(&made);
    edit_manifest(&path, |manifest| {
        manifest["layers"][0]["annotations"]["buildkit/rewritten-timestamp"] = "-1".into();
    });
    let explained = explain(&path, from_scratch()).unwrap();
    let causes: Vec<_> = explained.causes.iter().map(|cause| cause.cause).collect();
    assert_eq!(causes, [ExplainReason::Uncompressed]);
    assert!(explained.refused.unwrap().contains("before the epoch"));
    assert!(
        explained
            .refused_hint
            .unwrap()
            .contains("SOURCE_DATE_EPOCH")
    );
}

#[test]
fn the_whiteouts_of_buildah_are_not_those_of_an_old_buildkit() {
    let mut made = rich();
    made.labels = serde_json::json!({ "io.buildah.version": "1.43.2" });
    for (place, layer) in rich_layers(0o640, 1).iter().enumerate() {
        made.layers[place].0 = crate::image::tar(layer);
    }
    let explained = made.stored(canonical).explain();
    let causes: Vec<_> = explained.causes.iter().map(|cause| cause.cause).collect();
    assert_eq!(causes, [ExplainReason::Buildah]);
}

/// The documents of a canonical image as text, to be edited as other programs would have written them.
struct Documents {
    manifest: String,
    config: String,
    index: String,
}

impl Documents {
    fn of(image: &Canonical) -> Self {
        let read = |digest: &str| {
            let path = image.path().join("blobs/sha256").join(digest);
            std::fs::read_to_string(path).unwrap()
        };
        let manifest = read(image.document.digest.hex());
        let value: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let config = value["config"]["digest"].as_str().unwrap();
        let blobs = image.files();
        let index = blobs.values().find(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.contains('\n') && text.contains(image.document.digest.hex())
        });
        Self {
            config: read(config.trim_start_matches("sha256:")),
            index: String::from_utf8(index.unwrap().clone()).unwrap(),
            manifest,
        }
    }

    /// Replaces a text of the config, and the config in the manifest.
    fn edit_config(&mut self, from: &str, to: &str) {
        let edited = self.config.replace(from, to);
        assert_ne!(edited, self.config, "{from}");
        let (old, new) = (
            Digest::of(self.config.as_bytes()),
            Digest::of(edited.as_bytes()),
        );
        let size = |length: usize| format!("\"size\": {length}");
        self.edit(&old.to_string(), &new.to_string());
        self.edit(&size(self.config.len()), &size(edited.len()));
        self.config = edited;
    }

    /// Replaces a text of the manifest, and the manifest in the index.
    fn edit(&mut self, from: &str, to: &str) {
        assert!(self.manifest.contains(from), "{from} {}", self.manifest);
        let old = self.digest();
        let size = |text: &str| format!("\"size\": {}", text.len());
        let old_size = size(&self.manifest);
        self.manifest = self.manifest.replace(from, to);
        self.index = self.index.replace(&old, &self.digest());
        self.index = self.index.replace(&old_size, &size(&self.manifest));
    }

    /// Replaces a layer.
    fn edit_layer(&mut self, old: &[u8], new: &[u8]) {
        let diff_ids = [old, new].map(|tar| Digest::of(tar).to_string());
        self.edit_config(&diff_ids[0], &diff_ids[1]);
        let blobs = [old, new].map(canonical);
        let described = |blob: &[u8]| {
            let (digest, size) = (Digest::of(blob), blob.len());
            format!("\"digest\": \"{digest}\",\n      \"size\": {size},")
        };
        self.edit(&described(&blobs[0]), &described(&blobs[1]));
    }

    fn digest(&self) -> String {
        Digest::of(self.manifest.as_bytes()).to_string()
    }
}

const SOURCE: &str = r#""containerd.io/distribution.source.docker.io": "stagex/"#;
const CREATED: &str = r#""org.opencontainers.image.created": "1970-01-01T00:00:01Z","#;
const NOTED: &str =
    ",\n      \"annotations\": {\n        \"buildkit/rewritten-timestamp\": \"1\"\n      }";

fn without_stage(documents: &mut Documents) {
    documents.edit(&format!("{SOURCE}core-x"), &format!("{SOURCE}x"));
}

fn version_alone(documents: &mut Documents) {
    documents.edit(&format!("{SOURCE}core-x\",\n    {CREATED}\n    "), "");
}

fn not_noted(documents: &mut Documents) {
    documents.edit(NOTED, "");
}

fn older_texts(documents: &mut Documents) {
    documents.edit_config("EXPOSE [80/tcp]", "EXPOSE map[80/tcp:{}]");
    documents.edit_config("ARG TARGETARCH=amd64", "ARG TARGETARCH");
}

fn older_layers(documents: &mut Documents) {
    let [made, deleted] = rich_layers(0o640, 0);
    let [older_made, older_deleted] = rich_layers(0o755, 1);
    documents.edit_layer(&crate::image::tar(&made), &crate::image::tar(&older_made));
    documents.edit_layer(
        &crate::image::tar(&deleted),
        &crate::image::tar(&older_deleted),
    );
}

fn all_of_it(documents: &mut Documents) {
    older_layers(documents);
    older_texts(documents);
    without_stage(documents);
}

#[rstest]
#[case::annotations(without_stage, &[ExplainReason::Annotations202503])]
#[case::version(version_alone, &[ExplainReason::Annotations202502])]
#[case::not_noted(not_noted, &[ExplainReason::NotNoted])]
#[case::texts(older_texts, &[ExplainReason::ExposeText, ExplainReason::ArgumentText])]
#[case::layers(older_layers, &[ExplainReason::Whiteouts, ExplainReason::MadeDirectories])]
#[case::all(all_of_it, &[
    ExplainReason::Whiteouts,
    ExplainReason::MadeDirectories,
    ExplainReason::ExposeText,
    ExplainReason::ArgumentText,
    ExplainReason::Annotations202503,
])]
fn each_variant_is_found_by_its_digest(
    #[case] edit: fn(&mut Documents),
    #[case] expected: &[ExplainReason],
) {
    let (_temporary, path) = write(&rich());
    let mut documents = Documents::of(&rich().canon().unwrap());
    edit(&mut documents);
    let explained = explain_digest(&path, &documents.digest());
    assert_eq!(reasons(&explained), expected);
    assert_eq!(explained.verdict, ExplainVerdict::Explained);
    let config = Digest::of(documents.config.as_bytes()).to_string();
    let of_config = reasons(&explain_digest(&path, &config));
    assert_eq!(of_config.last(), Some(&ExplainReason::ConfigDigest));
    let index = Digest::of(documents.index.as_bytes()).to_string();
    let of_index = reasons(&explain_digest(&path, &index));
    assert_eq!(of_index, [expected, &[ExplainReason::Index]].concat());
}

#[test]
fn the_canonical_digest_is_its_own_and_that_of_another_image_is_not_found() {
    let (_temporary, path) = write(&rich());
    let canon = rich().canon().unwrap();
    let own = explain_digest(&path, &canon.digest());
    assert_eq!(own.verdict, ExplainVerdict::Canonical);
    for layer in &canon.document.layers {
        for digest in [&layer.digest, &layer.diff_id] {
            let explained = explain_digest(&path, digest.as_str());
            assert_eq!(reasons(&explained), [ExplainReason::LayerDigest]);
        }
    }
    let none = explain_digest(&path, &format!("sha256:{}", "0".repeat(64)));
    assert_eq!(none.verdict, ExplainVerdict::Unexplained);
    // 4 variants of layers, 4 of texts, 4 of annotations, 2 of notes, 2 of compression; each with its index.
    assert!(none.tried > 4 * 4 * 4 * 2 * 2 * 2, "{}", none.tried);
}

#[test]
fn what_nothing_is_other_in_is_not_tried_again() {
    // There is a whiteout, and no directory that a COPY made.
    let mut made = Made::of(&[
        &[Entry::directory("etc/"), Entry::file("etc/a", b"")],
        &[Entry::directory("etc/"), Entry::whiteout("etc/.wh.a", 0)],
    ]);
    made.history[1] = step("RUN rm /etc/a # buildkit", true);
    let (_temporary, path) = write(&made);
    let none = explain_digest(&path, &format!("sha256:{}", "0".repeat(64)));
    // 2 variants of layers: each layer and its tar, a config, and as many manifests and indexes.
    assert_eq!(none.tried, 2 * (2 * 2 + 1 + 2 * 2 * 4 * 2));
}

fn reasons(explained: &documents::Explain) -> Vec<ExplainReason> {
    explained.causes.iter().map(|cause| cause.cause).collect()
}
