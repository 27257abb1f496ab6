//! Builds of tests: a file system with busybox and nothing else, what is tried in it, and what came
//! of it. Knows nothing of what is tried.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use backend_api::{
    Availability, Backend as _, BuildKey, BuildRequest, Cache, Event, Events, Network, OpenFiles,
    Step, StepId, StepKind,
};
use backend_native::Native;
use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::{Arguments, Failed, Trial};

/// What nobody may read.
pub(crate) const SECRET: &str = "the machine's own";
/// A static program, for want of anything else in an empty file system.
const BUSYBOX: &str = "/bin/busybox";

/// Something that is tried.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Result<(), Failed>,
    /// Why it cannot be tried here, if it cannot.
    pub(crate) absence: Option<&'static str>,
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$($crate::support::Case {
            name: stringify!($name),
            run: $crate::$module::$name,
            absence: None,
        }),*]
    };
}
pub(crate) use cases;

/// Runs the cases, if this system allows builds without an engine.
pub(crate) fn main(cases: impl IntoIterator<Item = Case>) -> ExitCode {
    let arguments = Arguments::from_args();
    let probed = block_on(native().probe());
    let absence = match &probed {
        Availability::Ready(_) => None,
        Availability::Unavailable(why) => Some(why.message.clone()),
    };
    let required = required();
    let trials = cases.into_iter().map(|case| {
        let reason = case.absence.map(str::to_owned);
        let is_missing = absence.is_some() && required;
        let reason = absence.clone().or(reason);
        let trial = Trial::test(case.name, {
            let reason = reason.clone();
            move || match reason {
                Some(reason) => Err(reason.into()),
                None => (case.run)(),
            }
        });
        match reason {
            Some(reason) if !is_missing => trial.with_ignored_flag(true).with_kind(reason),
            _ => trial,
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// A build that is about to try something.
pub(crate) struct Build {
    pub(crate) directory: Utf8PathBuf,
    /// The network of its RUNs.
    pub(crate) network: Network,
    /// Is told every line of its RUNs as it comes.
    pub(crate) watch: fn(&str),
    _temporary: tempfile::TempDir,
    count: Mutex<u32>,
}

/// A build that went through.
#[derive(Debug)]
pub(crate) struct Built {
    /// What its RUNs printed.
    pub(crate) output: String,
    /// The files of its layers.
    pub(crate) layers: Vec<PathBuf>,
}

impl Build {
    pub(crate) fn new() -> Self {
        // Not in /tmp, in which layers may not be stacked.
        Self::new_in(Path::new("/var/tmp"))
    }

    /// Prepares a build whose files are all in a directory below `directory`.
    pub(crate) fn new_in(directory: &Path) -> Self {
        let temporary = tempfile::tempdir_in(directory).expect("a test may make directories");
        let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned());
        let build = Self {
            directory: directory.expect("its path is text"),
            network: Network::None,
            watch: |_| {},
            _temporary: temporary,
            count: Mutex::new(0),
        };
        for directory in ["context", "outside"] {
            fs::create_dir(build.directory.join(directory)).expect("a test may make directories");
        }
        let context = build.directory.join("context");
        fs::copy(BUSYBOX, context.join("busybox"))
            .expect("busybox is there (make test installs it)");
        fs::write(context.join("file"), "text\n").expect("a test may write");
        fs::write(build.outside().join("secret"), SECRET).expect("a test may write");
        build
    }

    /// Returns a directory that the build has nothing to do with.
    pub(crate) fn outside(&self) -> Utf8PathBuf {
        self.directory.join("outside")
    }

    /// Fails if something in that directory was changed.
    pub(crate) fn is_untouched(&self) -> Result<(), Failed> {
        let outside = self.outside();
        let names: Vec<_> = outside
            .read_dir_utf8()?
            .map(|entry| entry.map(|e| e.file_name().to_owned()))
            .collect::<Result<_, _>>()?;
        expect(names == ["secret"], &format!("outside there is {names:?}"))?;
        let text = fs::read_to_string(outside.join("secret"))?;
        expect(text == SECRET, &format!("the secret is {text}"))?;
        let mode = fs::metadata(&outside)?.permissions().mode() & 0o777;
        expect(mode == 0o755, &format!("the mode outside is {mode:o}"))
    }

    /// Writes an archive into the context.
    pub(crate) fn archive(&self, name: &str, fill: impl FnOnce(&mut Archive)) {
        let mut archive = Archive(tar::Builder::new(Vec::new()));
        fill(&mut archive);
        let bytes = archive.0.into_inner().expect("memory can be written to");
        fs::write(self.directory.join("context").join(name), bytes).expect("a test may write");
    }

    /// Runs a script in a shell, with busybox for its commands.
    pub(crate) fn shell(&self, script: &str) -> Result<Built, Failed> {
        self.shell_with("", script)
    }

    /// Does so with flags of RUN.
    pub(crate) fn shell_with(&self, flags: &str, script: &str) -> Result<Built, Failed> {
        let words = serde_json::to_string(&["/bin/busybox", "sh", "-c", script])?;
        self.run(&format!(
            "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\nRUN {flags} {words}"
        ))
    }

    /// Builds on a file system that has busybox and nothing else.
    pub(crate) fn run(&self, steps: &str) -> Result<Built, Failed> {
        let count = {
            let mut count = self.count.lock().map_err(|_| "a test panicked")?;
            *count += 1;
            *count
        };
        let text = format!("FROM scratch\nCOPY busybox /bin/\n{steps}\n");
        let kinds = text
            .lines()
            .filter_map(|line| match line.split(' ').next()? {
                "COPY" => Some(StepKind::Copy),
                "ADD" => Some(StepKind::Add),
                "RUN" => Some(StepKind::Run),
                "WORKDIR" => Some(StepKind::Workdir),
                _ => None,
            });
        let kinds = kinds.enumerate();
        let work = self.directory.join(format!("work-{count}"));
        let exported = self.directory.join(format!("layers-{count}"));
        for directory in [&work, &exported] {
            fs::create_dir(directory)?;
        }
        let containerfile = self.directory.join(format!("Containerfile-{count}"));
        fs::write(&containerfile, &text)?;
        let request = BuildRequest {
            hard_links: false,
            varied: backend_api::Variations::default(),
            key: BuildKey::new(&format!("escape-{count}")),
            containerfile,
            context: self.directory.join("context"),
            contexts: Vec::new(),
            target: None,
            steps: kinds
                .map(|(index, kind)| Step {
                    id: StepId { stage: 0, index },
                    kind,
                })
                .collect(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".to_owned(),
            build_arguments: Vec::new(),
            network: self.network,
            cache: Cache::Refuse,
            open_files: OpenFiles {
                soft: 256,
                hard: 1024,
            },
            work,
        };
        let lines = Lines {
            watch: self.watch,
            text: Mutex::default(),
        };
        let native = native();
        let built = block_on(native.build(&request, &lines));
        let built = built.map_err(|error| {
            let output = error.output().unwrap_or_default();
            format!("{:?}: {error}\n{output}", error.kind())
        })?;
        let image = block_on(native.export(&built, &exported))?;
        let layers = image.layers.into_iter().map(|layer| layer.tar.into());
        let layers = layers.collect();
        block_on(native.remove(built))?;
        let output = lines.text.into_inner().map_err(|_| "a test panicked")?;
        Ok(Built { output, layers })
    }
}

impl Built {
    pub(crate) fn raw_names(&self) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        for layer in &self.layers {
            let layer = fs::File::open(layer).expect("a layer can be opened");
            let mut archive = tar::Archive::new(layer);
            for entry in archive.entries().into_iter().flatten().flatten() {
                names.push(entry.path_bytes().into_owned());
            }
        }
        names
    }

    /// Returns the mode of an entry, as the last layer that has it says.
    pub(crate) fn mode(&self, path: &str) -> Option<u32> {
        self.layers.iter().rev().find_map(|layer| {
            let layer = fs::File::open(layer).ok()?;
            let mut archive = tar::Archive::new(layer);
            let mut entries = archive.entries().ok()?.flatten();
            let entry = entries.find(|entry| *entry.path_bytes() == *path.as_bytes())?;
            entry.header().mode().ok()
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.raw_names();
        names
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

/// Puts the program that makes system calls into a context, for a system of so many bits.
pub(crate) fn put_call(build: &Build, bits: u32, name: &str) -> Result<(), Failed> {
    let program = build.directory.join("context").join(name);
    #[expect(clippy::disallowed_types, reason = "a test compiles what it tries")]
    let mut compiler = std::process::Command::new("cc")
        .arg(format!("-m{bits}"))
        .args(
            "-O1 -nostdlib -static -ffreestanding -fno-pic -no-pie -fno-stack-protector".split(' '),
        )
        .args(["-x", "c", "-o", program.as_str(), "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()?;
    let source = compiler.stdin.take().ok_or("it has no input")?;
    { source }.write_all(include_bytes!("call.c"))?;
    let compiled = compiler.wait()?;
    expect(compiled.success(), "cc has failed")
}

/// An archive in which anything may stand.
pub(crate) struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    pub(crate) fn file(&mut self, path: &str) {
        self.put(path, "", tar::EntryType::Regular, (0o644, b"text\n"));
    }

    pub(crate) fn directory(&mut self, path: &str, mode: u32) {
        self.put(path, "", tar::EntryType::Directory, (mode, b""));
    }

    pub(crate) fn link(&mut self, kind: tar::EntryType, path: &str, target: &str) {
        self.put(path, target, kind, (0o777, b""));
    }

    fn put(&mut self, path: &str, target: &str, kind: tar::EntryType, (mode, bytes): (u32, &[u8])) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        let fields = header.as_old_mut();
        // The library would refuse such names.
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0
            .append(&header, bytes)
            .expect("memory can be written to");
    }
}

/// Keeps every line.
struct Lines {
    watch: fn(&str),
    text: Mutex<String>,
}

impl Events for Lines {
    fn emit(&self, event: Event) {
        if let (Event::Output { line, .. }, Ok(mut lines)) = (event, self.text.lock())
            // What is said of a step is its own text.
            && !line.starts_with('[')
        {
            (self.watch)(&line);
            lines.push_str(&line);
            lines.push('\n');
        }
    }
}

fn native() -> Native {
    Native::new(None, probe_cache::ProbeCache::none())
}

pub(crate) fn refused(built: Result<Built, Failed>, expected: &str) -> Result<(), Failed> {
    match built {
        Ok(built) => Err(format!("it was built: {:?}", built.names()).into()),
        Err(error) => {
            let message = error.message().unwrap_or_default();
            expect(message.contains(expected), message)
        }
    }
}

pub(crate) fn expect(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// Gives this thread a copy of its mounts, in which all that is mounted is shown in copies of it.
#[expect(
    unsafe_code,
    reason = "new namespaces are made by a call that rustix marks so"
)]
pub(crate) fn share_mounts() -> Result<(), Failed> {
    use rustix::mount::MountPropagationFlags;
    use rustix::thread::UnshareFlags;

    // SAFETY: no other thread relies on what this one sees.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS)? };
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)?;
    Ok(rustix::mount::mount_change("/", shared)?)
}

/// Returns what is mounted on the machine at or below some places.
pub(crate) fn mounts(places: &[&str]) -> Result<Vec<String>, Failed> {
    let all = fs::read_to_string("/proc/self/mountinfo")?;
    let is_of_a_place = |line: &&str| {
        let point = line.split(' ').nth(4).map(Utf8Path::new);
        point.is_some_and(|point| places.iter().any(|place| point.starts_with(place)))
    };
    Ok(all
        .lines()
        .filter(is_of_a_place)
        .map(str::to_owned)
        .collect())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(future)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn required() -> bool {
    let required = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name.trim() == "native")
}
