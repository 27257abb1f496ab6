//! What lowering is given, and what it gives.
//!
//! It does not know how either is used.

use std::collections::BTreeMap;

use crate::build::StepId;
use crate::reference::StageId;

/// The features that an engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent feature of a grammar"
)]
pub struct Dialect {
    /// Heredocs in `RUN`, `COPY` and `ADD`.
    pub heredocs: bool,
    /// `RUN --network=`.
    pub run_network: bool,
    /// `RUN --mount=type=bind,from=` of a directory onto a place below `/dev`, which a heredoc that begins with `#!`
    /// becomes where there are no heredocs.
    pub script_mounts: bool,
    /// `WORKDIR` makes its directory at once, in a layer of its own. Without that a `RUN` makes the directory that it begins
    /// in, of user and group 0 and with permissions 0755, and nothing else does.
    pub workdir_layers: bool,
    /// `ADD` unpacks an archive that is compressed with zstd.
    pub add_zstd: bool,
    /// A source of a `RUN --mount` is found beneath what it is from, wherever symbolic links in that lead, and what a
    /// `RUN` writes to it is gone with the `RUN`. Without that each source but a root that is only read is copied into
    /// a stage of its own first, and caches begin empty.
    pub confined_mounts: bool,
    /// `FROM --platform=` says which image of a name is meant. Without that there is one behind each name, which is
    /// of the platform that is built for.
    pub image_platforms: bool,
    /// `COPY` and `ADD` of several sources put them where `BuildKit` does: into a directory if there is one, and else to
    /// one file after the other. Without that the destination must be a directory for certain.
    pub any_destination: bool,
    /// `COPY --exclude` and `ADD --exclude`.
    pub copy_exclude: bool,
    /// `COPY --parents`.
    pub copy_parents: bool,
    /// `COPY --link` and `ADD --link`.
    pub copy_link: bool,
    /// `--chmod` with letters.
    pub symbolic_modes: bool,
    /// Any pattern in a source of `COPY` and `ADD`, as `BuildKit` reads it. Without that a pattern may have `*` and
    /// `?` in the last part of its path, and in one of the context plain classes and any part.
    pub copy_patterns: bool,
    /// `ADD --unpack`.
    pub add_unpack: bool,
    /// `ADD` of what is on the network, with `--checksum` and `--keep-git-dir`.
    pub add_remote: bool,
    /// The size of a mount in memory.
    pub tmpfs_size: bool,
    /// A cache that a `RUN` shares with no other.
    pub private_caches: bool,
    /// Of several mounts at one place the last one counts, and a mount at a place of the engine's own takes its place.
    pub stacked_mounts: bool,
}

impl Dialect {
    /// Everything that `BuildKit` has.
    pub const FULL: Self = Self {
        heredocs: true,
        run_network: true,
        script_mounts: true,
        workdir_layers: true,
        add_zstd: true,
        confined_mounts: true,
        image_platforms: true,
        any_destination: true,
        copy_exclude: true,
        copy_parents: true,
        copy_link: true,
        symbolic_modes: true,
        copy_patterns: true,
        add_unpack: true,
        add_remote: true,
        tmpfs_size: true,
        private_caches: true,
        stacked_mounts: true,
    };
    /// Nothing beyond what all engines have.
    pub const NONE: Self = Self {
        heredocs: false,
        run_network: false,
        script_mounts: false,
        workdir_layers: false,
        add_zstd: false,
        confined_mounts: false,
        any_destination: false,
        image_platforms: false,
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

/// How to lower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowerOptions {
    /// The features of the engine.
    pub dialect: Dialect,
    /// The name under which the engine is given the side context.
    pub side_context: String,
    /// New names for images and contexts; whatever is not in it keeps its name.
    pub references: BTreeMap<String, String>,
    /// The build arguments that the engine is given.
    pub given: Vec<(String, String)>,
    /// The engine denies the network to the whole build, so that a `RUN --network=none` may go without its flag where
    /// the dialect has none.
    pub offline: bool,
}

/// A build as an engine is to see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lowered {
    /// The Containerfile.
    pub text: String,
    /// The files of the side context.
    pub files: Vec<SideFile>,
    /// The empty directories of the side context.
    pub directories: Vec<SideDirectory>,
    /// Every instruction of the text in order, but those of [`Lowered::copied`], `FROM` and each `ARG` that declares again what a stage inherits. Triggers stand at the beginning of their stage.
    pub steps: Vec<LoweredStep>,
    /// The sources of mounts that are copied into stages of their own, in the order of these stages.
    pub copied: Vec<CopiedSource>,
    /// What the user should hear of.
    pub notices: Vec<Notice>,
}

impl Lowered {
    /// Tells whether the text refers to the side context at all.
    pub fn needs_side_context(&self) -> bool {
        !(self.files.is_empty() && self.directories.is_empty())
    }
}

/// A source of mounts, copied into a stage of its own, whose only instruction is a `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedSource {
    /// The stage's name.
    pub stage: String,
    /// The stage that it stands before.
    pub before: StageId,
    /// The `RUN` that it was copied for first.
    pub step: StepId,
    pub(super) from: Option<String>,
    pub(super) source: String,
    pub(super) is_written: bool,
}

/// A file of the side context, owned by user and group 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideFile {
    /// Its path, with `/` between the parts and none at the beginning.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// Its bytes.
    pub contents: String,
}

/// An empty directory of the side context, owned by user and group 0, with permissions 0755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideDirectory {
    /// Its path, with `/` between the parts and none at the beginning.
    pub path: String,
}

/// An instruction of the lowered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoweredStep {
    /// The step of the original.
    pub step: StepId,
    /// The engine makes a layer for it.
    pub makes_layer: bool,
}

/// What a user should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The frontend that the file asks for is not used.
    SyntaxIgnored(String),
    /// An `ADD` of an archive that this engine would not unpack: whoever makes the context must decompress it, under
    /// the same name.
    ZstdArchive {
        /// The `ADD`.
        step: StepId,
        /// The path in the context.
        path: String,
    },
    /// A `RUN --network=none` lost its flag, because the whole build is offline.
    NetworkOfBuild {
        /// The `RUN`.
        step: StepId,
    },
}
