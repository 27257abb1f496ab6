//! Golden vectors: what Go made of inputs that can be made again.

use std::fmt::Write as _;
use std::io::Write as _;

use go_flate::{GzipEncoder, Level};
use libtest_mimic::{Failed, Trial};
use sha2::{Digest, Sha256};

use crate::inputs;

const VECTORS: &str = include_str!("vectors.txt");

pub(crate) fn trials() -> Vec<Trial> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| Vector::parse(line).into_trial()).collect()
}

struct Vector {
    level: Level,
    shape: &'static str,
    seed: u64,
    size: usize,
    file_size: usize,
    file_hash: &'static str,
}

impl Vector {
    fn parse(line: &'static str) -> Self {
        let columns: Vec<_> = line.split_whitespace().collect();
        let &[level, shape, seed, size, file_size, file_hash] = columns.as_slice() else {
            panic!("a vector has six columns: {line}");
        };
        let number = |text: &str| text.parse().expect("sizes are numbers");
        let level = level.parse().ok().and_then(Level::new);
        Self {
            level: level.expect("a level is a number from 4 to 9"),
            shape,
            seed: seed.parse().expect("a seed is a number"),
            size: number(size),
            file_size: number(file_size),
            file_hash,
        }
    }

    fn into_trial(self) -> Trial {
        let name = format!(
            "golden::level_{}_{}_seed_{}_size_{}",
            self.level.number(),
            self.shape,
            self.seed,
            self.size
        );
        Trial::test(name, move || self.check())
    }

    fn check(&self) -> Result<(), Failed> {
        let input = inputs::make(self.shape, self.seed, self.size);
        let mut encoder = GzipEncoder::with_level(Vec::new(), self.level);
        encoder.write_all(&input)?;
        let file = encoder.finish()?;
        let mut hash = String::new();
        for byte in Sha256::digest(&file) {
            write!(hash, "{byte:02x}")?;
        }
        if (file.len(), hash.as_str()) == (self.file_size, self.file_hash) {
            return Ok(());
        }
        let expected = format!("{} bytes, {}", self.file_size, self.file_hash);
        Err(format!("expected {expected}, found {} bytes, {hash}", file.len()).into())
    }
}
