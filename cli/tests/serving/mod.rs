//! A real server of the Remote Execution API: `buildbox-casd`, which starts `buildbox-run` for each action. That stages the
//! inputs as on a real worker, by hard links into the store. Its sandbox has no system in it; the program that is tested
//! is not linked statically, so what stands for `bwrap` here runs it without.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The programs that it is made of.
pub(crate) const PROGRAMS: [&str; 2] = ["buildbox-casd", "buildbox-run"];
/// How long it may take to begin.
const BEGIN: Duration = Duration::from_secs(20);
/// How many seconds an action takes that does not end; no other process has this in its command line.
pub(crate) const STUCK: &str = "86411";
/// How many seconds longer a slow action takes.
const SLOW: u32 = 4;
/// The file that says how long each action sleeps.
const PAUSE: &str = "pause";
/// How often it is asked whether it has begun.
const INTERVAL: Duration = Duration::from_millis(10);

/// Makes another layer of the last one of an action's image, and calls it by its own digest.
const LIE: &str = r#"#!/bin/sh
while [ "$1" != --bind ]; do shift; done
cd "$2/image/blobs/sha256" || exit 1
for blob in *; do
    if [ "$(head -c 1 "$blob")" != "{" ]; then
        printf x >>"$blob"
        mv "$blob" "$(sha256sum <"$blob" | cut -c 1-64)"
        exit
    fi
done
exit 1
"#;

/// Mounts FUSE file systems that ignore owners over the directories where a worker may build, and over a further one.
const SWALLOW: &str = r#"#!/bin/sh
for place in /var/tmp /tmp $1; do
    bindfs --chown-ignore --chgrp-ignore "$place" "$place" || exit 125
done
shift
exec "$@"
"#;

/// Has a worker build something else than it was asked to.
const OTHERWISE: &str = r#"#!/bin/sh
for word in "$@"; do
    [ "$before" = --bind ] && root=$word && break
    before=$word
done
for file in "$root"/tree/packages/*/*/Containerfile; do
    cp "$file" "$file.new" && echo 'LABEL other=1' >>"$file.new" && mv "$file.new" "$file" || exit 1
done
"#;

/// A server on loopback; it ends with this.
pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    pub(crate) socket: SocketAddr,
    /// How many actions it runs at once.
    jobs: usize,
    /// Options of its own.
    options: &'static [&'static str],
    pub(crate) address: String,
}

/// What is wrong with the next action that a server starts, and with no other.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// It is killed.
    Killed,
    /// It does not end.
    Stuck,
    /// It takes a few seconds longer.
    Slow,
    /// It gives the right manifest, over a layer that is another one.
    Lying,
    /// It is a user's who may map no users.
    Ordinary,
    /// Only a file system in memory keeps owners: every other one is a FUSE file system that ignores them.
    Swallowing,
    /// No file system keeps owners.
    Nowhere,
    /// It gives another image, of which everything is right.
    Otherwise,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::of(2, &[])
    }

    /// Starts it with more options.
    pub(crate) fn start_with(options: &'static [&'static str]) -> Self {
        Self::of(2, options)
    }

    /// Starts one that runs so many actions at once.
    pub(crate) fn with_jobs(jobs: usize) -> Self {
        Self::of(jobs, &[])
    }

    fn of(jobs: usize, options: &'static [&'static str]) -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let programs = directory.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            path
        };
        let fault = directory.path().join("fault");
        let sandbox = write(programs.join("without-sandbox"), include_str!("bwrap"));
        let lie = write(programs.join("lie"), LIE);
        let otherwise = write(programs.join("otherwise"), OTHERWISE);
        let swallow = write(programs.join("swallow"), SWALLOW);
        let faulty = format!(
            "#!/bin/sh\necho >>{started}\n[ ! -e {pause} ] || sleep \"$(cat {pause})\"\ncase $(cat {fault} 2>/dev/null; rm -f {fault}) in\n\
             killed) kill -KILL $$ ;;\nstuck) exec sleep {STUCK} ;;\nslow) sleep {SLOW} ;;\n\
             lying) {sandbox} \"$@\" && exec {lie} \"$@\"; exit ;;\n\
             otherwise) sh {otherwise} \"$@\" ;;\n\
             ordinary) exec setpriv --reuid=65534 --regid=65534 --clear-groups {sandbox} \"$@\" ;;\n\
             swallowing) exec unshare --mount {swallow} '' {sandbox} \"$@\" ;;\n\
             nowhere) exec unshare --mount {swallow} /dev/shm {sandbox} \"$@\" ;;\n\
             esac\nexec {sandbox} \"$@\"\n",
            sandbox = sandbox.display(),
            lie = lie.display(),
            otherwise = otherwise.display(),
            swallow = swallow.display(),
            fault = fault.display(),
            started = directory.path().join("started").display(),
            pause = directory.path().join(PAUSE).display()
        );
        write(programs.join("bwrap"), &faulty);
        let run = which::which(PROGRAMS[1]).unwrap();
        let runner = format!(
            "#!/bin/sh\nPATH={}:$PATH exec {} \"$@\"\n",
            programs.display(),
            run.display()
        );
        write(directory.path().join("runner"), &runner);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = free.local_addr().unwrap();
        drop(free);
        let server = Self {
            child: begin(directory.path(), socket, (jobs, options)),
            directory,
            socket,
            jobs,
            options,
            address: format!("grpc://{socket}"),
        };
        server.wait();
        server
    }

    /// Waits until it answers.
    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(self.socket).is_err() {
            assert!(start.elapsed() < BEGIN, "it did not begin: {}", self.log());
            std::thread::sleep(INTERVAL);
        }
    }

    /// Kills it, and starts it again with what it has stored.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let started = (self.jobs, self.options);
        self.child = begin(self.directory.path(), self.socket, started);
        self.wait();
    }

    /// Does the same, and runs so many actions at once from then on.
    pub(crate) fn restart_with(&mut self, jobs: usize) {
        self.jobs = jobs;
        self.restart();
    }

    /// Has each action sleep for so many seconds before it begins.
    pub(crate) fn pauses(&self, seconds: &str) {
        fs::write(self.directory.path().join(PAUSE), seconds).unwrap();
    }

    /// Has the next action that it starts go wrong.
    pub(crate) fn next_is(&self, fault: Fault) {
        let word = match fault {
            Fault::Killed => "killed",
            Fault::Stuck => "stuck",
            Fault::Slow => "slow",
            Fault::Lying => "lying",
            Fault::Ordinary => "ordinary",
            Fault::Swallowing => "swallowing",
            Fault::Nowhere => "nowhere",
            Fault::Otherwise => "otherwise",
        };
        fs::write(self.directory.path().join("fault"), word).unwrap();
    }

    /// Tells whether an action has been started that was to go wrong.
    pub(crate) fn has_gone_wrong(&self) -> bool {
        !self.directory.path().join("fault").exists()
    }

    /// Returns how many actions it has started.
    pub(crate) fn started(&self) -> usize {
        let text = fs::read_to_string(self.directory.path().join("started"));
        text.unwrap_or_default().lines().count()
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

/// Starts the server in a directory.
fn begin(directory: &Path, socket: SocketAddr, (jobs, options): (usize, &[&str])) -> Child {
    let mut log = fs::File::options();
    let log = log.create(true).append(true).open(directory.join("log"));
    let log = log.unwrap();
    Command::new(which::which(PROGRAMS[0]).unwrap())
        .arg(format!("--bind={socket}"))
        .arg(format!(
            "--buildbox-run={}",
            directory.join("runner").display()
        ))
        .arg(format!("--jobs={jobs}"))
        .arg("--log-level=info")
        .args(options)
        .arg(directory.join("store"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
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
