//! What can go wrong between a recipe and its image, and what to do about it.

use std::io;

use camino::Utf8PathBuf;
use containerfile::Position;
use documents::ErrorKind;
use oci_image::Digest;

use crate::missing::{FetchProblem, MissingSource, message};
use crate::refusal::{self, Refusals};

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What lies in `out/` or is written there.
    #[error(transparent)]
    State(#[from] state::Error),
    /// What builds have left cannot be removed.
    #[error("cannot remove {path}")]
    Remove {
        /// What is left.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Sources are not in the tree's `fetch/`; at least one.
    #[error("{}", message(.0))]
    MissingSources(Vec<MissingSource>),
    /// Sources could not be brought into the tree's `fetch/`.
    #[error("{}", .0.message)]
    Fetch(Box<FetchProblem>),
    /// A source is there, but is not what `package.toml` says.
    #[error("{path} has sha256 {found}, expected {expected} (source `{key}`)")]
    WrongSource {
        /// The source's key in `package.toml`.
        key: String,
        /// The file.
        path: Utf8PathBuf,
        /// The sha256 that it must have, in hex.
        expected: String,
        /// The sha256 that it has, in hex.
        found: String,
    },
    /// A file of a context is no longer what it was when the build was planned.
    #[error("{path} was changed while it was read")]
    Changed {
        /// The file.
        path: Utf8PathBuf,
    },
    /// An image is no longer the one that was found before.
    #[error("the image of {name} was replaced meanwhile: it is {found}, and was {expected}")]
    Replaced {
        /// The image's name.
        name: String,
        /// The digest that it has.
        found: Digest,
        /// The digest that it must have.
        expected: Digest,
    },
    /// What runtimes agreed on would have to be built again, by one.
    #[error("{package} has changed since runtimes agreed on its image")]
    NotProven {
        /// The package.
        package: String,
    },
    /// A file of a context is one that engines do not copy, or each in its own way.
    #[error("{path} is {found}, which cannot be in a context")]
    Special {
        /// The file.
        path: Utf8PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A file of a context is older than every image, so that its own time would be in the image.
    #[error("the time of {path} is before the epoch of images")]
    Early {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A file of a context cannot be in a layer.
    #[error("{path} cannot be copied: in a layer, a name that begins with `.wh.` deletes a file")]
    Deletion {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A line of a `.dockerignore` is no pattern.
    #[error("{path}:{line}: {source}")]
    BadPattern {
        /// The list.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: patterns::BadPattern,
    },
    /// A list of what is ignored that only some engines follow.
    #[error("{path} is not followed by every engine")]
    ForeignList {
        /// The list.
        path: Utf8PathBuf,
    },
    /// The Containerfile cannot be read, resolved or lowered.
    #[error("{path}:{source}")]
    Containerfile {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// What is wrong, beginning with line and column.
        source: Box<containerfile::Error>,
    },
    /// A FROM or `--from` names something that is neither a stage nor a context.
    #[error("{path}:{line}:{column}: `{reference}` is neither a stage, a package nor a context")]
    UnknownReference {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is named.
        reference: String,
    },
    /// Instructions that a runtime cannot carry out, or not rightly; at least one.
    #[error("{}", refusal::message(.refusals))]
    Refused {
        /// The runtime.
        runtime: String,
        /// The instructions.
        refusals: Refusals,
    },
    /// A Containerfile uses one name for the images of two platforms.
    #[error("{path}: `{reference}` is used for two platforms")]
    TwoPlatforms {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// The name.
        reference: String,
    },
    /// What an engine has in its store is not what was put there.
    #[error("{runtime} has {found} as {reference}, and not {digest}")]
    OtherLoaded {
        /// The runtime.
        runtime: String,
        /// The name that it was given there.
        reference: String,
        /// The digest of its manifest.
        digest: String,
        /// What the engine says that it has.
        found: String,
    },
    /// An instruction failed.
    #[error(
        "{path}:{}:{}: {}{source}",
        position.line,
        position.column,
        named(instruction, source)
    )]
    Instruction {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// Where in it.
        position: Position,
        /// The instruction as it is written there, as far as its first line goes.
        instruction: String,
        /// Why.
        source: Box<backend_api::Error>,
    },
    /// The engine failed.
    #[error(transparent)]
    Backend(Box<backend_api::Error>),
    /// The engine handed over a layer that is none of the instructions'.
    #[error(
        "{runtime} exported a layer for step {step}: expected at most one for each of the \
         {expected} instructions that make one, in their order"
    )]
    StrayLayer {
        /// The runtime.
        runtime: String,
        /// The step that the layer is said to be of.
        step: String,
        /// How many instructions make a layer.
        expected: usize,
    },
    /// What the engine made could not be turned into an image.
    #[error(transparent)]
    Image(#[from] oci_image::ImageError),
    /// An image in `out/` is not what it should be.
    #[error(transparent)]
    Layout(#[from] oci_image::LayoutError),
    /// An image that a Containerfile names is not what it should be.
    #[error("the image `{reference}` cannot be used")]
    NamedImage {
        /// What the Containerfile names it by.
        reference: String,
        /// What is wrong with its layout.
        source: oci_image::LayoutError,
    },
    /// The archive of a seed is not one of a root file system.
    #[error("the seed `{seed}` ({path}) cannot be used: {source}")]
    Seed {
        /// The seed's name in `package.toml`.
        seed: String,
        /// Its archive.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: SeedProblem,
    },
    /// The seeds of a package gave different images.
    #[error("its seeds give different images: {}", told(.0))]
    SeedsDiffer(Vec<SeedImage>),
    /// The configuration of a base image cannot be understood.
    #[error(transparent)]
    Config(#[from] oci_image::ConfigError),
    /// A platform cannot be understood.
    #[error(transparent)]
    PlatformName(#[from] containerfile::PlatformError),
    /// Nothing here runs the programs of a platform.
    #[error("cannot build for `{platform}` here; expected {}", expected.join(" or "))]
    Platform {
        /// The platform.
        platform: String,
        /// Those whose programs the engine runs.
        expected: Vec<String>,
    },
    /// There is less room on the disk than is needed.
    #[error(
        "the disk of {path} has {} MiB of free space, and the packages to build need {} MiB",
        free >> 20,
        needed >> 20
    )]
    DiskSpace {
        /// The directory that is written to.
        path: Utf8PathBuf,
        /// How many bytes there are.
        free: u64,
        /// How many bytes are needed.
        needed: u64,
    },
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Why a seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedProblem {
    /// What is compressed cannot be read.
    #[error("it cannot be decompressed: {0}")]
    Compression(io::Error),
    /// It is larger than any root file system.
    #[error("it has more than the {} MiB that are read of a root file system", .0 >> 20)]
    TooLarge(u64),
    /// It is not an archive, or has what no root file system has.
    #[error(transparent)]
    Archive(oci_image::ArchiveError),
}

/// What a package came out as from one of its seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedImage {
    /// The seed's name in `package.toml`.
    pub seed: String,
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// Where the image is kept.
    pub path: Utf8PathBuf,
}

/// Says what came out of each seed.
fn told(images: &[SeedImage]) -> String {
    let told = |image: &SeedImage| format!("`{}` gives {}", image.seed, image.digest);
    images.iter().map(told).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::State(error) => error.kind(),
            Self::Backend(error) | Self::Instruction { source: error, .. } => of_backend(error),
            Self::Containerfile { source, .. } => of_containerfile(&source.kind),
            Self::BadPattern { .. } | Self::ForeignList { .. } => ErrorKind::Tree,
            Self::Platform { .. } | Self::PlatformName(_) => ErrorKind::Usage,
            Self::Changed { .. } | Self::Replaced { .. } | Self::NotProven { .. } => {
                ErrorKind::Transient
            }
            Self::Fetch(problem) => problem.kind,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Remove { .. } | Self::DiskSpace { .. } => ErrorKind::Environment,
            _ if is_full(self) => ErrorKind::Environment,
            Self::MissingSources(_)
            | Self::WrongSource { .. }
            | Self::Special { .. }
            | Self::Deletion { .. }
            | Self::Early { .. }
            | Self::UnknownReference { .. }
            | Self::Refused { .. }
            | Self::TwoPlatforms { .. }
            | Self::StrayLayer { .. }
            | Self::Image(_)
            | Self::Layout(_)
            | Self::NamedImage { .. }
            | Self::Seed { .. }
            | Self::Config(_) => ErrorKind::Package,
            Self::SeedsDiffer(_) | Self::OtherLoaded { .. } => ErrorKind::Differs,
        }
    }

    /// Returns what the user can do about it, in one sentence a line.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::State(error) => return error.hint(),
            Self::Backend(error) | Self::Instruction { source: error, .. } => {
                return error.hint().map(str::to_owned);
            }
            Self::Containerfile { source, .. } => return source.hint(),
            Self::Fetch(problem) => return problem.hint.clone(),
            Self::Refused { refusals, .. } => return refusals.iter().next()?.0.hint.clone(),
            Self::MissingSources(missing) => match missing.as_slice() {
                [one] => {
                    let from = one.mirrors.join("\n       or ");
                    format!("`stagex fetch` downloads it, from {from}")
                }
                _ => "`stagex fetch` downloads them, and `stagex fetch --list` shows from where"
                    .to_owned(),
            },
            Self::WrongSource { path, .. } => {
                format!("replace it with `stagex fetch`, or find out who changed {path}")
            }
            Self::SeedsDiffer(images) => {
                let first = images.first()?;
                let other = images.iter().find(|image| image.digest != first.digest)?;
                format!(
                    "none of them was put into out/; compare what is kept of them: stagex diff {} {}",
                    first.path, other.path
                )
            }
            Self::Remove { path, .. } => format!(
                "if its files belong to user IDs that are no longer yours (see /etc/subuid), only root can remove it: \
                 sudo rm -rf {path}"
            ),
            Self::Platform { platform, .. } if !platform.starts_with("linux/") => {
                "images are built for Linux: name a platform such as linux/amd64".to_owned()
            }
            _ => return self.fixed_hint().map(str::to_owned),
        })
    }

    /// Returns what the user can do about it, where that is always the same.
    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Changed { .. } => "run the command again when nothing else changes this file",
            Self::Replaced { .. } | Self::NotProven { .. } => {
                "run the command again, when nothing else works on this tree"
            }
            Self::Deletion { .. } => {
                "rename it, name it in .dockerignore, or put it into an archive that a RUN unpacks"
            }
            Self::Early { .. } => {
                "give it a later time with `touch -h`, or name it in .dockerignore"
            }
            Self::Special { .. } => "remove it, or name it in .dockerignore",
            Self::ForeignList { .. } => "rename it to .dockerignore",
            Self::UnknownReference { .. } => {
                "a package is named `stagex/<stage>-<name>`, the directory of sources is `fetch`; \
                 `stagex build` takes any other name with --build-context, of which a tag, a digest and a port are a part"
            }
            Self::TwoPlatforms { .. } => {
                "copy from a stage that begins with it on the one platform, and name the other in a \
                 package of its own"
            }
            Self::Platform { .. } => {
                "its programs need an emulator that the kernel knows, with the flag F (binfmt_misc; \
                 Debian: apt-get install qemu-user-static), where the engine is"
            }
            Self::DiskSpace { .. } => {
                "free some space: `stagex clean` removes everything that can be built again, --logs only the logs; if \
                 this estimate is wrong, use --ignore-space"
            }
            Self::NamedImage { .. } => {
                "name an image that is in it, or create its layout again; to build an image in out/ again, remove its directory"
            }
            Self::Seed { .. } => {
                "a seed is a tar of a root file system, plain or compressed with gzip, bzip2, xz or zstd"
            }
            Self::Layout(_) | Self::Config(_) => state::HINT_OF_IMAGE,
            _ => return None,
        })
    }
}

/// Returns the kind of an engine's error: only what is not the engine's is the package's own.
fn of_backend(error: &backend_api::Error) -> ErrorKind {
    use backend_api::ErrorKind as Backend;

    match error.kind() {
        Backend::Storage | Backend::ProgramUnavailable | Backend::PermissionDenied => {
            ErrorKind::Environment
        }
        Backend::DaemonUnreachable | Backend::EngineKilled => ErrorKind::Transient,
        Backend::BuildFailed
        | Backend::Unsupported
        | Backend::Unexpected
        | Backend::EngineFailed => {
            if is_full(error) {
                ErrorKind::Environment
            } else {
                ErrorKind::Package
            }
        }
    }
}

/// Returns the kind of an error in a Containerfile: the stage that is built is named on the command line.
fn of_containerfile(kind: &containerfile::ErrorKind) -> ErrorKind {
    use containerfile::ErrorKind::{UnknownStageNumber, UnknownTarget};

    match kind {
        UnknownTarget { .. } | UnknownStageNumber { .. } => ErrorKind::Usage,
        _ => ErrorKind::Tree,
    }
}

/// Tells whether an error comes from a disk that is full.
pub(crate) fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    causes.any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| full.contains(&cause.kind()))
    })
}

impl From<backend_api::Error> for Error {
    fn from(error: backend_api::Error) -> Self {
        Self::Backend(Box::new(error))
    }
}

/// Returns what to say of an instruction where the engine does not repeat it as it is written.
fn named(instruction: &str, source: &backend_api::Error) -> String {
    if source.to_string().contains(instruction) {
        String::new()
    } else {
        format!("{instruction}: ")
    }
}
