//! One run of one program: arguments, environment, limits, and its output line by line.

use std::ffi::{OsStr, OsString};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::environment::Environment;
use crate::error::Error;
use crate::group::{Group, after_groups};
use crate::lines::Lines;

/// How much of standard output is kept before a program counts as flooding, unless said
/// otherwise.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How much of the end of standard error is kept.
const STDERR_KEPT: usize = 1 << 20;

/// Which of a child's two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a child that ran to its end leaves behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, whole.
    pub stdout: Vec<u8>,
    /// Its standard error, up to the last MiB; bytes that are not UTF-8 are U+FFFD.
    pub stderr: String,
    /// How long it ran.
    pub duration: Duration,
}

impl Finished {
    /// Tells whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Returns standard output as text; bytes that are not UTF-8 are U+FFFD.
    pub fn stdout_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }
}

/// A program about to be run: with nothing on its standard input, in a process group of its
/// own, and with the environment of [`Environment::pinned`].
///
/// Dropping the future of [`run`](Self::run) or [`run_with`](Self::run_with) ends the whole
/// process group.
#[derive(Debug)]
pub struct Invocation {
    program: Utf8PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    folder: Option<Utf8PathBuf>,
    time_limit: Option<Duration>,
    output_limit: usize,
}

impl Invocation {
    /// Prepares a run of `program`, a path (see [`find`]).
    pub fn new(program: &Utf8Path) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Environment::pinned(),
            folder: None,
            time_limit: None,
            output_limit: OUTPUT_LIMIT,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|each| each.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    /// Sets the working folder, which is the caller's otherwise.
    #[must_use]
    pub fn folder(mut self, folder: &Utf8Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Limits how long it may run.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Limits how many bytes it may write to standard output. (16 MiB unless set.)
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Returns the program and its arguments as one line for logs, quoted where needed.
    pub fn command_line(&self) -> String {
        let words = self
            .arguments
            .iter()
            .map(|word| quote(&word.to_string_lossy()));
        std::iter::once(quote(self.program.as_str()))
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it to its end.
    pub async fn run(self) -> Result<Finished, Error> {
        self.run_with(&mut |_, _| {}).await
    }

    /// Runs it to its end, and hands on each line of its output as it comes.
    pub async fn run_with(
        self,
        line: &mut (dyn FnMut(Channel, &str) + Send),
    ) -> Result<Finished, Error> {
        tracing::debug!(command = %self.command_line(), "starting");
        let (program, limit) = (self.program.clone(), self.time_limit);
        let result = match limit {
            None => self.run_unlimited(line).await,
            Some(limit) => tokio::time::timeout(limit, self.run_unlimited(line))
                .await
                .unwrap_or(Err(Error::TimedOut {
                    program: program.clone(),
                    limit,
                })),
        };
        match &result {
            Ok(done) => {
                tracing::debug!(%program, status = %done.status, took = ?done.duration, "ended");
            }
            Err(error) => tracing::debug!(%program, %error, "ended"),
        }
        result
    }

    /// Runs it to its end in the background, once every process group that was told to end has
    /// ended. For what has to be cleaned up when a future is dropped, where nothing can be
    /// awaited: [`wait_for_ended_groups`](crate::wait_for_ended_groups) waits for it.
    ///
    /// How it ends is only in the debug log.
    pub fn run_unattended(self) {
        after_groups(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => drop(runtime.block_on(self.run())),
                Err(error) => tracing::warn!(%error, "cannot clean up"),
            }
        });
    }

    async fn run_unlimited(
        self,
        line: &mut (dyn FnMut(Channel, &str) + Send),
    ) -> Result<Finished, Error> {
        let start = Instant::now();
        let mut child = self.spawn()?;
        let _group = Group::new(child.id());
        let io_error = |source| Error::Io {
            program: self.program.clone(),
            source,
        };

        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let mut out = Pipe::new(Channel::Stdout);
        let mut err = Pipe::new(Channel::Stderr);
        while out.open || err.open {
            tokio::select! {
                more = out.read(&mut stdout), if out.open => out.take(more.map_err(io_error)?, line),
                more = err.read(&mut stderr), if err.open => err.take(more.map_err(io_error)?, line),
            }
            if out.kept.len() > self.output_limit {
                let limit = self.output_limit;
                return Err(Error::Flooded {
                    program: self.program.clone(),
                    limit,
                });
            }
            if err.kept.len() > 2 * STDERR_KEPT {
                err.kept.drain(..err.kept.len() - STDERR_KEPT);
            }
        }
        let status = child.wait().await.map_err(io_error)?;
        Ok(Finished {
            status,
            stdout: out.kept,
            stderr: String::from_utf8_lossy(&err.kept).into_owned(),
            duration: start.elapsed(),
        })
    }

    #[expect(
        clippy::disallowed_types,
        reason = "this is the one place that starts processes"
    )]
    fn spawn(&self) -> Result<tokio::process::Child, Error> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
            .spawn()
            .map_err(|source| Error::from_start(&self.program, source))
    }
}

/// One of a child's streams while it is read.
struct Pipe {
    channel: Channel,
    open: bool,
    buffer: Vec<u8>,
    lines: Lines,
    kept: Vec<u8>,
}

impl Pipe {
    fn new(channel: Channel) -> Self {
        let buffer = vec![0; 32 * 1024];
        Self {
            channel,
            open: true,
            buffer,
            lines: Lines::default(),
            kept: Vec::new(),
        }
    }

    async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<usize> {
        from.read(&mut self.buffer).await
    }

    fn take(&mut self, count: usize, line: &mut (dyn FnMut(Channel, &str) + Send)) {
        let channel = self.channel;
        if count == 0 {
            self.open = false;
            self.lines.finish(&mut |text| line(channel, text));
        }
        let bytes = &self.buffer[..count];
        self.lines.push(bytes, &mut |text| line(channel, text));
        self.kept.extend_from_slice(bytes);
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Finds the program `name` as a shell would: a path is taken as it is, a bare name is looked
/// up on PATH.
pub fn find(name: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let found = which::which(name).map_err(|_| Error::NotFound {
        program: name.to_owned(),
    })?;
    Utf8PathBuf::from_path_buf(found).map_err(|_| Error::NotFound {
        program: name.to_owned(),
    })
}
