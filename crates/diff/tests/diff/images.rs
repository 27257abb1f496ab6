//! Whole images: what is equal, in each mode and in each form, and what is refused.

use std::fs;

use crate::scene::{
    Draft, Item, Scene, compare_with, draft, file, gzip, of_tars, options, other, semantically,
    strictly, tar,
};
use diff::Error;
use documents::{DiffClass, DiffMode, DiffPart, ErrorKind};
use oci_image::Digest;
use rstest::rstest;
use tar::EntryType;

fn base() -> Draft {
    draft(&[
        file("etc/motd", "hello\n"),
        file("etc/os-release", "ID=x\n"),
    ])
}

#[rstest]
fn an_image_is_equal_to_itself(#[values(DiffMode::Strict, DiffMode::Semantic)] mode: DiffMode) {
    let diff = compare_with(&base().write(), &base().write(), &options(mode)).unwrap();
    assert!(
        diff.equal && diff.first.is_none() && diff.classes.is_empty(),
        "{diff:#?}"
    );
    assert_eq!(diff.left.images[0].digest, diff.right.images[0].digest);
}

#[test]
fn an_archive_of_docker_is_equal_to_the_layout_of_the_same_image() {
    let scenes = (base().write(), Scene::docker(&base()));
    let diff = compare_with(&scenes.0, &scenes.1, &options(DiffMode::Strict)).unwrap();
    assert!(diff.equal, "{diff:#?}");
    assert!(diff.notes[0].contains("docker-archive"), "{:?}", diff.notes);
}

#[test]
fn equal_names_do_not_hide_that_a_blob_was_changed() {
    let (left, right) = (base().write(), base().write());
    let blob = gzip(&base().layers[0], 6);
    let path = right
        .path
        .join("blobs/sha256")
        .join(Digest::of(&blob).hex());
    let mut damaged = blob.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(path, damaged).unwrap();
    for mode in [DiffMode::Strict, DiffMode::Semantic] {
        let error = compare_with(&left, &right, &options(mode)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment, "{error}");
        assert!(error.to_string().contains("was changed"), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_config_that_lies_about_a_layer_is_refused() {
    let lies = |draft: &Draft| Draft {
        // The last of two fields of the same name counts.
        config: format!(
            r#","rootfs":{{"type":"layers","diff_ids":["{}"]}}"#,
            Digest::of(b"other")
        ),
        ..draft.clone()
    };
    let result = compare_with(
        &base().write(),
        &lies(&base()).write(),
        &options(DiffMode::Strict),
    );
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn how_a_file_system_came_to_be_means_nothing() {
    let left = of_tars(vec![
        tar(&[file("a", "old"), file("b", "2"), file("gone/c", "3")]),
        tar(&[file("a", "1"), file(".wh.gone", "")]),
    ]);
    let mut right = of_tars(vec![tar(&[
        Item {
            gnu: true,
            user: "root",
            ..file("b", "2")
        },
        file("a", "1"),
    ])]);
    right.created_by = "another".to_owned();
    let diff = semantically(&left, &right);
    assert!(diff.equal, "{diff:#?}");
    assert!(!strictly(&left, &right).equal);
}

#[test]
fn an_opaque_directory_hides_what_is_below_and_not_what_is_beside() {
    let left = of_tars(vec![
        tar(&[file("d/a", ""), file("d/b/c", ""), file("d.x", "")]),
        tar(&[file("d/new", ""), file("d/.wh..wh..opq", "")]),
    ]);
    let right = of_tars(vec![tar(&[file("d.x", ""), file("d/new", "")])]);
    let diff = semantically(&left, &right);
    assert!(diff.equal, "{diff:#?}");
}

#[test]
fn a_semantic_difference_has_a_path_and_its_contents() {
    let left = of_tars(vec![
        tar(&[file("a", "1")]),
        tar(&[file("b", "by root@one\n")]),
    ]);
    let right = draft(&[file("a", "1"), file("b", "by root@two\n")]);
    let diff = semantically(&left, &right);
    let first = diff.first.unwrap();
    assert_eq!(
        (first.part, first.path.as_deref()),
        (DiffPart::Tree, Some("b"))
    );
    assert_eq!(
        first.content.unwrap().lines,
        ["-by root@one", "+by root@two"]
    );
    assert_eq!(diff.causes.len(), 1);
}

#[test]
fn names_of_one_file_are_compared_and_not_which_came_first() {
    let link = |path, target| other(path, EntryType::Link, target);
    let left = draft(&[file("a", "1"), link("b", "a")]);
    let right = draft(&[file("b", "1"), link("a", "b")]);
    let diff = semantically(&left, &right);
    assert!(diff.equal, "{diff:#?}");
    let apart = draft(&[file("a", "1"), file("b", "1")]);
    let diff = semantically(&left, &apart);
    assert_eq!(diff.classes[0].class, DiffClass::Links, "{diff:#?}");
}

#[test]
fn the_first_difference_is_of_the_lowest_layer_whatever_else_differs() {
    let with = |first: &str, time| {
        of_tars(vec![
            tar(&[file("same", "")]),
            tar(&[Item {
                time,
                ..file("a", first)
            }]),
            tar(&[file("b", first)]),
        ])
    };
    let diff = strictly(&with("1", 1), &with("2", 2));
    let first = diff.first.unwrap();
    assert_eq!((first.layer, first.path.as_deref()), (Some(2), Some("a")));
    let counts: Vec<_> = diff
        .classes
        .iter()
        .map(|each| (each.class, each.count))
        .collect();
    assert_eq!(counts, [(DiffClass::Contents, 2), (DiffClass::Times, 1)]);
}

#[test]
fn only_the_first_of_each_class_are_kept_and_all_are_counted() {
    let many = |time| -> Draft {
        let items: Vec<Item> = (0..50)
            .map(|number| Item {
                time,
                ..file(&format!("{number:02}"), time.to_string())
            })
            .collect();
        draft(&items)
    };
    let mut options = options(DiffMode::Strict);
    options.shown = 3;
    options.limits.files = 5;
    let diff = compare_with(&many(1).write(), &many(2).write(), &options).unwrap();
    let counts: Vec<_> = diff.classes.iter().map(|each| each.count).collect();
    assert_eq!(counts, [50, 50]);
    assert_eq!(diff.differences.len(), 6);
    assert!(diff.notes[0].contains("50 files differ, and 5 were looked into"));
}

#[test]
fn platforms_are_compared_with_their_own() {
    let of = |architecture, content: &str| Draft {
        architecture,
        ..draft(&[file("a", content)])
    };
    let left = Scene::layout(&[of("amd64", "1"), of("arm64", "1")]);
    let right = Scene::layout(&[of("arm64", "2"), of("amd64", "1"), of("riscv64", "1")]);
    let mut wanted = options(DiffMode::Semantic);
    let diff = compare_with(&left, &right, &wanted).unwrap();
    let first = diff.first.unwrap();
    assert_eq!(first.platform.as_deref(), Some("linux/arm64"));
    let last = diff.differences.last().unwrap();
    assert_eq!((last.class, last.left.as_deref()), (DiffClass::Index, None));
    wanted.platform = Some("linux/amd64");
    assert!(compare_with(&left, &right, &wanted).unwrap().equal);
    wanted.platform = Some("linux/riscv64");
    let error = compare_with(&left, &right, &wanted).unwrap_err();
    assert!(matches!(error, Error::NoPlatform { .. }), "{error}");
    let said = "no image for linux/riscv64, only for linux/amd64, linux/arm64";
    assert!(error.to_string().ends_with(said), "{error}");
}

#[test]
fn documents_that_say_the_same_may_be_spelled_in_another_way() {
    let mut right = base();
    right.config = " ".to_owned();
    let diff = strictly(&base(), &right);
    let first = diff.first.unwrap();
    assert_eq!(
        (first.part, first.what.as_str()),
        (DiffPart::Config, "spelling")
    );
    assert!(semantically(&base(), &right).equal);
}

#[test]
fn names_with_orders_for_a_terminal_are_not_repeated() {
    let hostile = "a\u{1b}[31m\u{202e}";
    let diff = strictly(&draft(&[file(hostile, "1")]), &draft(&[file(hostile, "2")]));
    let text = serde_json::to_string(&diff).unwrap();
    assert!(
        !text.contains("\\u001b") && !text.contains('\u{202e}'),
        "{text}"
    );
}

#[test]
fn layers_that_are_no_tars_are_refused() {
    let bad = of_tars(vec![vec![b'x'; 2_000]]);
    let error =
        compare_with(&base().write(), &bad.write(), &options(DiffMode::Strict)).unwrap_err();
    assert!(matches!(error, Error::Entry { .. }), "{error}");
    let mut short = tar(&[file("a", vec![b'x'; 5_000])]);
    short.truncate(3_000);
    let short = of_tars(vec![short]);
    let error =
        compare_with(&base().write(), &short.write(), &options(DiffMode::Strict)).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[rstest]
#[case::entries(|options: &mut diff::Options| options.limits.entries = 1)]
#[case::names(|options: &mut diff::Options| options.limits.names = 4)]
#[case::bytes(|options: &mut diff::Options| options.limits.images.layer = 600)]
fn what_is_too_large_is_refused(
    #[case] limit: fn(&mut diff::Options),
    #[values(DiffMode::Strict, DiffMode::Semantic)] mode: DiffMode,
) {
    let mut options = options(mode);
    limit(&mut options);
    let other = draft(&[
        file("etc/motd", "hullo\n"),
        file("etc/os-release", "ID=x\n"),
    ]);
    let error = compare_with(&base().write(), &other.write(), &options).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Environment);
}

/// What is kept of the users and the extended headers of entries counts as their paths do.
#[rstest]
#[case::users(|number| ("uname".to_owned(), format!("{number:030}")))]
#[case::keys(|number| (format!("key-{number:026}"), String::new()))]
fn what_several_entries_may_share_is_counted(#[case] record: fn(usize) -> (String, String)) {
    let layer = |mode| {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..10 {
            let (key, value) = record(number);
            let records = [(key.as_str(), value.as_bytes())];
            archive.append_pax_extensions(records).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            archive
                .append_data(&mut header, number.to_string(), std::io::empty())
                .unwrap();
        }
        of_tars(vec![archive.into_inner().unwrap()]).write()
    };
    let scenes = (layer(0o644), layer(0o600));
    let compare = |names| {
        let mut options = options(DiffMode::Strict);
        options.limits.names = names;
        compare_with(&scenes.0, &scenes.1, &options)
    };
    compare(1_000).unwrap();
    let error = compare(280).unwrap_err();
    assert!(error.to_string().contains("names"), "{error}");
}

/// All layers that make a file system are kept at once, and have one limit.
#[rstest]
#[case::entries(|options: &mut diff::Options| options.limits.entries = 5)]
#[case::names(|options: &mut diff::Options| options.limits.names = 400)]
fn the_layers_of_a_file_system_have_one_limit(#[case] limit: fn(&mut diff::Options)) {
    let layer = |number: usize| tar(&[file(&"a".repeat(80), number.to_string())]);
    let of = |count: usize| of_tars((0..count).map(layer).collect()).write();
    let mut options = options(DiffMode::Semantic);
    limit(&mut options);
    assert!(compare_with(&of(2), &of(3), &options).is_ok());
    let error = compare_with(&of(2), &of(6), &options).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}

#[test]
fn what_is_in_a_file_is_told_by_the_name_that_it_still_has() {
    let link = |path, target| other(path, EntryType::Link, target);
    let with = |content: &str| {
        of_tars(vec![
            tar(&[file("a", content), link("b", "a"), link("c", "a")]),
            tar(&[file(".wh.a", "")]),
        ])
    };
    let diff = semantically(&with("by root@one\n"), &with("by root@two\n"));
    let paths: Vec<_> = diff
        .differences
        .iter()
        .map(|each| each.path.as_deref())
        .collect();
    assert_eq!(paths, [Some("b"), Some("c")]);
    for difference in diff.differences.iter().chain(&diff.first) {
        let content = difference.content.as_ref().unwrap();
        assert_eq!(content.lines, ["-by root@one", "+by root@two"]);
    }
    assert_eq!(diff.causes[0].evidence[0].place, "b");
}
