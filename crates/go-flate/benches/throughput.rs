//! How fast this crate, Go and flate2 are, on one core, on the same input.
//!
//! `cargo bench -p go-flate` compresses four kinds of input: programs, a tar of small files, text,
//! and what is compressed already, all of which are made of this machine's own files.
//! `cargo bench -p go-flate -- FILE OR DIRECTORY...` compresses what is named instead, in a row.
//!
//! The encoders take turns, so that a machine which is slow for a while is slow for all. In each
//! round the time of Go is divided by that of the others; the middle of the rounds is shown. Go is
//! left out where it is missing, and said to be.

#![expect(
    clippy::cast_precision_loss,
    reason = "speeds are shown with few digits"
)]

#[path = "../tests/suite/reference.rs"]
mod reference;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use go_flate::Level;
use reference::Reference;

/// An odd number, so that one of them is in the middle.
const ROUNDS: usize = 7;
const LARGEST_INPUT: usize = 32 << 20;
/// How many files are in the tar of small files, and how large the largest may be.
const SMALL_FILES: usize = 2000;
const LARGEST_SMALL_FILE: usize = 32 << 10;
/// How large a record of a tar is.
const RECORD: usize = 512;

const PROGRAMS: &str = "/usr/bin";
/// Where headers, scripts, texts and small libraries are, as they are in packages.
const SMALL: [&str; 4] = [
    "/usr/include",
    "/usr/lib",
    "/usr/share/doc",
    "/usr/share/perl",
];
const TEXTS: [&str; 3] = [
    "/usr/include",
    "/usr/share/common-licenses",
    "/usr/share/perl",
];

type Encoder<'a> = Box<dyn FnMut(&[u8]) -> io::Result<(usize, Duration)> + 'a>;

fn main() -> io::Result<()> {
    // Cargo itself adds `--bench`.
    let named: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|name| name != "--bench")
        .map(PathBuf::from)
        .collect();
    let inputs = if named.is_empty() {
        let programs = in_a_row(&files_of(&[PROGRAMS.into()])?)?;
        let packed = go_flate::gzip(&programs);
        let texts = files_of(&TEXTS.map(PathBuf::from))?;
        vec![
            ("programs", programs),
            ("small files", tar(&files_of(&SMALL.map(PathBuf::from))?)?),
            ("text", in_a_row(&texts)?),
            ("compressed data", packed),
        ]
    } else {
        vec![("what was named", in_a_row(&files_of(&named)?)?)]
    };

    let mut output = io::stdout().lock();
    let mut encoders: Vec<(&str, Encoder)> = vec![
        (
            "go-flate",
            Box::new(|input| timed(|| Ok(go_flate::gzip(input).len()))),
        ),
        (
            "flate2, level 6",
            Box::new(|input| timed(|| with_flate2(input))),
        ),
    ];
    if let Some(reason) = reference::why_unavailable() {
        writeln!(output, "without Go: {reason}")?;
    } else {
        let mut go = Reference::start()?;
        let compress = move |input: &[u8]| {
            let (file, time) = go.compress(Level::DEFAULT, &[input])?;
            Ok((file.len(), time))
        };
        encoders.insert(0, ("Go", Box::new(compress)));
    }
    for (kind, input) in inputs {
        writeln!(
            output,
            "{kind}: {} bytes, the middle of {ROUNDS} rounds",
            input.len()
        )?;
        compare(&input, &mut encoders, &mut output)?;
    }
    Ok(())
}

/// Shows how fast the encoders are on this input, compared with the first of them.
fn compare(
    input: &[u8],
    encoders: &mut [(&str, Encoder)],
    output: &mut impl Write,
) -> io::Result<()> {
    let mut sizes = vec![0; encoders.len()];
    let mut speeds = vec![Vec::new(); encoders.len()];
    let mut ratios = speeds.clone();
    for _ in 0..ROUNDS {
        let mut first = None;
        for (place, (_, encoder)) in encoders.iter_mut().enumerate() {
            let (size, time) = encoder(input)?;
            let seconds = time.as_secs_f64();
            sizes[place] = size;
            speeds[place].push(input.len() as f64 / seconds / 1e6);
            ratios[place].push(*first.get_or_insert(seconds) / seconds);
        }
    }
    for (place, (name, _)) in encoders.iter().enumerate() {
        let speed = middle(&mut speeds[place]);
        let ratio = middle(&mut ratios[place]);
        let size = sizes[place];
        writeln!(
            output,
            "  {name:16} {speed:8.1} MB/s  {ratio:5.2} times  {size:10} bytes"
        )?;
    }
    Ok(())
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the files that are named, and those in the directories that are, by name.
fn files_of(named: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        add_files(path, &mut files)?;
    }
    Ok(files)
}

fn add_files(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = path.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_file() || kind.is_dir() {
            add_files(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// Returns what is in these files, up to the largest input.
fn in_a_row(files: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    for path in files {
        input.extend(std::fs::read(path)?);
        if input.len() >= LARGEST_INPUT {
            break;
        }
    }
    input.truncate(LARGEST_INPUT);
    Ok(input)
}

/// Returns a tar of small files, as many of each directory as there are, evenly chosen.
fn tar(files: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut small = Vec::new();
    for path in files {
        let length = path.metadata()?.len();
        if (1..=LARGEST_SMALL_FILE as u64).contains(&length) {
            small.push(path);
        }
    }
    let mut tar = Vec::new();
    let step = (small.len() / SMALL_FILES).max(1);
    for path in small.into_iter().step_by(step).take(SMALL_FILES) {
        let contents = std::fs::read(path)?;
        tar.extend(header(path, contents.len()));
        tar.extend(contents);
        tar.resize(tar.len().next_multiple_of(RECORD), 0);
    }
    tar.resize(tar.len() + 2 * RECORD, 0);
    Ok(tar)
}

/// Returns the header of a file in a tar; a long name is cut.
fn header(path: &Path, length: usize) -> [u8; RECORD] {
    let mut header = [0; RECORD];
    let mut put = |place: usize, field: &[u8]| {
        header[place..place + field.len()].copy_from_slice(field);
    };
    let name = path.as_os_str().as_encoded_bytes();
    put(0, &name[1..name.len().min(100)]);
    put(100, b"0000644\x000000000\x000000000\x00");
    put(124, format!("{length:011o}\x0000000000000\x00").as_bytes());
    put(148, b"        0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn timed(compress: impl Fn() -> io::Result<usize>) -> io::Result<(usize, Duration)> {
    let start = Instant::now();
    let size = compress()?;
    Ok((size, start.elapsed()))
}

fn with_flate2(input: &[u8]) -> io::Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(input)?;
    Ok(encoder.finish()?.len())
}
