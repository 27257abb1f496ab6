//! How long it takes to unpack a layer of 100,000 entries, and how much memory: of files side by side, of
//! files in directories that lie deep in one another, and of directories in turns.
//!
//! `cargo bench -p snapshot --bench unpack`, by root, since files are given to users. Each layer is
//! unpacked in a process of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench prints and measures itself, and what it cannot do ends it"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Seek as _, Write as _};
use std::time::Instant;

use snapshot::{Stacking, Tree};
use tar::{Builder, EntryType, Header};

const ENTRIES: usize = 100_000;
/// How deep directories lie in one another: about as deep as a path is long.
const DEPTH: usize = 2_000;
/// What names the one layer that a process of its own unpacks.
const ALONE: &str = "--alone";

type Archive = Builder<BufWriter<File>>;

/// A name, and what fills the archive.
type Layer = (&'static str, fn(&mut Archive));

const LAYERS: [Layer; 4] = [
    ("side by side", |archive| {
        for number in 0..ENTRIES {
            file(archive, &format!("file-{number}"));
        }
    }),
    ("2,000 deep", |archive| {
        let mut path = String::new();
        for _ in 0..DEPTH {
            path.push_str("d/");
            directory(archive, &path);
            for number in 1..ENTRIES / DEPTH {
                file(archive, &format!("{path}{number}"));
            }
        }
    }),
    ("in directories", |archive| {
        for number in 0..ENTRIES / 2 {
            directory(archive, &format!("d{number}/"));
            file(archive, &format!("d{number}/file"));
        }
    }),
    ("500 deep, in turns", |archive| {
        let paths = ["a", "b"].map(|top| format!("{top}/{}", "d/".repeat(500)));
        for number in 0..ENTRIES / 2 {
            for path in &paths {
                file(archive, &format!("{path}{number}"));
            }
        }
    }),
];

fn main() {
    let mut words = std::env::args().skip_while(|word| word != ALONE);
    if let Some(wanted) = words.nth(1) {
        let (_, fill) = LAYERS
            .into_iter()
            .find(|(name, _)| *name == wanted)
            .unwrap();
        return alone(fill);
    }
    for (name, _) in LAYERS {
        let program = std::env::current_exe().unwrap();
        let output = std::process::Command::new(program)
            .args([ALONE, name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        print!(
            "{ENTRIES} entries {name}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

/// Unpacks one layer, and prints how long that took and how much memory.
fn alone(fill: fn(&mut Archive)) {
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let layer = tempfile::tempfile_in("/var/tmp").unwrap();
    let mut archive = Builder::new(BufWriter::new(layer));
    fill(&mut archive);
    let mut writer = archive.into_inner().unwrap();
    writer.flush().unwrap();
    let mut layer = writer.into_inner().unwrap();
    layer.rewind().unwrap();
    let bytes = layer.metadata().unwrap().len();
    let into = Tree::open(temporary.path()).unwrap();
    let start = Instant::now();
    snapshot::unpack(layer, &into, None, Stacking::Overlay).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    let kibibytes: u64 = peak
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()
        .unwrap();
    let (archive, memory) = (bytes >> 20, kibibytes >> 10);
    println!("{seconds:.2} s, {memory} MiB of memory ({archive} MiB of archive)");
    snapshot::clear(temporary.path()).unwrap();
}

fn directory(archive: &mut Archive, path: &str) {
    append(archive, path, EntryType::Directory, 0o755);
}

fn file(archive: &mut Archive, path: &str) {
    append(archive, path, EntryType::Regular, 0o644);
}

fn append(archive: &mut Archive, path: &str, kind: EntryType, mode: u32) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    header.set_size(0);
    archive
        .append_data(&mut header, path, std::io::empty())
        .unwrap();
}
