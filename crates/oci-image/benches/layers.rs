//! How much faster an image's layers are written on several cores than on one, and how much memory
//! large layers take.
//!
//! `cargo bench -p oci-image --bench layers` writes an image of four layers of the programs in
//! `/usr/bin` and one of a single layer, on one core and on all, in turns; and then, each in a process of its own, an image with
//! one layer of 1 GiB and one with 100,000 files in one layer.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench prints and measures itself, and what it cannot do ends it"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::Scope;
use oci_image::{ImageRequest, LayerSource, Profile, Recorded, assemble};
use rayon::ThreadPoolBuilder;
use tar::{Builder, Header};

const ROUNDS: usize = 5;
const LAYERS: usize = 4;
/// How large each of several layers is, in bytes.
const LAYER: usize = 16 << 20;
const LARGE_FILE: u64 = 1 << 30;
const ENTRIES: u64 = 100_000;
/// What names the one thing that a process of its own does.
const ALONE: &str = "--alone";

fn main() {
    let mut words = std::env::args().skip_while(|word| word != ALONE);
    match words.nth(1).as_deref() {
        Some("file") => {
            let content = fs::read(std::env::current_exe().unwrap()).unwrap();
            alone(|tar| append(tar, "large", &content, LARGE_FILE));
        }
        Some("entries") => alone(|tar| {
            for number in 0..ENTRIES {
                append(tar, &format!("file-{number}"), b"numbers and names, ", 100);
            }
        }),
        _ => {
            cores(LAYERS, LAYER);
            cores(1, LAYERS * LAYER);
            for (name, what) in [("1 GiB in one file", "file"), ("100,000 files", "entries")] {
                let program = std::env::current_exe().unwrap();
                let output = std::process::Command::new(program)
                    .args([ALONE, what])
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{output:?}");
                print!(
                    "{name} in one layer: {}",
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        }
    }
}

/// Writes layers of a size on one core and on all.
fn cores(layers: usize, size: usize) {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let programs = programs();
    let sources: Vec<_> = (0..layers)
        .map(|layer| {
            let path = root.join(format!("{layer}.tar"));
            let mut tar = Builder::new(BufWriter::new(File::create(&path).unwrap()));
            let part = &programs[layer * programs.len() / layers..];
            let part = &part[..part.len().min(size)];
            let name = format!("programs-{layer}");
            tar.append_data(&mut header(part.len() as u64), name, part)
                .unwrap();
            tar.into_inner().unwrap().flush().unwrap();
            source(path)
        })
        .collect();
    let all = std::thread::available_parallelism().unwrap().get();
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (best, threads) in best.iter_mut().zip([1, all]) {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let start = Instant::now();
            pool.unwrap().install(|| write(&sources, root));
            *best = start.elapsed().min(*best);
        }
    }
    let [one, several] = best.map(|duration| duration.as_secs_f64());
    println!(
        "{layers} layers of {} MiB: {one:.2} s on one core, {several:.2} s on {all}: {:.2} times",
        size >> 20,
        one / several
    );
}

/// Writes one layer, and prints how long that took and how much memory.
fn alone(fill: impl FnOnce(&mut Builder<BufWriter<File>>)) {
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    let path = root.join("layer.tar");
    let mut tar = Builder::new(BufWriter::new(File::create(&path).unwrap()));
    fill(&mut tar);
    tar.into_inner().unwrap().flush().unwrap();
    let start = Instant::now();
    write(&[source(path)], root);
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kibibytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{seconds:.2} s, {} MiB of memory", kibibytes >> 10);
}

fn write(layers: &[LayerSource], root: &Utf8Path) {
    let text = format!("FROM scratch\n{}", "COPY a /\n".repeat(layers.len()));
    let platform: containerfile::Platform = "linux/amd64".parse().unwrap();
    let scope = Scope::new(platform.clone());
    let request = ImageRequest {
        repository: "stagex/bench".to_owned(),
        tag: "1".to_owned(),
        platform,
        profile: Profile::STAGEX_2026,
        base: None,
        build: &containerfile::parse(&text)
            .unwrap()
            .resolve(&scope)
            .unwrap(),
        layers: layers.to_vec(),
    };
    assemble(&request, &root.join("image")).unwrap();
}

fn source(tar: Utf8PathBuf) -> LayerSource {
    LayerSource {
        tar: Some(tar),
        recorded: Recorded::Touched,
        leftovers: Vec::new(),
        destination: None,
    }
}

/// Appends a file of that size, in which `content` stands again and again.
fn append(tar: &mut Builder<BufWriter<File>>, name: &str, content: &[u8], size: u64) {
    let content = Cycle {
        content,
        position: 0,
    };
    tar.append_data(&mut header(size), name, content.take(size))
        .unwrap();
}

struct Cycle<'a> {
    content: &'a [u8],
    position: usize,
}

impl std::io::Read for Cycle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = (&self.content[self.position..]).read(buffer)?;
        self.position = (self.position + read) % self.content.len();
        Ok(read)
    }
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(0o755);
    header.set_mtime(1_700_000_000);
    header.set_size(size);
    header
}

/// Returns what the programs of the machine hold, in a row, for all layers.
fn programs() -> Vec<u8> {
    let mut paths: Vec<_> = fs::read_dir("/usr/bin")
        .unwrap()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    let mut bytes = Vec::new();
    for path in paths {
        if bytes.len() > LAYERS * LAYER {
            break;
        }
        if let Ok(mut file) = File::open(path) {
            let _ = file.read_to_end(&mut bytes);
        }
    }
    bytes
}
