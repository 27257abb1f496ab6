//! What every backend must hold to, tried with its live engine. For tests of backends; knows the
//! trait, and no engine.
//!
//! A backend's integration test is one call of [`main`]. An engine that is not there leaves its
//! cases listed as ignored with the reason, unless `STAGEX_REQUIRE` names it: then they fail.

mod cases;
mod fixture;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{Availability, Backend};

/// Tries every case with `backend`, as a test program whose whole `main` this is.
pub fn main(backend: impl Backend + 'static) -> ExitCode {
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let arguments = Arguments::from_args();
    let is_required = required().any(|name| name == backend.id());
    libtest_mimic::run(&arguments, trials(&backend, is_required)).exit_code()
}

/// Returns every case as a test of `backend`. Where its engine is not there, they are ignored
/// with the reason as their kind, or fail with it if it `is_required`.
pub fn trials(backend: &Arc<dyn Backend>, is_required: bool) -> Vec<Trial> {
    let absence = match block_on(backend.probe()) {
        Availability::Ready(_) => None,
        Availability::Unavailable(why) => Some(format!("{} (hint: {})", why.message, why.hint)),
    };
    let trials = cases::ALL.iter().map(|case| {
        let name = format!("{}::{}", backend.id(), case.name);
        let (backend, run) = (Arc::clone(backend), case.run);
        match &absence {
            None => Trial::test(name, move || {
                block_on(run(&*backend));
                Ok(())
            }),
            Some(why) => {
                let reason = why.clone();
                Trial::test(name, move || Err(Failed::from(reason)))
                    .with_kind(why)
                    .with_ignored_flag(!is_required)
            }
        }
    });
    trials.collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the whole command line of a test program"
)]
fn required() -> impl Iterator<Item = String> {
    let names = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    let names: Vec<String> = names
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    names.into_iter()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs nothing that a test does not have")
        .block_on(future)
}
