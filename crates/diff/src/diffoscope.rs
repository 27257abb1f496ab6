//! `diffoscope`, where it is installed and asked for: it knows more kinds of files. What it reads is somebody else's, so
//! it gets no network, no other processes, a directory of its own, and limits of time, memory and output. Where that
//! cannot be had, it is not run. The file system is not hidden from it: it can read and write what the user can, and
//! reach the sockets that are there; it is only not told where they are.
//!
//! It does not know what the files are.

use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use process::Invocation;

/// How long it may take for two files.
const TIME: Duration = Duration::from_secs(60);
/// How much it may say, in bytes.
const OUTPUT: usize = 64 << 10;
/// How much more it may write before it is ended, in bytes.
const FLOOD: usize = 1 << 20;
/// What is put around it: namespaces of its own, which end with it.
const NAMESPACES: [&str; 11] = [
    "--user",
    "--map-current-user",
    "--net",
    "--ipc",
    "--uts",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
];
/// Its limits: memory, time of a processor, and the size of files, in bytes and seconds.
const LIMITS: [&str; 5] = [
    "--as=4294967296",
    "--cpu=60",
    "--fsize=268435456",
    "--core=0",
    "--",
];

/// Why `diffoscope` is not run.
#[derive(Debug, thiserror::Error)]
pub enum DiffoscopeError {
    /// A program is not there.
    #[error("`{0}` is not installed")]
    Missing(&'static str),
    /// It cannot be shut off here.
    #[error("diffoscope cannot be isolated on this machine: {0}")]
    Sandbox(String),
}

impl DiffoscopeError {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Environment
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing("diffoscope") => {
                "install Debian's diffoscope or diffoscope-minimal, or leave out --diffoscope"
            }
            Self::Missing(_) => "install util-linux, or leave out --diffoscope",
            Self::Sandbox(_) => {
                "allow user namespaces (sysctl user.max_user_namespaces, \
                 kernel.unprivileged_userns_clone), or leave out --diffoscope"
            }
        }
        .to_owned()
    }
}

/// `diffoscope`, and what shuts it off.
#[derive(Debug)]
pub struct Diffoscope {
    program: Utf8PathBuf,
    unshare: Utf8PathBuf,
    prlimit: Utf8PathBuf,
}

impl Diffoscope {
    /// Finds it on the PATH, and tries whether it can be shut off.
    ///
    /// # Errors
    ///
    /// It is not there, or cannot be.
    pub fn find() -> Result<Self, DiffoscopeError> {
        let program = process::find(Utf8Path::new("diffoscope"));
        Self::at(program.map_err(|_| DiffoscopeError::Missing("diffoscope"))?)
    }

    /// Takes a program for it, and tries whether it can be shut off.
    ///
    /// # Errors
    ///
    /// It cannot be.
    pub fn at(program: Utf8PathBuf) -> Result<Self, DiffoscopeError> {
        let find = |name: &'static str| {
            process::find(Utf8Path::new(name)).map_err(|_| DiffoscopeError::Missing(name))
        };
        let found = Self {
            program,
            unshare: find("unshare")?,
            prlimit: find("prlimit")?,
        };
        let trial = found.isolated().argument("true").run_to_end();
        match trial {
            Ok(finished) if finished.succeeded() => Ok(found),
            Ok(finished) => Err(DiffoscopeError::Sandbox(
                printable::line(finished.stderr.trim()).into_owned(),
            )),
            Err(error) => Err(DiffoscopeError::Sandbox(error.to_string())),
        }
    }

    /// Prepares a run of what is shut off.
    fn isolated(&self) -> Invocation {
        Invocation::new(&self.unshare)
            .arguments(NAMESPACES)
            .argument(&self.prlimit)
            .arguments(LIMITS)
            .only_variables(&["PATH"])
            .time_limit(TIME)
            .output_limit(FLOOD)
    }

    /// Returns what it says of two files called `name`, or why it says nothing.
    pub(crate) fn compare(&self, name: &str, left: &[u8], right: &[u8]) -> String {
        let said = self.say(name, left, right);
        let said = said.unwrap_or_else(|error| format!("diffoscope says nothing: {error}"));
        let most = said.len().min(OUTPUT);
        let end = (0..=most).rev().find(|end| said.is_char_boundary(*end));
        printable::lines(&said[..end.unwrap_or_default()]).into_owned()
    }

    fn say(&self, name: &str, left: &[u8], right: &[u8]) -> io::Result<String> {
        let directory = tempfile::tempdir()?;
        let path = Utf8Path::from_path(directory.path()).ok_or(io::ErrorKind::InvalidFilename)?;
        let mut files = Vec::new();
        for (side, bytes) in [("left", left), ("right", right)] {
            let side = path.join(side);
            fs::create_dir(&side)?;
            let file = side.join(plain(name));
            fs::write(&file, bytes)?;
            files.push(file);
        }
        let finished = self
            .isolated()
            .argument(&self.program)
            .arguments([
                "--text",
                "-",
                "--text-color",
                "never",
                "--no-progress",
                "--",
            ])
            .arguments(files)
            .directory(path)
            .variable("HOME", path.as_str())
            .variable("TMPDIR", path.as_str())
            .run_to_end()?;
        // That the files differ is no failure.
        if matches!(finished.status.code(), Some(0 | 1)) {
            return Ok(finished.stdout_text().into_owned());
        }
        let last = finished.stderr.lines().last().unwrap_or("it failed");
        Err(io::Error::other(last.to_owned()))
    }
}

/// Returns the last part of a path, as the name of a file that means nothing else.
fn plain(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_usual = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
    let is_plain = name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name.len() < 100
        && name.chars().all(|letter| is_usual(letter) || letter == '-');
    if is_plain { name } else { "file" }
}

/// Running to the end where nothing else waits.
trait RunToEnd {
    fn run_to_end(self) -> io::Result<process::Finished>;
}

impl RunToEnd for Invocation {
    fn run_to_end(self) -> io::Result<process::Finished> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.run()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
