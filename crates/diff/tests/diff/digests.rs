//! What is passed over since it follows from another difference: where there is no other, it is one.

use std::fs;

use crate::scene::{Draft, Scene, compare_with, describe, draft, file, options, strictly};
use documents::{Diff, DiffClass, DiffMode, DiffPart};
use oci_image::Digest;

fn base() -> Draft {
    draft(&[file("etc/motd", "hello\n")])
}

/// Returns what the first difference is, of which there must be only one.
fn only(diff: &Diff) -> (DiffPart, DiffClass, &str) {
    assert!(!diff.equal, "{diff:#?}");
    assert_eq!(diff.differences.len(), 1, "{diff:#?}");
    let first = diff.first.as_ref().unwrap();
    assert_ne!(first.left, first.right);
    (first.part, first.class, first.what.as_str())
}

#[test]
fn a_manifest_that_has_another_subject_is_another() {
    let with = |subject: &[u8]| Draft {
        manifest: format!(r#","subject":{}"#, describe("manifest.v1+json", subject)),
        ..base()
    };
    let diff = strictly(&with(b"one"), &with(b"two"));
    let expected = (DiffPart::Manifest, DiffClass::Manifest, "digest");
    assert_eq!(only(&diff), expected);
    assert!(strictly(&with(b"one"), &with(b"one")).equal);
}

#[test]
fn a_digest_that_another_field_of_the_same_name_hides_is_compared() {
    let with = |hidden: &[u8]| Draft {
        config: format!(r#","note":"{}","note":"same""#, Digest::of(hidden)),
        ..base()
    };
    let diff = strictly(&with(b"one"), &with(b"two"));
    let expected = (DiffPart::Config, DiffClass::Config, "digest");
    assert_eq!(only(&diff), expected);
    let with = |hidden: &[u8]| Draft {
        manifest: format!(r#","note":"{}","note":"same""#, Digest::of(hidden)),
        ..base()
    };
    let diff = strictly(&with(b"one"), &with(b"two"));
    let expected = (DiffPart::Manifest, DiffClass::Manifest, "digest");
    assert_eq!(only(&diff), expected);
}

/// Returns a layout that lists an image which is not there besides; `below` in an index below the `index.json`.
fn with_absent(absent: &[u8], below: bool) -> Scene {
    let scene = base().write();
    let path = scene.path.join("index.json");
    let index = fs::read_to_string(&path).unwrap();
    let absent = describe("manifest.v1+json", absent);
    let mut index = index.replace("]}", &format!(",{absent}]}}"));
    if below {
        let blob = scene.path.join("blobs/sha256");
        fs::write(blob.join(Digest::of(index.as_bytes()).hex()), &index).unwrap();
        let pointer = describe("index.v1+json", index.as_bytes());
        index = format!(r#"{{"schemaVersion":2,"manifests":[{pointer}]}}"#);
    }
    fs::write(path, index).unwrap();
    scene
}

#[test]
fn a_list_that_names_another_image_which_is_not_there_is_another() {
    for below in [false, true] {
        let scenes = (with_absent(b"one", below), with_absent(b"two", below));
        let mut options = options(DiffMode::Strict);
        let diff = compare_with(&scenes.0, &scenes.1, &options).unwrap();
        let expected = (DiffPart::Index, DiffClass::Index, "digest");
        assert_eq!(only(&diff), expected);
        // Of one platform, only what leads to it is compared.
        options.platform = Some("linux/amd64");
        let diff = compare_with(&scenes.0, &scenes.1, &options).unwrap();
        assert!(diff.equal, "{diff:#?}");
    }
}
