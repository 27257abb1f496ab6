//! The same inputs to this crate and to Go: the same files must come out.

use std::io::Write;

use go_flate::{GzipEncoder, Level};
use libtest_mimic::{Failed, Trial};

use crate::inputs::{self, Numbers};
use crate::reference::{self, Reference};

/// The variable that lists, between commas, what must not be missing.
const REQUIRE: &str = "STAGEX_REQUIRE";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("one_write", one_write),
        trial("small_inputs", small_inputs),
        trial("many_writes", many_writes),
        trial("every_level", every_level),
        trial(
            "writes_that_end_where_the_window_moves",
            writes_at_the_shift,
        ),
    ]
}

fn trial(name: &str, run: fn(&mut Reference) -> Result<(), Failed>) -> Trial {
    let name = format!("differential::{name}");
    let Some(reason) = reference::why_unavailable() else {
        return Trial::test(name, move || run(&mut Reference::start()?));
    };
    let required = is_required("go");
    let kind = reason.clone();
    Trial::test(name, move || Err(reason.into()))
        .with_kind(kind)
        .with_ignored_flag(!required)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this suite that asks what is required"
)]
fn is_required(what: &str) -> bool {
    std::env::var(REQUIRE).is_ok_and(|list| list.split(',').any(|item| item.trim() == what))
}

/// Inputs of every shape, in sizes around every border of the format.
fn one_write(go: &mut Reference) -> Result<(), Failed> {
    let mut numbers = Numbers::new(1);
    for seed in 0..1500 {
        let (shape, input) = input(&mut numbers, seed, 150_000);
        compare(
            go,
            Level::DEFAULT,
            &[&input],
            &format!("{shape}, seed {seed}, {} bytes", input.len()),
        )?;
    }
    Ok(())
}

fn small_inputs(go: &mut Reference) -> Result<(), Failed> {
    let mut numbers = Numbers::new(2);
    for seed in 0..6000 {
        let (shape, input) = input(&mut numbers, seed, 700);
        compare(
            go,
            Level::DEFAULT,
            &[&input],
            &format!("{shape}, seed {seed}, {} bytes", input.len()),
        )?;
    }
    Ok(())
}

/// All levels, each of which must differ from the one below it at least once.
fn every_level(go: &mut Reference) -> Result<(), Failed> {
    let levels: Vec<Level> = (0..10).filter_map(Level::new).collect();
    let mut numbers = Numbers::new(4);
    let mut differing = vec![0; levels.len()];
    for seed in 0..400 {
        let (shape, input) = input(&mut numbers, seed, 150_000);
        let mut below = Vec::new();
        for (level, differing) in levels.iter().zip(&mut differing) {
            let what = format!("{shape}, seed {seed}, {} bytes", input.len());
            let file = compare(go, *level, &[&input], &what)?;
            *differing += usize::from(file != below);
            below = file;
        }
    }
    if differing.contains(&0) {
        return Err("a level never differed from the one below it".into());
    }
    Ok(())
}

/// Writes of all sizes, each of which ends as Go's does.
fn many_writes(go: &mut Reference) -> Result<(), Failed> {
    let mut numbers = Numbers::new(3);
    for seed in 0..600 {
        let (shape, input) = input(&mut numbers, seed, 150_000);
        let largest = 1 << (4 + numbers.below(14));
        let mut rest = input.as_slice();
        let mut writes = Vec::new();
        while !rest.is_empty() {
            let (write, after) = rest.split_at(rest.len().min(1 + numbers.below(largest)));
            writes.push(write);
            rest = after;
        }
        compare(
            go,
            Level::DEFAULT,
            &writes,
            &format!("{shape}, seed {seed}, writes up to {largest}"),
        )?;
    }
    Ok(())
}

/// Inputs whose matches all reach back almost as far as can be, cut once around the place where
/// the window moves: there Go's output does depend on the cut.
fn writes_at_the_shift(go: &mut Reference) -> Result<(), Failed> {
    let mut differing = 0;
    for prefix in (0..260).step_by(3) {
        let mut input = inputs::make("random", prefix as u64, prefix);
        input.extend(inputs::make("repeat:32700", 7, 110_000));
        let whole = go_flate::gzip(&input);
        for cut in (65_270..65_540).step_by(7) {
            let (before, after) = input.split_at(cut);
            let what = format!("prefix {prefix}, cut {cut}");
            let file = compare(go, Level::DEFAULT, &[before, after], &what)?;
            differing += usize::from(file != whole);
        }
    }
    if differing == 0 {
        return Err("no cut changed anything, so that this tested nothing".into());
    }
    Ok(())
}

fn input(numbers: &mut Numbers, seed: u64, largest: usize) -> (String, Vec<u8>) {
    let shape = match numbers.below(12) {
        0 => "random".to_owned(),
        1 => "text".to_owned(),
        2 => "program".to_owned(),
        3 => "archive".to_owned(),
        4 => format!("repeat:{}", 1 + numbers.low(35_000)),
        _ => format!("echo:{}", 1 + numbers.below(8)),
    };
    let size = numbers.below(largest);
    let input = inputs::make(&shape, seed, size);
    (shape, input)
}

/// Fails unless both encoders make the same of these writes; returns what that is.
fn compare(
    go: &mut Reference,
    level: Level,
    writes: &[&[u8]],
    what: &str,
) -> Result<Vec<u8>, Failed> {
    let mut encoder = GzipEncoder::with_level(Vec::new(), level);
    for write in writes {
        encoder.write_all(write)?;
        encoder.end_write();
    }
    let ours = encoder.finish()?;
    let theirs = go.compress(level, writes)?.0;
    if ours == theirs {
        return Ok(ours);
    }
    let same = ours
        .iter()
        .zip(&theirs)
        .take_while(|(one, other)| one == other)
        .count();
    Err(format!(
        "{what}, level {}: the files differ from byte {same} on; {} bytes of ours, {} of Go's",
        level.number(),
        ours.len(),
        theirs.len()
    )
    .into())
}
