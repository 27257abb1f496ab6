//! An independent inflater must give back what was compressed, however it was cut into writes.
//!
//! `cargo +nightly fuzz run round_trip`, in `crates/go-flate`. The first bytes of the input say
//! where the writes end and how often the rest is repeated, so that windows fill up.
#![no_main]

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use go_flate::GzipEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[repeats, low, high], data)) = data.split_first_chunk() else {
        return;
    };
    let input = data.repeat(1 + usize::from(repeats));
    let size = 1 + usize::from(u16::from_le_bytes([low, high]));

    let mut plain = GzipEncoder::new(Vec::new());
    let mut marked = GzipEncoder::new(Vec::new());
    for write in input.chunks(size) {
        plain.write_all(write).expect("a vector takes every byte");
        marked.write_all(write).expect("a vector takes every byte");
        marked.end_write();
    }
    let plain = plain.finish().expect("a vector takes every byte");
    let marked = marked.finish().expect("a vector takes every byte");
    assert!(plain == go_flate::gzip(&input), "the cut changed the file");
    for file in [plain, marked] {
        let mut output = Vec::new();
        GzDecoder::new(file.as_slice()).read_to_end(&mut output).expect("the file is whole");
        assert!(output == input, "the file holds something else");
    }
});
