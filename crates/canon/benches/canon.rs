//! How much faster an image of several layers becomes canonical on several cores than on one, and how much memory
//! that takes.
//!
//! `cargo bench -p canon --bench canon` makes an image of four layers with 256 MiB each of the programs in `/usr`,
//! compressed by zlib, and makes it canonical in processes of their own: on one core, on two, and again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench prints and measures itself, and what it cannot do ends it"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::process::Command;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use canon::{Base, Request};
use flate2::Compression;
use flate2::write::GzEncoder;
use images::{Limits, Source};
use oci_image::{Digest, Profile};
use rayon::ThreadPoolBuilder;
use serde_json::json;

const LAYERS: usize = 4;
/// How large each layer is, in bytes.
const LAYER: u64 = 256 << 20;
const ROUNDS: usize = 2;
/// What names the one thing that a process of its own does.
const ALONE: &str = "--alone";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == ALONE) {
        return alone(
            words[at + 1].parse().unwrap(),
            Utf8Path::new(&words[at + 2]),
        );
    }
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    make(&directory);
    for _ in 0..ROUNDS {
        for threads in ["1", "2"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([ALONE, threads, directory.as_str()]);
            assert!(command.status().unwrap().success());
        }
    }
}

/// Makes an image of the files in `/usr`, in the directory.
fn make(directory: &Utf8Path) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let mut files = Vec::new();
    for place in [
        "/usr/bin",
        "/usr/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/sbin",
    ] {
        let entries = Utf8Path::new(place).read_dir_utf8().unwrap();
        let paths = entries.map(|entry| entry.unwrap().into_path());
        files.extend(paths.filter(|path| path.symlink_metadata().unwrap().is_file()));
    }
    files.sort();
    let mut files = files.into_iter().cycle();
    let (mut layers, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for layer in 0..LAYERS {
        let tar = directory.join("layer");
        let mut archive = tar::Builder::new(BufWriter::new(File::create(&tar).unwrap()));
        let (mut size, mut number) = (0, 0);
        while size < LAYER {
            let content = fs::read(files.next().unwrap()).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            let name = format!("{layer}-{number:06}");
            archive
                .append_data(&mut header, name, content.as_slice())
                .unwrap();
            size += content.len() as u64;
            number += 1;
        }
        archive.into_inner().unwrap().flush().unwrap();
        diff_ids.push(
            Digest::of_reader(File::open(&tar).unwrap())
                .unwrap()
                .to_string(),
        );
        let blob = directory.join("blob");
        let mut encoder = GzEncoder::new(File::create(&blob).unwrap(), Compression::fast());
        std::io::copy(&mut File::open(&tar).unwrap(), &mut encoder).unwrap();
        encoder.finish().unwrap();
        let digest = Digest::of_reader(File::open(&blob).unwrap()).unwrap();
        layers.push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest.to_string(),
            "size": fs::metadata(&blob).unwrap().len(),
        }));
        fs::rename(&blob, blobs.join(digest.hex())).unwrap();
        fs::remove_file(&tar).unwrap();
        history.push(
            json!({ "created_by": "COPY a / # buildkit", "comment": "buildkit.dockerfile.v0" }),
        );
    }
    let put = |document: serde_json::Value| {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        fs::write(blobs.join(digest.hex()), &bytes).unwrap();
        json!({ "digest": digest.to_string(), "size": bytes.len() })
    };
    let config = put(json!({
        "architecture": "amd64", "os": "linux", "config": {}, "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    }));
    let manifest = put(json!({ "schemaVersion": 2, "config": config, "layers": layers }));
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
}

/// Makes the image canonical on so many cores, and says how long it took and how much memory.
fn alone(threads: usize, directory: &Utf8Path) {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let source = Source::open(directory, &Limits::DEFAULT).unwrap();
    let image = source.only(None).unwrap();
    let request = Request {
        image: &image,
        form: source.form(),
        input: directory.as_str(),
        is_own: false,
        profile: Profile::STAGEX_2026,
        name: Some(("stagex/core-x".to_owned(), "1.0".to_owned())),
        base: Some(Base::Scratch),
        known: None,
    };
    let temporary = tempfile::tempdir_in(directory).unwrap();
    let place = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    fs::create_dir(place.join("work")).unwrap();
    let start = Instant::now();
    let made = pool.install(|| canon::canon(&request, &place.join("layout"), &place.join("work")));
    let seconds = start.elapsed().as_secs_f64();
    let mut status = String::new();
    File::open("/proc/self/status")
        .unwrap()
        .read_to_string(&mut status)
        .unwrap();
    let memory = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    println!(
        "{threads} threads: {seconds:.1} s, {memory}, {}",
        made.unwrap().document.digest.hex()
    );
}
