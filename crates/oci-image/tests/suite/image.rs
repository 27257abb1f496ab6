//! Whole images, made of layers that are written here.
//!
//! The digests are those that `docker buildx build` gave the same files, with the command and
//! the exporter's options that `StageX` publishes with: Docker 26.1.5 of Debian 13, whose
//! `BuildKit` 0.13 and Go 1.24 write the canonical format for these files. In the manifest of the
//! second level it notes a clamped time beside the base's layers as well, which later ones do
//! not: there the manifest is that of Docker 28.5.2 (`BuildKit` 0.25), with the first one's blobs.

use std::fs;

use libtest_mimic::{Failed, Trial};
use oci_image::{Difference, Image, Layout, Level, MediaTypes, Profile, first_difference};

use crate::workshop::{Entry, Kind, Workshop, make, make_in};

/// A time in the year 2023, as the times of files are while an engine builds.
const NOW: u64 = 1_700_000_000;

const BASE: &str = "FROM scratch AS package\nCOPY a/ /\nCOPY b/ /usr/share/\nENV NAME=value\n";
const BASE_DIGEST: &str = "sha256:844f45eee2294326e4d290a0dea349bca10c9d99df58fce80b20fe4a55e8f3ae";

const TOP: &str = "FROM stagex/test-base AS package\nCOPY --from=stagex/test-base /usr/ /usr/\n\
                   COPY c/ /\nWORKDIR /etc\nUSER 1000\nENTRYPOINT [\"/bin/<&>\"]\n";
const TOP_DIGEST: &str = "sha256:440a65bc0a6543f23c5605fccb12357739f3e2496f8ce75df3d8da2ccb5deb7c";

/// The context's directory `a`.
const A: [Entry; 7] = [
    ("bin", Kind::Symlink("usr/bin"), 0o777, NOW),
    ("etc", Kind::Directory, 0o755, NOW),
    ("etc/motd", Kind::File("hello\n"), 0o644, NOW),
    ("etc/motd.hard", Kind::HardLink("etc/motd"), 0o644, NOW),
    ("usr", Kind::Directory, 0o755, NOW),
    ("usr/bin", Kind::Directory, 0o755, NOW),
    ("usr/bin/tool", Kind::File("#!/bin/sh\n"), 0o4755, NOW),
];

/// The context's directory `b`, copied.
const B: [Entry; 4] = [
    ("usr", Kind::Directory, 0o755, NOW),
    ("usr/share", Kind::Directory, 0o755, NOW),
    (LONG, Kind::File("x"), 0o644, NOW),
    ("usr/share/é", Kind::File(""), 0o600, NOW),
];

const LONG: &str = concat!(
    "usr/share/a-name-that-is-so-long-that-it-does-not-fit-into-the-field-of-a-header-for-names-",
    "since-it-has-more-than-a-hundred-letters"
);

/// What an engine touches that copies the base's `usr` onto itself.
const AGAIN: [Entry; 6] = [
    ("usr", Kind::Directory, 0o755, NOW),
    ("usr/bin", Kind::Directory, 0o755, NOW),
    ("usr/bin/tool", Kind::File("#!/bin/sh\n"), 0o4755, 1),
    ("usr/share", Kind::Directory, 0o755, NOW),
    (LONG, Kind::File("x"), 0o644, 1),
    ("usr/share/é", Kind::File(""), 0o600, 1),
];

/// The context's directory `c`.
const C: [Entry; 3] = [
    ("etc", Kind::Directory, 0o700, NOW),
    ("etc/motd", Kind::File("goodbye\n"), 0o644, NOW),
    ("etc/new", Kind::File("new\n"), 0o644, NOW),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("image::two_levels_have_an_engine_s_digests", two_levels),
        Trial::test("image::a_broken_layer_leaves_the_old_image", old_stays),
        Trial::test("image::a_changed_base_is_refused", changed_base),
        Trial::test("image::differences_are_named", differences),
        Trial::test("image::a_profile_is_one_value", another_profile),
    ]
}

/// An encoding that nobody has.
static OTHER: Profile = Profile {
    name: "other",
    buildkit: "none",
    epoch: 86_400,
    level: Level::BEST,
    media_types: MediaTypes {
        config: "application/vnd.example.config",
        ..Profile::STAGEX_2026.media_types
    },
    comment: "another maker",
    registry: "registry.example",
    build_arguments: &[],
};

/// Whatever a profile says is in the image, and nothing of another one.
fn another_profile() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let place = workshop.root.join("other");
    let image = make_in(
        &OTHER,
        BASE,
        None,
        vec![workshop.layer("a", &A)?, workshop.layer("b", &B)?],
        &place,
    )?;
    let mut texts = vec![fs::read_to_string(place.join("index.json"))?];
    for blob in [image.manifest, image.config] {
        texts.push(fs::read_to_string(
            place.join("blobs/sha256").join(blob.hex()),
        )?);
    }
    let all = texts.concat();
    for said in [
        "1970-01-02T00:00:00Z",
        "\"86400\"",
        "application/vnd.example.config",
        "another maker",
        "registry.example",
    ] {
        assert!(all.contains(said), "{said} is not in {all}");
    }
    for unsaid in [
        "docker.io",
        "1970-01-01",
        "buildkit.dockerfile",
        "config.v1",
    ] {
        assert!(!all.contains(unsaid), "{unsaid} is in {all}");
    }
    // Go writes its best level into the header of a gzip file.
    let layer = fs::read(
        place
            .join("blobs/sha256")
            .join(image.layers[0].blob.digest.hex()),
    )?;
    assert_eq!(layer[8], 2);
    let usual = workshop.root.join("usual");
    let usual = make(
        BASE,
        None,
        vec![workshop.layer("a", &A)?, workshop.layer("b", &B)?],
        &usual,
    )?;
    assert_eq!(usual.manifest.to_string(), BASE_DIGEST);
    assert_ne!(
        usual.layers[0].diff_id, image.layers[0].diff_id,
        "times reach another epoch"
    );
    Ok(())
}

fn make_base(workshop: &Workshop, place: &str) -> Result<(Image, Layout), Failed> {
    let layers = vec![workshop.layer("a", &A)?, workshop.layer("b", &B)?];
    let place = workshop.root.join(place);
    let image = make(BASE, None, layers, &place)?;
    Ok((image, Layout::open(&place)?))
}

fn make_top(workshop: &Workshop, base: &Layout) -> Result<Image, Failed> {
    let mut workdir = workshop.layer("again", &AGAIN)?;
    let again = workdir.clone();
    workdir.tar = None;
    let layers = vec![again, workshop.layer("c", &C)?, workdir];
    make(TOP, Some(base), layers, &workshop.root.join("top"))
}

fn two_levels() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let (image, base) = make_base(&workshop, "base")?;
    expect(&image.manifest, BASE_DIGEST)?;
    expect(&make_top(&workshop, &base)?.manifest, TOP_DIGEST)
}

fn old_stays() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let (old, layout) = make_base(&workshop, "image")?;
    let broken = workshop.layer("broken", &A)?;
    fs::write(workshop.root.join("broken"), b"no tar")?;
    let layers = vec![broken.clone(), broken];
    let made = make(BASE, None, layers, layout.directory());
    expect(&made.is_err(), "true")?;

    let layout = Layout::open(layout.directory())?;
    layout.verify()?;
    expect(&layout.manifest_digest(), &old.manifest.to_string())?;
    // Nothing of the attempt is left beside it, nor of a new image in its place.
    make_base(&workshop, "image")?;
    expect(&workshop.names()?.join(" "), "a b broken image")
}

fn changed_base() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let (_, base) = make_base(&workshop, "base")?;
    let layer = base.manifest().layers()[1].digest.hex();
    fs::write(
        base.directory().join("blobs/sha256").join(layer),
        b"changed",
    )?;
    let failed = make_top(&workshop, &base).err();
    let message = failed
        .as_ref()
        .and_then(Failed::message)
        .unwrap_or_default();
    let found = ", found 7 with the digest sha256:";
    expect(
        &(message.contains("was changed: expected") && message.contains(found)),
        "true",
    )
}

fn differences() -> Result<(), Failed> {
    let motd = ("etc/motd", Kind::File("hello\n"), 0o644, NOW);
    let changed: [(Entry, &str); 4] = [
        (
            (motd.0, motd.1, 0o640, motd.3),
            "layer 0: `etc/motd`: mode: expected 0644, found 0640",
        ),
        (
            (motd.0, motd.1, motd.2, 0),
            "layer 0: `etc/motd`: time: expected 1.000000000, found 0.000000000",
        ),
        (
            (motd.0, Kind::File("hallo\n"), motd.2, motd.3),
            "layer 0: `etc/motd`: content: expected the same, found another byte at 1",
        ),
        (
            ("etc/mot", motd.1, motd.2, motd.3),
            "layer 0: expected the entry `etc/motd`, found the entry `etc/mot`",
        ),
    ];
    let source = "FROM scratch\nCOPY . .\n";
    let workshop = Workshop::new()?;
    let open = |name: &str, source: &str, entry: Entry| {
        let place = workshop.root.join(name);
        let layer = workshop.layer("layer", &[A[1], entry])?;
        make(source, None, vec![layer], &place)?;
        Ok::<_, Failed>(Layout::open(&place)?)
    };
    let expected = open("expected", source, motd)?;
    for (entry, shown) in changed {
        let found = open("found", source, entry)?;
        let difference = first_difference(&expected, &found)?;
        expect(
            &difference.map_or(String::new(), |found| found.to_string()),
            shown,
        )?;
    }
    let found = open("found", &format!("{source}ENV NAME=value\n"), motd)?;
    match first_difference(&expected, &found)? {
        Some(Difference::Json { place, .. }) => expect(&place, "config.Env[1]"),
        other => Err(format!("expected a difference of configs, found {other:?}").into()),
    }
}

fn expect(found: &impl ToString, expected: &str) -> Result<(), Failed> {
    match found.to_string() {
        found if found == expected => Ok(()),
        found => Err(format!("expected {expected}, found {found}").into()),
    }
}
