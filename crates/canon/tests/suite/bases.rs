//! Where an image begins: with nothing, with an image that was named, or with one that its notes show.

use std::io::Write as _;

use crate::image::{
    Entry, Given, Made, based, canon, canonical, edit_manifest, from_scratch, step, unusual, write,
    zlib,
};
use canon::{Base, Error};
use documents::{CanonPart, CanonWhat, ErrorKind};
use oci_image::Digest;

#[test]
fn layers_of_the_base_are_not_noted_and_keep_their_blobs() {
    let mut made = unusual();
    made.noted[0] = false;
    made.layers[0].1 = zlib(&made.layers[0].0);
    let result = made.canon().unwrap();
    let [base, own, _] = result.document.layers.as_slice() else {
        panic!("expected three layers");
    };
    assert!(base.is_of_base && !own.is_of_base);
    assert_eq!(Some(&base.digest), base.before.as_ref());
    // Where all layers were compressed again, so were those of the base.
    let mut all = unusual().stored(zlib);
    all.noted[0] = false;
    let result = all.canon().unwrap();
    let expected = Digest::of(&canonical(&all.layers[0].0));
    assert_eq!(result.document.layers[0].digest, expected.into());
}

#[test]
fn an_image_without_notes_is_what_it_was_if_its_base_is_known() {
    let mut made = unusual();
    made.noted = vec![false; 3];
    let (_temporary, path) = write(&made);
    let result = canon(&path, from_scratch()).unwrap();
    assert_eq!(result.digest(), unusual().canon().unwrap().digest());
}

#[test]
fn a_base_is_named_as_it_is() {
    let (base, mut made) = based();
    let layout = canon::open_base(&base.path()).unwrap();
    made.noted = vec![false, true];
    let of_base = |base| Given {
        base: Some(base),
        ..Given::default()
    };
    let (_temporary, path) = write(&made.clone().stored(zlib));
    let result = canon(&path, of_base(Base::Image(&layout))).unwrap();
    assert_eq!(result.digest(), made.canon().unwrap().digest());
    // The image says itself that it begins with something.
    let error = canon(&path, of_base(Base::Scratch)).err().unwrap();
    assert!(matches!(error, Error::OtherBase { .. }), "{error}");
    let (_temporary, other) = write(&unusual());
    let error = canon(&other, of_base(Base::Image(&layout))).err().unwrap();
    assert!(matches!(error, Error::OtherBase { .. }), "{error}");
}

#[test]
fn a_base_decides_what_is_the_builds_own_if_all_layers_are_noted() {
    let (base, made) = based();
    let layout = canon::open_base(&base.path()).unwrap();
    // As BuildKit 0.13 writes it, and as it is canonical.
    let mut expected = made.clone();
    assert_eq!(made.noted, [true, true]);
    expected.noted = vec![false, true];
    let expected = expected.canon().unwrap();
    let (_temporary, path) = write(&made);
    let given = |base| Given {
        base,
        ..Given::default()
    };
    let result = canon(&path, given(Some(Base::Image(&layout)))).unwrap();
    assert_eq!(result.digest(), expected.digest());
    assert!(!result.document.is_canonical);
    let annotation = (CanonPart::Manifest, None, CanonWhat::Annotations, 1);
    // The layout that the test writes has no index.
    let index = (CanonPart::Index, None, CanonWhat::Indexes, 1);
    assert_eq!(result.changes(), [annotation, index]);
    // The bytes are those of an image of two layers of its own, which has another canonical form.
    let error = canon(&path, given(None)).err().unwrap();
    assert!(matches!(error, Error::Noted), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.hint().unwrap().contains("--base scratch"));
    let result = canon(&path, given(Some(Base::Scratch))).unwrap();
    assert!(result.document.is_canonical);
}

#[test]
fn what_is_from_scratch_for_certain_needs_no_base() {
    let one = Made::of(&[&[Entry::directory("etc/"), Entry::file("etc/a", b"")]]);
    let (_temporary, path) = write(&one);
    assert!(
        canon(&path, Given::default())
            .unwrap()
            .document
            .is_canonical
    );
    // The last entry is the build's, and the layer may be its base's.
    let mut configured = one;
    configured.history.push(step("ENV A=b", false));
    let (_temporary, path) = write(&configured);
    let error = canon(&path, Given::default()).err().unwrap();
    assert!(matches!(error, Error::Noted), "{error}");
    let (_temporary, path) = write(&unusual());
    let error = canon(&path, Given::default()).err().unwrap();
    assert!(matches!(error, Error::Noted), "{error}");
    let own = Given {
        is_own: true,
        ..Given::default()
    };
    assert!(canon(&path, own).unwrap().document.is_canonical);
}

#[test]
fn a_base_that_contradicts_itself_is_refused() {
    let made = Made::of(&[&[Entry::directory("etc/")], &[Entry::file("b", b"")]]);
    let (_temporary, path) = write(&made);
    let base = made.canon().unwrap();
    edit_manifest(&base.path(), |manifest| {
        manifest["layers"].as_array_mut().unwrap().pop();
    });
    let layout = canon::open_base(&base.path()).unwrap();
    let given = Given {
        base: Some(Base::Image(&layout)),
        ..Given::default()
    };
    let error = canon(&path, given).err().unwrap();
    let expected = "its config has 2 layers, and its manifest has 1";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_base_that_is_not_compressed_by_gzip_is_compressed_again() {
    let mut made = Made {
        media_type: "application/vnd.oci.image.layer.v1.tar+bzip2",
        ..unusual()
    };
    made.noted[0] = false;
    made.layers[0].1 = bzip2(&made.layers[0].0);
    let result = made.canon().unwrap();
    let expected = Digest::of(&canonical(&made.layers[0].0));
    assert_eq!(result.document.layers[0].digest, expected.into());
    let [base, ..] = result.document.layers.as_slice() else {
        panic!("expected three layers");
    };
    assert!(base.is_of_base);
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let level = bzip2::Compression::best();
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
