//! What can go wrong between a plan and its images, and what to do about it.

use std::io;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::Position;

/// Why a package could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `open`, `make folder`.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What builds have left cannot be removed.
    #[error("cannot remove {path}")]
    Remove {
        /// What is left.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A source is not in the fetch folder.
    #[error("{path} is missing: source `{key}` with sha256 {hash}")]
    MissingSource {
        /// The source's key in `package.toml`.
        key: String,
        /// Where it should be.
        path: Utf8PathBuf,
        /// The sha256 that it must have, in hex.
        hash: String,
        /// Where it can be had.
        mirrors: Vec<String>,
    },
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
    /// A file of a context is one that engines do not copy, or each in its own way.
    #[error("{path} is {found}, which cannot be part of a context")]
    Special {
        /// The file.
        path: Utf8PathBuf,
        /// What it is.
        found: &'static str,
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
    /// Some RUNs deny the network and some do not, and the engine can only do either.
    #[error(
        "{path}: some RUNs have --network=none and some do not, and {runtime} can deny the network \
         only to a whole build"
    )]
    MixedNetwork {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// The runtime.
        runtime: String,
    },
    /// A RUN asks for the machine's network, which only a person may give.
    #[error("{path}: RUN has --network=host, and this build was not given the machine's network")]
    HostNetworkOfRun {
        /// The Containerfile.
        path: Utf8PathBuf,
    },
    /// The machine's network is asked for, and the engine cannot give it.
    #[error("{runtime} cannot give the machine's network to a build")]
    NoHostNetwork {
        /// The runtime.
        runtime: String,
    },
    /// Every RUN denies the network, and the engine cannot.
    #[error("{path}: RUN has --network=none, and {runtime} cannot deny the network here")]
    NoOffline {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// The runtime.
        runtime: String,
    },
    /// A Containerfile uses one name for the images of two platforms.
    #[error("{path}: `{reference}` is asked for on two platforms")]
    TwoPlatforms {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// The name.
        reference: String,
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
        "{runtime} handed over a layer of step {step}: expected at most one for each of the \
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
    /// An image in `out/` cannot be listed.
    #[error(transparent)]
    Listing(#[from] oci_image::ListingError),
    /// The configuration of a base image cannot be understood.
    #[error(transparent)]
    Config(#[from] oci_image::ConfigError),
    /// A platform cannot be understood.
    #[error(transparent)]
    PlatformName(#[from] containerfile::PlatformError),
    /// Nothing here runs the programs of a platform.
    #[error("nothing can be built for `{platform}` here: expected {}", expected.join(" or "))]
    Platform {
        /// The platform.
        platform: String,
        /// Those whose programs the engine runs.
        expected: Vec<String>,
    },
    /// There is less room on the disk than is needed.
    #[error(
        "the disk of {path} has {} MiB left, and what is to be built needs {} MiB",
        free >> 20,
        needed >> 20
    )]
    DiskSpace {
        /// The folder that is written to.
        path: Utf8PathBuf,
        /// How many bytes there are.
        free: u64,
        /// How many bytes are needed.
        needed: u64,
    },
    /// A tree is in a folder whose path is no text.
    #[error("the path of the tree is not UTF-8: {path}")]
    NotText {
        /// The path, with what is no text replaced.
        path: String,
    },
    /// A file in `digests/` cannot be read.
    #[error("{path}:{line}: expected `<64 hex digits> <stage>-<name>`, found `{text}`")]
    DigestLine {
        /// The file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A file in `digests/` has two lines for one image.
    #[error("{path}:{line}: `{image}` has a digest already, in {path}:{first}")]
    DigestTwice {
        /// The file.
        path: Utf8PathBuf,
        /// The second line, from 1.
        line: usize,
        /// The first line, from 1.
        first: usize,
        /// The package, and the platform if there is one.
        image: String,
    },
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Returns what the user can do about it, in one sentence a line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingSource { path, mirrors, .. } => {
                let from = mirrors.join("\n       or ");
                Some(format!(
                    "put it there; it can be had from {from}\n(file: {path})"
                ))
            }
            Self::WrongSource { path, .. } => Some(format!(
                "remove {path} and fetch it again, or find out who changed it"
            )),
            Self::Containerfile { source, .. } => source.hint(),
            Self::Changed { .. } => Some("run it again when nothing else changes this file".into()),
            Self::Deletion { .. } => Some(
                "rename it, name it in .dockerignore, or put it into an archive that a RUN unpacks".into(),
            ),
            Self::Special { .. } => Some("remove it, or name it in .dockerignore".into()),
            Self::ForeignList { .. } => Some("call it .dockerignore, which is".into()),
            Self::UnknownReference { .. } => Some(
                "a package is named `stagex/<stage>-<name>`, the sources' folder is `fetch`; what else \
                 there is, `stagex build` is told with --build-context"
                    .into(),
            ),
            Self::MixedNetwork { .. } => Some(
                "use a runtime with networks for each RUN (see `stagex runtimes`), \
                 or --offline to deny it to every RUN"
                    .into(),
            ),
            Self::HostNetworkOfRun { .. } => Some(
                "say --network host if everybody on this machine may connect to what the build \
                 listens on, and the build to what listens on this machine"
                    .into(),
            ),
            Self::NoHostNetwork { .. } => {
                Some("leave --network host out, or use another runtime".into())
            }
            Self::NoOffline { .. } => {
                Some("see `stagex runtimes` for one that can, and for what this one lacks".into())
            }
            Self::TwoPlatforms { .. } => Some(
                "copy from a stage that begins with it on the one platform, and name the other in a \
                 package of its own"
                    .into(),
            ),
            Self::Platform { platform, .. } if !platform.starts_with("linux/") => {
                Some("images are built for Linux: name a platform such as linux/amd64".into())
            }
            Self::Platform { .. } => Some(
                "its programs need an emulator that the kernel knows, with the flag F (binfmt_misc; \
                 Debian: apt-get install qemu-user-static), where the engine is"
                    .into(),
            ),
            Self::DiskSpace { .. } => Some(
                "make room: `stagex clean` removes what can be built again, --logs only the logs; if \
                 you know better how much is needed, --ignore-space"
                    .into(),
            ),
            Self::Backend(error) | Self::Instruction { source: error, .. } => error.hint().map(str::to_owned),
            Self::NamedImage { .. } => Some(
                "write its layout again; one in out/ is built again when its folder is removed".into(),
            ),
            Self::Layout(_) | Self::Config(_) | Self::Listing(_) => Some(
                "an image in out/ is built again when its folder is removed, or by `stagex make \
                 --no-cache` of its package"
                    .into(),
            ),
            Self::Remove { path, .. } => Some(format!(
                "if its files belong to ids that are not yours any more (see /etc/subuid), only root can: \
                 sudo rm -rf {path}"
            )),
            Self::Io { path, source, .. } if is_link(source) => Some(hint_of_link(path).into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some(
                "if another user has built here (root, with sudo), give out/ to yourself or remove it"
                    .into(),
            ),
            Self::Io { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
                ) =>
            {
                Some("something that is no folder is in its way: move it elsewhere".into())
            }
            Self::DigestTwice { .. } => Some("remove the one that is wrong".into()),
            Self::NotText { .. } => {
                Some("engines are told paths as text: move the tree to one that is".into())
            }
            Self::DigestLine { .. } => {
                Some("mend the line, or take the file from version control again".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Some(
                "the disk is full: `out/` can be removed, everything in it can be built again"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// Returns what to do about a symbolic link that is in the way to `path`.
fn hint_of_link(path: &Utf8Path) -> &'static str {
    if path.file_name() == Some("digests") || path.extension() == Some("txt") {
        return "replace the link with a regular file or directory";
    }
    "remove it: what stagex writes stays in the tree. To have out/ on another disk, say out = \"DIR\" in \
     your own stagex.toml, or --out DIR"
}

/// Tells whether a symbolic link was in the way.
fn is_link(error: &io::Error) -> bool {
    matches!(beneath::problem(error), Some(beneath::Problem::Link(_)))
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

/// Makes the error of a path that is no text.
pub(crate) fn not_text(path: &Path) -> Error {
    Error::NotText {
        path: path.display().to_string(),
    }
}

/// Says what was tried, and with what, when the operating system refuses something.
pub(crate) trait IoContext<T> {
    /// Turns the error into one that says that `action` was tried with `path`.
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
