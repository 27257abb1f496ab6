//! Go's own encoder, as one process that is fed many inputs.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
#[expect(
    clippy::disallowed_types,
    reason = "this crate must not depend on the one that starts processes, and only its tests do"
)]
use std::process::Command;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use go_flate::Level;
use tempfile::TempDir;

/// The first Go that writes another format.
const FIRST_OTHER: u32 = 27;

/// A running reference encoder.
pub(crate) struct Reference {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    _directory: TempDir,
}

/// Returns why there is no Go that could serve as the reference, if so.
pub(crate) fn why_unavailable() -> Option<String> {
    let version = match command("go").arg("env").arg("GOVERSION").output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return Some(format!("`go env GOVERSION` failed: {}", output.status)),
        Err(error) => return Some(format!("`go` cannot be started: {error}")),
    };
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let minor = version
        .strip_prefix("go1.")
        .and_then(|rest| rest.split('.').next());
    match minor.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor < FIRST_OTHER => None,
        _ => Some(format!(
            "{version} is not known to write this format; Go up to 1.26 does"
        )),
    }
}

impl Reference {
    /// Builds and starts the program in `tests/go`.
    pub(crate) fn start() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("reference");
        let built = command("go")
            // Go refuses where version control does, as it does in a clone of another user.
            .args(["build", "-buildvcs=false"])
            .arg("-o")
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go"))
            .output()?;
        if !built.status.success() {
            let messages = String::from_utf8_lossy(&built.stderr);
            return Err(io::Error::other(format!("`go build` failed: {messages}")));
        }
        let mut child = command(&program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().map(BufWriter::new);
        let output = BufReader::new(child.stdout.take().expect("the output was asked for"));
        Ok(Self {
            child,
            input,
            output,
            _directory: directory,
        })
    }

    /// Returns what Go makes, at this level, of an input that is given to it in these writes, and
    /// how long that took there.
    pub(crate) fn compress(
        &mut self,
        level: Level,
        writes: &[&[u8]],
    ) -> io::Result<(Vec<u8>, Duration)> {
        let input = self
            .input
            .as_mut()
            .expect("the input is open until the drop");
        input.write_all(&u32::from(level.number()).to_le_bytes())?;
        input.write_all(&count(writes.len())?)?;
        for write in writes {
            input.write_all(&count(write.len())?)?;
            input.write_all(write)?;
        }
        input.flush()?;
        let mut time = [0; 8];
        self.output.read_exact(&mut time)?;
        let mut length = [0; 4];
        self.output.read_exact(&mut length)?;
        let mut file = vec![0; u32::from_le_bytes(length) as usize];
        self.output.read_exact(&mut file)?;
        Ok((file, Duration::from_nanos(u64::from_le_bytes(time))))
    }
}

impl Drop for Reference {
    /// Closes the program's input, at which it ends.
    fn drop(&mut self) {
        self.input = None;
        // It cannot be reported here, and every answer was read before.
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_types, reason = "see the import")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// Returns a count as the program takes it.
fn count(count: usize) -> io::Result<[u8; 4]> {
    u32::try_from(count)
        .map(u32::to_le_bytes)
        .map_err(io::Error::other)
}
