//! A real server of the Remote Execution API: `buildbox-casd`, which starts `buildbox-run` for each action. That stages the
//! inputs as on a real worker, by hard links into the store. Its sandbox has no system in it; the program that is tested
//! is not linked statically, so what stands for `bwrap` here runs it without.

#![expect(
    clippy::disallowed_types,
    reason = "the server is what the program is tested with"
)]

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The programs that it is made of.
pub(crate) const PROGRAMS: [&str; 2] = ["buildbox-casd", "buildbox-run"];
/// How long it may take to begin.
const BEGIN: Duration = Duration::from_secs(20);
/// How often it is asked whether it has begun.
const INTERVAL: Duration = Duration::from_millis(10);

/// A server on loopback; it ends with this.
pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let programs = directory.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            path
        };
        write(programs.join("bwrap"), include_str!("bwrap"));
        let run = which::which(PROGRAMS[1]).unwrap();
        let runner = format!(
            "#!/bin/sh\nPATH={}:$PATH exec {} \"$@\"\n",
            programs.display(),
            run.display()
        );
        let runner = write(directory.path().join("runner"), &runner);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(which::which(PROGRAMS[0]).unwrap())
            .arg(format!("--bind={address}"))
            .arg(format!("--buildbox-run={}", runner.display()))
            .args(["--jobs=2", "--log-level=info"])
            .arg(directory.path().join("store"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            child,
            directory,
            address: format!("grpc://{address}"),
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                start.elapsed() < BEGIN,
                "it did not begin: {}",
                server.log()
            );
            std::thread::sleep(INTERVAL);
        }
        server
    }

    /// Returns what it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Returns the file in its store with these bytes.
    pub(crate) fn stored(&self, hex: &str) -> PathBuf {
        let objects = self.directory.path().join("store/cas/objects");
        find(&objects, hex).unwrap_or_else(|| panic!("{hex} is not in {}", objects.display()))
    }
}

fn find(directory: &Path, hex: &str) -> Option<PathBuf> {
    let (start, rest) = hex.split_at(2);
    let path = directory.join(start).join(rest);
    path.exists().then_some(path)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
