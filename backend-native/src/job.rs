//! What is said between this process and its worker: one job on the worker's standard input, and
//! messages on its standard output, one to a line.

use backend_api::{ErrorKind, Network, Seal, StepId};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// What a worker is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    /// Find out what can be done here, in an empty directory; which program leads to the network only where
    /// that is not known.
    Probe {
        work: Utf8PathBuf,
        network: Option<String>,
    },
    /// Build an image, and write its layers.
    Build(Box<BuildJob>),
    /// Remove all that is in a directory.
    Remove { work: Utf8PathBuf },
}

/// A [`backend_api::BuildRequest`], as far as a worker has to know it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BuildJob {
    pub(crate) containerfile: Utf8PathBuf,
    pub(crate) context: Utf8PathBuf,
    pub(crate) contexts: Vec<Context>,
    pub(crate) target: Option<String>,
    pub(crate) steps: Vec<StepId>,
    /// The steps that make layers in each stage of the Containerfile, in its order.
    pub(crate) stages: Vec<Vec<StepId>>,
    pub(crate) platform: String,
    pub(crate) build_arguments: Vec<(String, String)>,
    /// The network of RUNs.
    pub(crate) network: JobNetwork,
    /// How many files a process may open: what it begins with, and the most.
    pub(crate) open_files: (u64, u64),
    /// The name of the machine in RUNs.
    pub(crate) host_name: String,
    /// Where results are kept for later builds; nothing where every instruction must run.
    pub(crate) cache: Option<CacheJob>,
    pub(crate) work: Utf8PathBuf,
}

/// The network of RUNs that do not deny it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum JobNetwork {
    /// One of each RUN's own, from which the machine's can be reached if that can be had.
    Own,
    /// None.
    None,
    /// The machine's.
    Machine,
}

impl From<Network> for JobNetwork {
    fn from(network: Network) -> Self {
        match network {
            Network::Default => Self::Own,
            Network::None => Self::None,
            Network::Host => Self::Machine,
        }
    }
}

/// Where results are kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CacheJob {
    /// On the file system of the work directory. It may not be there yet.
    pub(crate) directory: Utf8PathBuf,
    /// What proves that something was kept by this user; without it, all that is whole is believed.
    pub(crate) seal: Option<Seal>,
    /// How many bytes of the disk they may take when the build has ended.
    pub(crate) limit: u64,
}

/// Something that FROM or `--from=` names.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) path: Utf8PathBuf,
    pub(crate) kind: ContextKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ContextKind {
    /// A directory with an OCI layout.
    Image,
    /// A directory of files.
    Directory,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// A line of a step's output, or of the worker's own.
    Output { step: Option<StepId>, line: String },
    /// Something that a person should know.
    Notice { message: String },
    /// What was found out, as (name, value), and the program that leads to the network, if one does.
    Found {
        details: Vec<(String, String)>,
        network: Option<String>,
    },
    /// The job is done.
    Done,
    /// The job cannot be done, and why.
    Failed(Failure),
}

/// Why a job cannot be done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The step that failed.
    #[serde(default)]
    pub(crate) step: Option<StepId>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    /// An instruction failed: the package's own fault.
    Build,
    /// It cannot be done by this backend.
    Unsupported,
    /// The system does not allow what it takes.
    Permission,
    /// The disk is full or broken.
    Storage,
    /// Anything else.
    Internal,
}

impl From<FailureKind> for ErrorKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Build => Self::BuildFailed,
            FailureKind::Unsupported => Self::Unsupported,
            FailureKind::Permission => Self::PermissionDenied,
            FailureKind::Storage => Self::Storage,
            FailureKind::Internal => Self::EngineFailed,
        }
    }
}

/// Returns the directory of a build's layers, in its work directory.
pub(crate) fn layers(work: &Utf8Path) -> Utf8PathBuf {
    work.join("layers")
}

/// Returns the name of a layer's file.
pub(crate) fn layer_name(place: usize) -> String {
    format!("{place}.tar")
}
