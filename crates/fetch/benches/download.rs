//! How long downloads take: many files against `curl --parallel` and against one after the other, and how much
//! hashing adds to writing.
//!
//! `cargo bench -p fetch --bench download` needs `curl`, and 4 GiB in the directory for temporary files. The server
//! runs in the same process, so that the peak of memory is that of both.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and what it cannot do ends it"
)]
#![expect(
    clippy::disallowed_types,
    reason = "another program is what is compared with"
)]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/server/mod.rs"]
mod server;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use fetch::Wanted;
use scene::{Scene, block_on, contents, hash, of_package};
use server::{Act, Server, file};
use tokio::sync::mpsc;
use transfer::{Address, Begin, Client, Held, Sink};

/// How often each thing is measured.
const RUNS: usize = 5;
/// How many files there are, and how many bytes each has.
const FILES: usize = 200;
const SIZE: usize = 1 << 20;
/// How many connections there are.
const CONNECTIONS: usize = 16;
/// How long a request takes that is said to take long.
const LATENCY: Duration = Duration::from_millis(10);
/// How many bytes the large file has.
const LARGE: usize = 1 << 30;

fn main() {
    one_large_file();
    many_files();
}

/// A scene for as many connections as there are here.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let transfer = &mut scene.config.transfer;
    (transfer.connections, transfer.per_host) = (CONNECTIONS, CONNECTIONS);
    transfer.largest = 2 * LARGE as u64;
    scene.config.limit = 2 * LARGE as u64;
    scene
}

fn many_files() {
    let bodies: Vec<Vec<u8>> = (0..FILES)
        .map(|number| {
            let mut body = contents(SIZE);
            body[..8].copy_from_slice(&number.to_le_bytes());
            body
        })
        .collect();
    for (title, latency) in [("", Duration::ZERO), (", 10 ms for each request", LATENCY)] {
        let server = Server::start();
        let urls: Vec<String> = (0..)
            .zip(&bodies)
            .map(|(number, body)| server.on(&format!("/{number}"), [late(file(body, ""), latency)]))
            .collect();
        let sources: Vec<Wanted> = (0..)
            .zip(bodies.iter().zip(&urls))
            .map(|(number, (body, url))| {
                let file = format!("{number}.tar");
                of_package("core", "a", &file, body, std::slice::from_ref(url))
            })
            .collect();
        // One after the other, so that what disturbs one disturbs the others.
        let (mut ours, mut parallel, mut serial) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(timed(|| {
                let scene = scene();
                assert_eq!(scene.fetch(&sources).failed().count(), 0);
            }));
            let max = CONNECTIONS.to_string();
            parallel.push(timed(|| {
                curl(
                    &urls,
                    &["--parallel", "--parallel-immediate", "--parallel-max", &max],
                )
            }));
            serial.push(timed(|| curl(&urls, &[])));
        }
        println!("{FILES} files of {SIZE} bytes{title}, {CONNECTIONS} connections");
        report("fetched, stored, copied into a tree", &ours);
        report("curl --parallel, only written", &parallel);
        report("curl, one after the other", &serial);
    }
}

/// Waits before each answer.
fn late(act: Act, latency: Duration) -> Act {
    Arc::new(move |request, connection| {
        std::thread::sleep(latency);
        act(request, connection)
    })
}

fn curl(urls: &[String], options: &[&str]) {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new("curl");
    command
        .current_dir(&temporary)
        .arg("--silent")
        .args(options);
    for url in urls {
        command.args(["--remote-name", url]);
    }
    assert!(command.status().unwrap().success());
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), urls.len());
}

fn one_large_file() {
    let server = Server::start();
    let block = contents(SIZE);
    let url = server.on("/large", [large(block)]);
    let (mut hashed, mut written) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let scene = scene();
        // Its hash is not that of the file: it is downloaded and hashed, and not copied then.
        let source = of_package("core", "a", "a.tar", b"another", std::slice::from_ref(&url));
        hashed.push(timed(|| assert!(scene.fetch_one(&source).is_err())));
        assert!(!scene.store("sha256").join(hash(b"another")).exists());

        let client = Client::new(scene.config.transfer.clone()).unwrap();
        let mut sink = Writes::new(&scene.root.join("written").into_std_path_buf());
        written.push(timed(|| {
            block_on(async {
                let address = Address::parse(&url).unwrap();
                client.download(&address, &mut sink, &|_| {}).await.unwrap();
                sink.end().await;
            });
        }));
    }
    println!("one file of {LARGE} bytes");
    report("hashed and written", &hashed);
    report("written", &written);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("  peak of memory, with the server: {}", peak.unwrap());
}

/// Sends a block again and again.
fn large(block: Vec<u8>) -> Act {
    Arc::new(move |_, connection| {
        write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"
        )?;
        for _ in 0..LARGE / block.len() {
            connection.write_all(&block)?;
        }
        connection.flush()?;
        Ok(true)
    })
}

/// Writes what arrives, on a thread of its own.
struct Writes {
    file: File,
    running: Option<(mpsc::Sender<Bytes>, tokio::task::JoinHandle<()>)>,
}

impl Writes {
    fn new(path: &Path) -> Self {
        Self {
            file: File::create(path).unwrap(),
            running: None,
        }
    }

    async fn end(&mut self) {
        if let Some((pieces, thread)) = self.running.take() {
            drop(pieces);
            thread.await.unwrap();
        }
    }
}

#[async_trait]
impl Sink for Writes {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        Ok(None)
    }

    async fn begin(&mut self, _: Begin) -> io::Result<()> {
        let mut file = self.file.try_clone()?;
        let (pieces, mut receiver) = mpsc::channel::<Bytes>(8);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(piece) = receiver.blocking_recv() {
                file.write_all(&piece).unwrap();
            }
        });
        self.running = Some((pieces, thread));
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        let (pieces, _) = self.running.as_ref().unwrap();
        pieces.send(bytes).await.map_err(io::Error::other)
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let since = Instant::now();
    work();
    since.elapsed()
}

/// Prints the median, the fastest and the slowest.
fn report(what: &str, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "  {what:38} {:7.0} ms ({:.0} to {:.0})",
        milliseconds(times[times.len() / 2]),
        milliseconds(times[0]),
        milliseconds(times[times.len() - 1]),
    );
}
