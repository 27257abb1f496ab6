//! What holds for every input: an independent inflater gives it back, and how it is cut into
//! writes does not matter.

use std::io::{Read, Write};

use flate2::read::{DeflateDecoder, GzDecoder};
use go_flate::{DeflateEncoder, GzipEncoder, Level};
use libtest_mimic::{Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::inputs;

/// How many inputs each property is tried with.
const CASES: u32 = 300;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_input_comes_back", comes_back),
        trial("how_the_input_is_cut_does_not_matter", cut_does_not_matter),
        trial(
            "an_end_of_write_keeps_the_input",
            end_of_write_keeps_the_input,
        ),
    ]
}

fn trial(name: &str, run: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(format!("properties::{name}"), run)
}

/// Pieces of many shapes, one after the other.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let shape = prop_oneof![
        Just("zeros".to_owned()),
        Just("random".to_owned()),
        Just("text".to_owned()),
        Just("program".to_owned()),
        (1..40_000_usize).prop_map(|period| format!("repeat:{period}")),
        (1..9_usize).prop_map(|bits| format!("echo:{bits}")),
    ];
    let piece = (shape, any::<u64>(), 0..60_000_usize)
        .prop_map(|(shape, seed, size)| inputs::make(&shape, seed, size));
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn check<S: Strategy>(
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), Failed> {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&strategy, test)
        .map_err(|error| error.to_string().into())
}

fn comes_back() -> Result<(), Failed> {
    check(any_input(), |input| {
        let mut output = Vec::new();
        for level in (0..10).filter_map(Level::new) {
            let mut encoder = GzipEncoder::with_level(Vec::new(), level);
            encoder.write_all(&input)?;
            GzDecoder::new(encoder.finish()?.as_slice()).read_to_end(&mut output)?;
            prop_assert!(output == input, "the gzip file holds something else");
            output.clear();
        }
        DeflateDecoder::new(go_flate::deflate(&input).as_slice()).read_to_end(&mut output)?;
        prop_assert!(output == input, "the deflate stream holds something else");
        Ok(())
    })
}

fn cut_does_not_matter() -> Result<(), Failed> {
    check(
        (any_input(), prop::collection::vec(0..50_000_usize, 1..9)),
        |(input, sizes)| {
            let mut encoder = GzipEncoder::new(Vec::new());
            let mut rest = input.as_slice();
            for size in sizes.iter().cycle().take(2000) {
                let (write, after) = rest.split_at(rest.len().min(*size));
                encoder.write_all(write)?;
                rest = after;
            }
            encoder.write_all(rest)?;
            prop_assert!(
                encoder.finish()? == go_flate::gzip(&input),
                "the cut changed the file"
            );
            Ok(())
        },
    )
}

fn end_of_write_keeps_the_input() -> Result<(), Failed> {
    check(
        (any_input(), prop::collection::vec(0..50_000_usize, 1..20)),
        |(input, sizes)| {
            let mut encoder = DeflateEncoder::new(Vec::new());
            let mut rest = input.as_slice();
            for size in sizes {
                let (write, after) = rest.split_at(rest.len().min(size));
                encoder.write_all(write)?;
                encoder.end_write();
                rest = after;
            }
            encoder.write_all(rest)?;
            let stream = encoder.finish()?;
            let mut output = Vec::new();
            DeflateDecoder::new(stream.as_slice()).read_to_end(&mut output)?;
            prop_assert!(output == input, "the stream holds something else");
            Ok(())
        },
    )
}
