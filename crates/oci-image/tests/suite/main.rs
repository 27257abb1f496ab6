//! What needs more than the crate: whole images with the digests that an engine gave them, and
//! Go's own archiver.
//!
//! Where Go is missing, its tests are listed as ignored with the reason as their kind, and fail
//! when ignored tests are asked for. With `go` in the list that `STAGEX_REQUIRE` holds, they are
//! not ignored and fail.

mod differential;
mod image;
mod workshop;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = image::trials();
    trials.extend(differential::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
