//! How long it takes to compare two images: equal ones against hashing them, and a layer of 2,000 files with one
//! difference.
//!
//! `cargo bench -p diff` prints the best of several runs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and what it cannot do ends it"
)]

#[path = "../tests/diff/scene.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod scene;

use std::fs;
use std::time::{Duration, Instant};

use documents::DiffMode;
use oci_image::Digest;
use scene::{Item, Scene, compare_with, draft, file, options};

const ROUNDS: usize = 3;
/// How large each of two layers of the equal images is, in bytes.
const LARGE: usize = 512 << 20;
const FILES: usize = 2_000;

fn best(mut run: impl FnMut()) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    rounds.min().unwrap()
}

/// Returns bytes that cannot be compressed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut number = seed;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// Hashes all blobs of two images, on as many threads as there are images.
fn hash(scenes: &[&Scene]) {
    std::thread::scope(|scope| {
        for scene in scenes {
            scope.spawn(|| {
                let entries = fs::read_dir(scene.path.join("blobs/sha256")).unwrap();
                for entry in entries {
                    let path = entry.unwrap().path();
                    Digest::of_reader(fs::File::open(path).unwrap()).unwrap();
                }
            });
        }
    });
}

fn main() {
    let options = options(DiffMode::Strict);
    let large = |seed| scene::tar(&[file("large", noise(LARGE, seed))]);
    let mut image = scene::of_tars(vec![large(1), large(2)]);
    image.level = 0;
    let (left, right) = (image.write(), image.write());
    let hashing = best(|| hash(&[&left, &right]));
    let comparing = best(|| assert!(compare_with(&left, &right, &options).unwrap().equal));
    println!(
        "two equal images of {} MiB: hashing {hashing:.2?}, comparing {comparing:.2?}: {:.2} times",
        (2 * LARGE) >> 20,
        comparing.as_secs_f64() / hashing.as_secs_f64()
    );
    let many = |last: &str| -> Scene {
        let items: Vec<Item> = (0..FILES)
            .map(|number| {
                let content = noise(16 << 10, number as u64 + 1);
                file(&format!("usr/share/file-{number:04}"), content)
            })
            .chain([file("usr/share/note", last)])
            .collect();
        draft(&items).write()
    };
    let (left, right) = (many("one"), many("two"));
    let comparing = best(|| {
        let diff = compare_with(&left, &right, &options).unwrap();
        assert_eq!(diff.classes[0].count, 1);
    });
    println!("a layer of {FILES} files (32 MiB) with one difference: {comparing:.2?}");
}
