//! How long it takes to find out what Docker can do, with nothing known and with what the process
//! before has kept: `tools/with-dockerd cargo bench -p backend-docker --bench probe`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints, what it cannot do ends it, and its variable is its command line"
)]

use std::time::{Duration, Instant};

use backend_api::{Availability, Backend as _};
use backend_docker::Docker;
use camino::Utf8PathBuf;
use probe_cache::ProbeCache;
use tokio::runtime::Builder;

/// How often each thing is measured.
const RUNS: usize = 11;

fn main() {
    let program = std::env::var("STAGEX_DOCKER").ok().map(Utf8PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    let kept = ProbeCache::in_directory(directory);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let probe = |probe_cache: &ProbeCache| {
        let docker = Docker::new(program.clone(), probe_cache.clone());
        let start = Instant::now();
        let availability = runtime.block_on(docker.probe());
        assert!(
            matches!(availability, Availability::Ready(_)),
            "{availability:?}"
        );
        start.elapsed()
    };
    report("nothing known", || probe(&kept.clone().afresh()));
    report("known", || probe(&kept));
}

fn report(what: &str, mut work: impl FnMut() -> Duration) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| work()).collect();
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what}: {:.1} ms at best, {:.1} ms in the middle of {RUNS}",
        milliseconds(times[0]),
        milliseconds(times[RUNS / 2]),
    );
}
