//! How fast this crate, Go and two other encoders are, on one core, on the same input.
//!
//! `cargo bench -p go-flate -- [FILE OR DIRECTORY]...` compresses what the files hold, in a row (the
//! programs in `/usr/bin`, up to 64 MiB, if nothing is named). The encoders take turns, so that a
//! machine which is slow for a while is slow for all; the best of the rounds counts. Go is left
//! out where it is missing, and said to be.

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

const ROUNDS: usize = 5;
const LARGEST_INPUT: usize = 64 << 20;

type Encoder<'a> = Box<dyn FnMut(&[u8]) -> io::Result<(usize, Duration)> + 'a>;

fn main() -> io::Result<()> {
    // Cargo itself adds `--bench`.
    let mut named: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|name| name != "--bench")
        .map(PathBuf::from)
        .collect();
    if named.is_empty() {
        named.push("/usr/bin".into());
    }
    let mut input = Vec::new();
    for path in &named {
        read_into(path, &mut input)?;
    }
    input.truncate(LARGEST_INPUT);

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

    let mut best = vec![(0, Duration::MAX); encoders.len()];
    for _ in 0..ROUNDS {
        for ((_, encoder), best) in encoders.iter_mut().zip(&mut best) {
            let (size, time) = encoder(&input)?;
            *best = (size, best.1.min(time));
        }
    }
    let first = best[0].1;
    writeln!(
        output,
        "{} bytes of input, best of {ROUNDS} rounds",
        input.len()
    )?;
    for ((name, _), (size, time)) in encoders.iter().zip(best) {
        let speed = input.len() as f64 / time.as_secs_f64() / 1e6;
        let ratio = first.as_secs_f64() / time.as_secs_f64();
        writeln!(
            output,
            "{name:16} {speed:8.1} MB/s  {ratio:5.2} times  {size:10} bytes"
        )?;
    }
    Ok(())
}

/// Appends a file, or all files of a directory by name.
fn read_into(path: &Path, input: &mut Vec<u8>) -> io::Result<()> {
    if !path.is_dir() {
        input.extend(std::fs::read(path)?);
        return Ok(());
    }
    let mut entries = path.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_file() && input.len() < LARGEST_INPUT {
            input.extend(std::fs::read(entry.path())?);
        }
    }
    Ok(())
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
