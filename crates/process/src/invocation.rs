//! One run of one program: arguments, environment, limits, and its output line by line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdin;

use crate::environment::Environment;
use crate::error::Error;
use crate::group::{Group, after_groups};
use crate::lines::Lines;
use crate::surroundings::Surroundings;

/// How much of standard output is kept before a program counts as flooding, unless said
/// otherwise.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How much of the end of a stream is kept, where not all of it is.
const END_KEPT: usize = 1 << 20;
/// How much of a stream is read at once.
const BUFFER: usize = 32 * 1024;
/// How often a program is tried again that is being written.
const BUSY_TRIES: usize = 50;
/// How long it is waited for each time.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Which of a child's two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How much of its standard output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// All of it, up to a limit.
    All,
    /// The last of it.
    End,
}

/// What a child that ran to its end leaves behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; whole, unless each line of it was handed on.
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

/// A program about to be run: with nothing on its standard input unless said, in a process group
/// of its own, and with the environment of [`Environment::pinned`].
///
/// Dropping the future of [`run`](Self::run) or [`run_with`](Self::run_with) ends the whole
/// process group.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: Utf8PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    directory: Option<Utf8PathBuf>,
    surroundings: Surroundings,
    input: Vec<u8>,
    time_limit: Option<Duration>,
    silence_limit: Option<Duration>,
    output_limit: usize,
}

impl Invocation {
    /// Prepares a run of `program`, a path (see [`find`]).
    pub fn new(program: &Utf8Path) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Environment::pinned(),
            directory: None,
            surroundings: Surroundings::default(),
            input: Vec::new(),
            time_limit: None,
            silence_limit: None,
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

    /// Lets it see, of the caller's variables and those that were set, only these. The language and the time zone stay.
    #[must_use]
    pub fn only_variables(mut self, names: &[&str]) -> Self {
        self.environment.keep_only(names);
        self
    }

    /// Sets the working directory, which is the caller's otherwise.
    #[must_use]
    pub fn directory(mut self, directory: &Utf8Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Sets several environment variables.
    #[must_use]
    pub fn variables<'a>(self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let set = |run: Self, (name, value): (&str, &str)| run.variable(name, value);
        variables.into_iter().fold(self, set)
    }

    /// Sets what it, and all that it starts, has around it.
    #[must_use]
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Sets what it finds on its standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Limits how long it may run.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Limits how long it may write nothing at all.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration) -> Self {
        self.silence_limit = Some(limit);
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
        self.run_keeping(Kept::All, &mut |_, _| {}).await
    }

    /// Runs it to its end, and hands on each line of its output as it comes. It may write as much as
    /// it likes: of standard output, too, only the last MiB is kept.
    pub async fn run_with(
        self,
        line: &mut (dyn FnMut(Channel, &str) + Send),
    ) -> Result<Finished, Error> {
        self.run_keeping(Kept::End, line).await
    }

    async fn run_keeping(
        self,
        kept: Kept,
        line: &mut (dyn FnMut(Channel, &str) + Send),
    ) -> Result<Finished, Error> {
        let start = Instant::now();
        let (program, limit) = (self.program.clone(), self.output_limit);
        let (mut out, mut err) = (Stream::default(), Stream::default());
        let mut take = |channel, bytes: &[u8]| {
            let stream = match channel {
                Channel::Stdout => &mut out,
                Channel::Stderr => &mut err,
            };
            stream.take(bytes, &mut |text| line(channel, text));
            err.cut();
            if kept == Kept::End {
                out.cut();
            } else if out.kept.len() > limit {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        match self.run_bytes(&mut take).await? {
            None => Err(Error::Flooded { program, limit }),
            Some(status) => match status.signal() {
                Some(signal) => Err(Error::Killed { program, signal }),
                None => Ok(Finished {
                    status,
                    stdout: out.kept,
                    stderr: String::from_utf8_lossy(&err.kept).into_owned(),
                    duration: start.elapsed(),
                }),
            },
        }
    }

    /// Runs it, and hands on its output as it comes, uncut; no bytes mean the stream's end.
    /// Nothing is kept, and the output limit is the caller's to hold: on
    /// [`ControlFlow::Break`] the program is ended, and its status is `None`.
    pub async fn run_bytes(
        self,
        take: &mut (dyn FnMut(Channel, &[u8]) -> ControlFlow<()> + Send),
    ) -> Result<Option<ExitStatus>, Error> {
        tracing::debug!(command = %self.command_line(), "starting");
        let start = Instant::now();
        let (program, limit) = (self.program.clone(), self.time_limit);
        let result = match limit {
            None => self.run_unlimited(take).await,
            Some(limit) => tokio::time::timeout(limit, self.run_unlimited(take))
                .await
                .unwrap_or(Err(Error::TimedOut {
                    program: program.clone(),
                    limit,
                })),
        };
        let took = start.elapsed();
        match &result {
            Ok(status) => tracing::debug!(%program, ?status, ?took, "ended"),
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
        take: &mut (dyn FnMut(Channel, &[u8]) -> ControlFlow<()> + Send),
    ) -> Result<Option<ExitStatus>, Error> {
        let mut child = self.start().await?;
        let _group = Group::new(child.id());
        let io_error = |source| Error::Io {
            program: self.program.clone(),
            source,
        };

        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let (mut out, mut err) = (vec![0; BUFFER], vec![0; BUFFER]);
        let (mut out_open, mut err_open) = (true, true);
        let mut feeding = std::pin::pin!(feed(child.stdin.take(), &self.input));
        let mut fed = false;
        while out_open || err_open {
            let (channel, bytes) = tokio::select! {
                () = &mut feeding, if !fed => {
                    fed = true;
                    continue;
                }
                count = stdout.read(&mut out), if out_open => {
                    let count = count.map_err(io_error)?;
                    out_open = count > 0;
                    (Channel::Stdout, &out[..count])
                }
                count = stderr.read(&mut err), if err_open => {
                    let count = count.map_err(io_error)?;
                    err_open = count > 0;
                    (Channel::Stderr, &err[..count])
                }
                () = self.silence() => return Err(self.silent()),
            };
            if take(channel, bytes).is_break() {
                return Ok(None);
            }
        }
        tokio::select! {
            status = child.wait() => status.map(Some).map_err(io_error),
            () = self.silence() => Err(self.silent()),
        }
    }

    /// Ends when the program, silent from now on, has been so for too long.
    async fn silence(&self) {
        match self.silence_limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    }

    fn silent(&self) -> Error {
        Error::Silent {
            program: self.program.clone(),
            limit: self.silence_limit.unwrap_or_default(),
        }
    }

    /// Starts the program, once nobody writes to its file any more. A file that another thread has written stays open for
    /// writing in each child that was forked meanwhile, until that child has executed its own program.
    async fn start(&self) -> Result<tokio::process::Child, Error> {
        let mut left = BUSY_TRIES;
        loop {
            match self.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && left > 0 => {
                    left -= 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                started => {
                    return started.map_err(|source| Error::from_start(&self.program, source));
                }
            }
        }
    }

    #[expect(
        clippy::disallowed_types,
        reason = "this is the one place that starts processes"
    )]
    fn spawn(&self) -> io::Result<tokio::process::Child> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(if self.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        end_with_us(&mut command);
        self.surroundings.set_for(&mut command);
        command.spawn()
    }
}

/// Has a child killed when this program is killed itself, and so cannot end it. The kernel sends
/// the signal when the thread that started the child ends: which must not be before the child does.
#[expect(
    clippy::disallowed_types,
    reason = "this is the one place that starts processes"
)]
#[expect(
    unsafe_code,
    reason = "nothing else runs between fork and exec, and a program in between would cost an exec"
)]
fn end_with_us(command: &mut tokio::process::Command) {
    let us = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // Killed before that: nobody would send the signal any more.
        if rustix::process::getppid() != Some(us) {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        Ok(())
    };
    // SAFETY: it makes two system calls, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// Writes what a child finds on its standard input. A child that does not read it is free not to.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin
        && let Err(error) = stdin.write_all(input).await
    {
        tracing::debug!(%error, "the input was not read");
    }
}

/// What came of one of a child's streams.
#[derive(Default)]
struct Stream {
    lines: Lines,
    kept: Vec<u8>,
}

impl Stream {
    /// Forgets the beginning, now and then.
    fn cut(&mut self) {
        if self.kept.len() > 2 * END_KEPT {
            self.kept.drain(..self.kept.len() - END_KEPT);
        }
    }

    fn take(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        if bytes.is_empty() {
            self.lines.finish(line);
        }
        self.lines.push(bytes, line);
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

/// Finds the program `name`, which is no path, in those of some directories that are absolute, which are listed as PATH
/// lists them: what lies in the working directory is never found.
pub fn find_in(directories: &str, name: &str) -> Result<Utf8PathBuf, Error> {
    let not_found = || Error::NotFound {
        program: name.into(),
    };
    let is_name = Utf8Path::new(name).file_name() == Some(name);
    std::env::split_paths(directories)
        .filter(|directory| is_name && directory.is_absolute())
        .find_map(|directory| which::which(directory.join(name)).ok())
        .and_then(|found| Utf8PathBuf::from_path_buf(found).ok())
        .ok_or_else(not_found)
}

/// Finds the programs on PATH whose names begin with `prefix`: by the rest of their names, those
/// of one name as a shell would. Names that are not UTF-8 are left out.
pub fn find_all(prefix: &str) -> BTreeMap<String, Utf8PathBuf> {
    let environment = Environment::pinned();
    let path = environment.iter().find(|(name, _)| *name == "PATH");
    let directories = path.map(|(_, directories)| directories).unwrap_or_default();
    let entries = std::env::split_paths(directories)
        .filter_map(|directory| {
            Utf8PathBuf::from_path_buf(directory)
                .ok()?
                .read_dir_utf8()
                .ok()
        })
        .flatten()
        .filter_map(Result::ok);
    let mut programs = BTreeMap::new();
    for entry in entries {
        if let Some(rest) = entry.file_name().strip_prefix(prefix)
            && let Ok(program) = find(entry.path())
        {
            programs.entry(rest.to_owned()).or_insert(program);
        }
    }
    programs
}
