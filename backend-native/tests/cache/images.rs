//! Images that a build begins with or copies from: those that are not what they say, odd ones, and
//! those that have a layer more than once.

use std::collections::BTreeMap;
use std::fs;

use backend_api::Cache;
use camino::Utf8PathBuf;
use libtest_mimic::Failed;

use crate::SHELL;
use crate::image::{Entry, Image, layer};
use crate::scene::{Scene, expect, expect_equal, sha256};

/// Whatever of an image is not what its name says: nothing is built on it, nothing of it is kept, and
/// the right image is used afterwards as if nothing had been.
pub(crate) fn an_image_that_is_not_what_it_says_is_refused() -> Result<(), Failed> {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 3] = [
        (|bytes| bytes[100] ^= 1, "with the digest"),
        (|bytes| bytes.push(0), "more than"),
        (|bytes| bytes.truncate(bytes.len() - 1), "found"),
    ];
    let which: [fn(&Image) -> Utf8PathBuf; 3] = [
        |image| image.layers[1].clone(),
        |image| image.config.clone(),
        |image| image.manifest.clone(),
    ];
    let copied = format!("{SHELL}COPY --from=image /i /1\n");
    let begun =
        format!("{SHELL}FROM image\nCOPY --from=shell /bin/busybox /bin/sh\nRUN cat /i >/1\n");
    refused(&copied, which[0], changes[0])?;
    refused(&copied, which[0], changes[1])?;
    refused(&begun, which[0], changes[2])?;
    refused(&begun, which[1], changes[0])?;
    refused(&copied, which[2], changes[0])
}

fn refused(
    text: &str,
    which: fn(&Image) -> Utf8PathBuf,
    (change, expected): (fn(&mut Vec<u8>), &str),
) -> Result<(), Failed> {
    let scene = Scene::new();
    let image = scene.image_of(
        "image",
        &[
            layer(&[Entry::file("below", "below")]),
            layer(&[Entry::file("i", "from the image")]),
        ],
    );
    let path = which(&image);
    let right = fs::read(&path)?;
    let mut wrong = right.clone();
    change(&mut wrong);
    fs::write(&path, &wrong)?;
    for cache in [Cache::Refuse, scene.cache(1)] {
        let error = failure(&scene, text, cache)?;
        let hex = path.file_name().unwrap_or_default();
        for part in ["`image`", hex, "was changed", expected] {
            expect(error.contains(part), &format!("no {part} in: {error}"))?;
        }
    }
    fs::write(&path, &right)?;
    let built = scene.build(text).run()?;
    expect_equal(&built.contents("1"), "from the image")
}

fn failure(scene: &Scene, text: &str, cache: Cache) -> Result<String, Failed> {
    match scene.build(text).cache(cache).run() {
        Ok(built) => Err(format!("it was built: {built:?}").into()),
        Err(error) => Ok(error.message().unwrap_or_default().to_owned()),
    }
}

/// Also where the blob is what its name says, and was unpacked for another image.
pub(crate) fn a_configuration_that_says_another_archive_is_refused() -> Result<(), Failed> {
    let scene = Scene::new();
    let layers = [layer(&[Entry::file("i", "from the image")])];
    let text = format!("{SHELL}COPY --from=image /i /1\n");
    scene.image_of("image", &layers);
    scene.build(&text).run()?;
    let other = sha256(b"other");
    let image = scene.directory.join("image");
    Image::with_archives(&image, &layers, std::slice::from_ref(&other));
    let text = text.replace("/i /1", "/i /2");
    for cache in [Cache::Refuse, scene.cache(1)] {
        let error = failure(&scene, &text, cache)?;
        for part in ["`image`", &other, &sha256(&layers[0])] {
            expect(error.contains(part), &format!("no {part} in: {error}"))?;
        }
    }
    Image::with_archives(&image, &layers, &[]);
    let error = failure(&scene, &text, Cache::Refuse)?;
    let expected = "its manifest lists 1 layers, and its configuration 0";
    expect(error.contains(expected), &error)
}

/// What no kernel has, or what would delete something, is named with its image and layer.
pub(crate) fn odd_entries_are_refused() -> Result<(), Failed> {
    let long = "l".repeat(5000);
    let cases = [
        (Entry::symlink("odd", ""), "without a target"),
        (Entry::symlink("odd", &long), "a target of 5000 bytes"),
        (
            Entry::device("odd", (1 << 31, 0)),
            "the device 2147483648:0",
        ),
        (Entry::device("odd", (1, 1 << 20)), "the device 1:1048576"),
        (Entry::device("odd", (0, 0)), "the character device 0:0"),
    ];
    let scene = Scene::new();
    let text = format!("{SHELL}COPY --from=image / /\n");
    for (entry, expected) in cases {
        let odd = layer(&[entry]);
        scene.image_of("image", &[layer(&[Entry::file("a", "")]), odd.clone()]);
        let error = failure(&scene, &text, scene.cache(1))?;
        for part in ["`image`", &sha256(&odd), "`odd`", expected] {
            expect(error.contains(part), &format!("no {part} in: {error}"))?;
        }
    }
    Ok(())
}

/// Where an attribute has no room, that is said of the file and not of the disk.
pub(crate) fn more_attributes_than_fit_are_no_full_disk() -> Result<(), Failed> {
    let scene = Scene::new();
    let entry = Entry::file("many", "").with_attributes(300);
    scene.image_of("image", &[layer(&[entry])]);
    let text = format!("{SHELL}COPY --from=image / /\n");
    let built = scene.build(&text).run();
    let Err(error) = built else { return Ok(()) };
    let error = error.message().unwrap_or_default();
    expect(error.contains("the extended attribute `user."), error)?;
    expect(
        error.contains("of `/many`") && error.contains("`image`"),
        error,
    )?;
    expect(!error.contains("disk is full"), error)
}

/// What layers make of each other is the same whether one of them occurs once or several times.
pub(crate) fn a_layer_may_occur_more_than_once() -> Result<(), Failed> {
    let empty = layer(&[]);
    let one = layer(&[
        Entry::directory("d", 0o700),
        Entry::file("d/f", "one"),
        Entry::file("d/g", "one"),
        Entry::file("f", "one"),
    ]);
    let deleting = layer(&[Entry::file("d/.wh.f", ""), Entry::file(".wh.f", "")]);
    let hiding = layer(&[
        Entry::directory("d", 0o755),
        Entry::file("d/.wh..wh..opq", ""),
    ]);
    let scene = Scene::new();
    let stacks: [&[&Vec<u8>]; 6] = [
        &[&empty, &one, &empty],
        &[&one, &one, &one],
        &[&one, &deleting, &one],
        &[&one, &hiding, &one, &hiding],
        &[&deleting, &one, &deleting],
        &[&one, &deleting, &hiding, &one, &deleting],
    ];
    for stack in stacks {
        let layers: Vec<_> = stack.iter().map(|layer| (*layer).clone()).collect();
        check(&scene, &layers)?;
    }
    let mut random = 1;
    for _ in 0..20 {
        let known: Vec<_> = (0..3)
            .map(|number| at_random(number, &mut random))
            .collect();
        let layers = (0..6).map(|_| known[below(3, &mut random)].clone());
        check(&scene, &layers.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Compares what is copied from an image with what its layers say; and begins a stage with it.
fn check(scene: &Scene, layers: &[Vec<u8>]) -> Result<(), Failed> {
    scene.image_of("image", layers);
    let text = "FROM image AS base\nCOPY --from=other g /made/\n\
                FROM scratch\nCOPY --from=image / /once/\nCOPY --from=base / /twice/\n";
    let built = scene.build(text).cache(Cache::Refuse).run()?;
    let expected = merged(layers);
    for directory in ["once/", "twice/"] {
        let mut found = built.files(directory);
        found.retain(|path, _| !path.starts_with("made"));
        expect_equal(&found, &expected)?;
    }
    Ok(())
}

/// Returns a layer with files, directories, deletions and marks of a few names.
fn at_random(number: usize, random: &mut u64) -> Vec<u8> {
    let mut entries = Vec::new();
    for name in ["a", "b", "c"] {
        let mode = [0o700, 0o755][below(2, random)];
        match below(5, random) {
            0 => entries.push(Entry::file(name, &number.to_string())),
            1 => entries.push(Entry::file(&format!(".wh.{name}"), "")),
            2 => {}
            kind => {
                entries.push(Entry::directory(name, mode));
                if kind == 3 && below(2, random) == 0 {
                    entries.push(Entry::file(&format!("{name}/.wh..wh..opq"), ""));
                }
                for inner in ["x", "y"] {
                    let path = format!("{name}/{inner}");
                    match below(4, random) {
                        0 => entries.push(Entry::file(&path, &number.to_string())),
                        1 => entries.push(Entry::file(&format!("{name}/.wh.{inner}"), "")),
                        2 => {
                            entries.push(Entry::directory(&path, mode));
                            entries.push(Entry::file(&format!("{path}/z"), &number.to_string()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    layer(&entries)
}

fn below(bound: u64, random: &mut u64) -> usize {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from((*random >> 33) % bound).unwrap_or_default()
}

/// Returns what layers make of each other, by path: what is deleted is gone from the layers below.
fn merged(layers: &[Vec<u8>]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for layer in layers {
        let entries = crate::image::entries(layer);
        let gone = |path: &str, entry: &str| {
            path == entry
                || path
                    .strip_prefix(entry)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        for (path, _) in &entries {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            if name == ".wh..wh..opq" {
                files.retain(|path: &String, _| path == directory || !gone(path, directory));
            } else if let Some(name) = name.strip_prefix(".wh.") {
                let deleted = format!("{directory}/{name}");
                let deleted = deleted.trim_start_matches('/');
                files.retain(|path: &String, _| !gone(path, deleted));
            }
        }
        for (path, what) in entries {
            if path.contains(".wh.") {
                continue;
            }
            if what.starts_with("file") {
                files.retain(|other: &String, _| !gone(other, &path));
            }
            files.insert(path, what);
        }
    }
    files
}

/// The kernel stacks 500 directories: what has more layers that differ is refused, and named.
pub(crate) fn as_many_layers_as_the_kernel_stacks() -> Result<(), Failed> {
    let scene = Scene::new();
    let text = "FROM image AS base\nFROM scratch\nCOPY --from=base / /i/\n";
    let mut layers: Vec<_> = (0..500)
        .map(|number| layer(&[Entry::file(&number.to_string(), "")]))
        .collect();
    layers.push(layers[0].clone());
    scene.image_of("image", &layers);
    let built = scene.build(text).cache(Cache::Refuse).run()?;
    expect_equal(&built.files("i/").len(), &500)?;
    layers.push(layer(&[Entry::file("one more", "")]));
    scene.image_of("image", &layers);
    let error = failure(&scene, text, Cache::Refuse)?;
    let expected = "the image `image`: there are 501 layers";
    expect(error.contains(expected), &error)
}
