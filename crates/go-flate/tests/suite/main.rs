//! All tests of go-flate that need more than the crate: golden vectors, Go itself, an independent
//! inflater.
//!
//! Where Go is missing or writes another format, its tests are listed as ignored with the reason
//! as their kind, and fail when ignored tests are asked for. With `go` in the list that
//! `STAGEX_REQUIRE` holds, they are not ignored and fail.

#![expect(
    clippy::cast_possible_truncation,
    reason = "generators take the low bits of numbers on purpose"
)]

mod differential;
mod golden;
mod inputs;
mod properties;
mod reference;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = Vec::new();
    trials.extend(golden::trials());
    trials.extend(properties::trials());
    trials.extend(differential::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
