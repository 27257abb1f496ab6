//! What an engine can do: plain data, declared by the backend, enforced once, outside of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::variation::Variation;

/// The Containerfile features that an engine understands. What it does not understand is
/// rewritten into what it does before the backend sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent feature of a grammar"
)]
pub struct Dialect {
    /// Heredocs in RUN, COPY and ADD.
    pub heredocs: bool,
    /// `RUN --network=`, really enforced.
    pub run_network: bool,
    /// A FROM or `--from=` may name a context given beside the file. Where it may not, the
    /// backend puts each context into the engine's store under the context's name, which is
    /// then a valid image reference, as an image of the platform that is built for: no FROM says
    /// another.
    pub named_contexts: bool,
    /// WORKDIR makes its directory at once, in a layer of its own.
    pub workdir_layers: bool,
    /// ADD unpacks a zstd-compressed archive.
    pub add_zstd: bool,
    /// A source of `RUN --mount` is found beneath the stage, image or context that it is from,
    /// wherever symbolic links in that lead, and what a RUN writes to it does not outlive the RUN.
    /// Where that does not hold, sources are copied into stages of their own first.
    #[serde(default)]
    pub confined_mounts: bool,
    /// COPY and ADD of several sources put them where BuildKit does if the destination has no slash at its end: into a
    /// directory if there is one, and else to one file after the other.
    #[serde(default)]
    pub any_destination: bool,
    /// A directory can be mounted below `/dev` for a RUN, where `BuildKit` has scripts of heredocs. Where it cannot, and
    /// there are no heredocs, such a script is refused: it would not have the name that it has elsewhere.
    #[serde(default)]
    pub mounts_below_dev: bool,
    /// `COPY --exclude` and `ADD --exclude`. Where that, or anything of what follows, does not hold, whoever asks for it
    /// is refused while planning.
    #[serde(default)]
    pub copy_exclude: bool,
    /// `COPY --parents`.
    #[serde(default)]
    pub copy_parents: bool,
    /// `COPY --link` and `ADD --link`, with a layer of its own for what is copied.
    #[serde(default)]
    pub copy_link: bool,
    /// `--chmod` with letters, such as `u+x`.
    #[serde(default)]
    pub symbolic_modes: bool,
    /// Patterns in a source of COPY and ADD mean what they mean to Go's `filepath.Match`, in every part of a path, and
    /// do not look through symbolic links. `*` and `?` in the last part every engine has, and plain classes in a context.
    #[serde(default)]
    pub copy_patterns: bool,
    /// `ADD --unpack`. Where it does not hold, `--unpack=false` is rewritten into COPY.
    #[serde(default)]
    pub add_unpack: bool,
    /// ADD of what is on the network, with `--checksum` and `--keep-git-dir`.
    #[serde(default)]
    pub add_remote: bool,
    /// `size` of `RUN --mount=type=tmpfs`.
    #[serde(default)]
    pub tmpfs_size: bool,
    /// `sharing=private` of `RUN --mount=type=cache`.
    #[serde(default)]
    pub private_caches: bool,
    /// Of several mounts of a RUN at one place the last one counts, and one at a place of the engine's own, such as
    /// `/dev/shm`, takes that one's place.
    #[serde(default)]
    pub stacked_mounts: bool,
}

impl Dialect {
    /// Nothing but what all engines have.
    pub const NONE: Self = Self {
        heredocs: false,
        run_network: false,
        named_contexts: false,
        workdir_layers: false,
        add_zstd: false,
        confined_mounts: false,
        any_destination: false,
        mounts_below_dev: false,
        copy_exclude: false,
        copy_parents: false,
        copy_link: false,
        symbolic_modes: false,
        copy_patterns: false,
        add_unpack: false,
        add_remote: false,
        tmpfs_size: false,
        private_caches: false,
        stacked_mounts: false,
    };
}

/// How an engine decides what belongs into a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerRecord {
    /// The layer is a comparison with the file system below, made with full precision: what
    /// is equal below is not in it, and everything in it changed.
    Changes,
    /// The layer is everything that was touched, with times in whole seconds: what is in it may
    /// equal what is below.
    Touched,
}

/// What an engine can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The Containerfile features that it understands.
    pub dialect: Dialect,
    /// It can deny the network to a whole build.
    pub offline_builds: bool,
    /// It can give the machine's own network to a build.
    #[serde(default)]
    pub host_network: bool,
    /// How it decides what belongs into a layer.
    pub layers: LayerRecord,
    /// The platforms, beside the machine's own, whose programs it runs: by an emulator.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// It may leave empty mount points behind in a RUN's layer (`etc/hosts`, `run/` and the
    /// like), which the build itself did not make.
    pub leaves_mount_points: bool,
    /// What of [`Variations`](crate::Variations) it can vary. Nothing else is asked for.
    #[serde(default)]
    pub varies: BTreeSet<Variation>,
}
