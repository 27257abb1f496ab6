//! Which engines were found, and what they can do: `stagex runtimes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Version;

/// All runtimes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Runtimes {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Each runtime by its name.
    pub runtimes: BTreeMap<String, Runtime>,
}

/// Whether a runtime can build here and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// It can.
    Ready(ReadyRuntime),
    /// It cannot.
    Unavailable(UnavailableRuntime),
}

/// A runtime that can build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReadyRuntime {
    /// The path of the program that drives it.
    pub program: String,
    /// Its version, as it prints it.
    pub version: String,
    /// What was found and picked beside the version, as `[name, value]`. For people.
    pub details: Vec<(String, String)>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What a runtime can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Capabilities {
    /// What it understands of Containerfiles. The rest is rewritten into what it does.
    pub dialect: Dialect,
    /// It can deny the network to a whole build.
    pub offline_builds: bool,
    /// It can give the machine's own network to a build.
    pub host_network: bool,
    /// How it decides what belongs into a layer.
    pub layers: LayerRecord,
    /// The platforms, beside the machine's own, whose programs it runs, by an emulator.
    pub platforms: Vec<String>,
    /// It may leave empty mount points behind in the layer of a RUN; they are removed.
    pub leaves_mount_points: bool,
    /// What `stagex reproduce --rounds` can vary around its builds.
    #[serde(default)]
    pub varies: Vec<String>,
}

/// What a runtime understands of Containerfiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent feature of a grammar"
)]
pub struct Dialect {
    /// Heredocs in RUN, COPY and ADD.
    pub heredocs: bool,
    /// `RUN --network`, and enforces it.
    pub run_network: bool,
    /// FROM and `--from` may name a context that is given beside the file.
    pub named_contexts: bool,
    /// WORKDIR makes its directory at once, in a layer of its own.
    pub workdir_layers: bool,
    /// ADD unpacks an archive that is compressed with zstd.
    pub add_zstd: bool,
    /// `RUN --mount` stays within what its source is from, and what is written to it is not kept.
    pub confined_mounts: bool,
    /// A RUN mounts a directory below `/dev`.
    #[serde(default)]
    pub mounts_below_dev: bool,
    /// It puts several sources where BuildKit does, whatever the destination is.
    #[serde(default)]
    pub any_destination: bool,
    /// `COPY --exclude` and `ADD --exclude`.
    #[serde(default)]
    pub copy_exclude: bool,
    /// `COPY --parents`.
    #[serde(default)]
    pub copy_parents: bool,
    /// `COPY --link` and `ADD --link`.
    #[serde(default)]
    pub copy_link: bool,
    /// `--chmod` with letters.
    #[serde(default)]
    pub symbolic_modes: bool,
    /// Patterns in every part of a source of COPY and ADD, as Go reads them.
    #[serde(default)]
    pub copy_patterns: bool,
    /// `ADD --unpack`.
    #[serde(default)]
    pub add_unpack: bool,
    /// ADD of what is on the network.
    #[serde(default)]
    pub add_remote: bool,
    /// `size` of `RUN --mount=type=tmpfs`.
    #[serde(default)]
    pub tmpfs_size: bool,
    /// `sharing=private` of `RUN --mount=type=cache`.
    #[serde(default)]
    pub private_caches: bool,
    /// Several mounts of a RUN at one place, and mounts at places of the engine's own.
    #[serde(default)]
    pub stacked_mounts: bool,
}

/// How an engine decides what belongs into a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LayerRecord {
    /// By comparing with the file system below, with full precision: everything in a layer changed.
    Changes,
    /// By what was touched, with times in whole seconds: what is in a layer may equal what is below.
    Touched,
}

/// A runtime that cannot build here and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnavailableRuntime {
    /// Why not, for programs.
    pub reason: UnavailableReason,
    /// The path of the program that was found, if one was.
    pub program: Option<String>,
    /// The version that was found, if the program could be asked.
    pub version: Option<String>,
    /// What was tried, and what came of it, in one sentence.
    pub message: String,
    /// What can be done about it, in one sentence.
    pub hint: String,
}

/// Why a runtime cannot build here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UnavailableReason {
    /// There is no such program.
    NotFound,
    /// The program is there, but cannot be executed, or fails before it does anything.
    WillNotRun,
    /// It is older than the oldest that is supported.
    TooOld,
    /// The program runs, but its daemon does not answer.
    DaemonUnreachable,
    /// The user may not use it.
    PermissionDenied,
    /// It lacks a part that building needs.
    Incomplete,
}
