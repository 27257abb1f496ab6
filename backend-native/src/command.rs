//! How the worker is started, and what it is given. Runs nothing.

use backend_api::{BuildRequest, Cache, ContextSource, Step, StepId, Variation, Variations};
use camino::{Utf8Path, Utf8PathBuf, absolute_utf8};
use process::{Invocation, Surroundings};

use crate::job::{BuildJob, CacheJob, Context, ContextKind, Job};

/// The runtime's name.
pub(crate) const ID: &str = "native";

/// Its version: this program's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The one argument that makes a worker of this program.
pub(crate) const WORKER: &str = "--stagex-native-worker";

/// This program, whatever has become of its file.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// The name of the machine in RUNs, as BuildKit has it.
pub(crate) const HOST_NAME: &str = "buildkitsandbox";

/// How many bytes of the disk the results of earlier builds may take.
const CACHE_LIMIT: u64 = 10 << 30;

/// Prepares a worker that does `job`: `program`, which has this crate in it.
pub(crate) fn worker(program: &Utf8Path, job: &Job) -> Invocation {
    let job = serde_json::to_vec(job).expect("texts and numbers can be written as JSON");
    Invocation::new(program).argument(WORKER).input(job)
}

/// Prepares a worker that builds under these varied.
pub(crate) fn worker_under(program: &Utf8Path, job: &Job, varied: &Variations) -> Invocation {
    worker(program, job)
        .variables(varied.variables())
        .surroundings(Surroundings {
            one_processor: varied.has(Variation::Processors),
            old_kernel: varied.has(Variation::KernelRelease),
            umask: varied.umask(),
        })
}

/// Returns the job that a request is.
pub(crate) fn build(request: &BuildRequest) -> Job {
    let contexts = request.contexts.iter().map(|context| {
        let (kind, path) = match &context.source {
            ContextSource::Image(path) => (ContextKind::Image, path),
            ContextSource::Directory(path) => (ContextKind::Directory, path),
        };
        Context {
            name: context.name.clone(),
            path: absolute(path),
            kind,
        }
    });
    let arguments = request.build_arguments.iter();
    Job::Build(Box::new(BuildJob {
        containerfile: absolute(&request.containerfile),
        context: absolute(&request.context),
        contexts: contexts.collect(),
        target: request.target.clone(),
        steps: places(&request.steps),
        stages: request
            .stages
            .iter()
            .map(|stage| places(&stage.steps))
            .collect(),
        platform: request.platform.clone(),
        build_arguments: arguments
            .map(|argument| (argument.name.clone(), argument.value.clone()))
            .collect(),
        network: request.network.into(),
        host_name: if request.varied.has(Variation::HostName) {
            Variation::HostName.value().to_owned()
        } else {
            HOST_NAME.to_owned()
        },
        open_files: (request.open_files.soft, request.open_files.hard),
        cache: match &request.cache {
            Cache::Use { directory, seal } => Some(CacheJob {
                directory: absolute(directory),
                seal: seal.clone(),
                limit: CACHE_LIMIT,
            }),
            Cache::Refuse => None,
        },
        work: absolute(&request.work),
    }))
}

fn places(steps: &[Step]) -> Vec<StepId> {
    steps.iter().map(|step| step.id).collect()
}

/// Returns a path that a worker understands, which has a directory of its own.
fn absolute(path: &Utf8Path) -> Utf8PathBuf {
    // Only an empty path has none, and then what is wrong is said by whoever opens it.
    absolute_utf8(path).unwrap_or_else(|_| path.to_owned())
}
