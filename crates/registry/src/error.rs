//! Why an image cannot be had from a registry, or not published to one, and what to do about it. No error has credentials in it.

use std::io;

use camino::Utf8PathBuf;
use credentials::Origin;
use documents::ErrorKind;
use oci_image::Digest;

use crate::reference::InvalidReference;

/// Why an image cannot be had from a registry, or not published to one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not named as an image in a registry is.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// A client cannot be made.
    #[error(transparent)]
    Unusable(#[from] transfer::Unusable),
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something is where the image is to be.
    #[error("{0} is there already")]
    Exists(Utf8PathBuf),
    /// Credentials cannot be read.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// The registry does not let this user have it.
    #[error("{place} does not give {what} to {who}: {why}")]
    Denied {
        /// The registry and the repository.
        place: String,
        /// What was asked for.
        what: String,
        /// Who asked.
        who: Box<Who>,
        /// What the answer was.
        why: String,
    },
    /// The server that gives tokens does not give one.
    #[error("the token server of {host} gave no token: {why}")]
    Token {
        /// The registry's host.
        host: String,
        /// Why not.
        why: String,
    },
    /// The registry does not have it.
    #[error("{what} is not in {place}")]
    Missing {
        /// What.
        what: String,
        /// The registry and the repository.
        place: String,
    },
    /// It could not be downloaded.
    #[error("cannot get {what} from {place}")]
    Transfer {
        /// What.
        what: String,
        /// The registry and the repository.
        place: String,
        /// Why.
        source: Box<transfer::Error>,
    },
    /// What arrived is not what its digest says.
    #[error("{place} sent other bytes for {expected}: {found}")]
    Changed {
        /// The digest.
        expected: Digest,
        /// The registry and the repository.
        place: String,
        /// What arrived instead.
        found: String,
    },
    /// A document cannot be understood, or contradicts itself.
    #[error("{what} in {place} is damaged: {why}")]
    Damaged {
        /// Which document.
        what: String,
        /// The registry and the repository.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is of another kind than an image.
    #[error("{what} in {place} is not an image that can be read: its media type is {found}")]
    MediaType {
        /// Which document.
        what: String,
        /// The registry and the repository.
        place: String,
        /// Its media type.
        found: String,
    },
    /// The index has no image for a platform.
    #[error("{what} in {place} has no image for {platform}{}", only(found))]
    NoPlatform {
        /// Which document.
        what: String,
        /// The registry and the repository.
        place: String,
        /// The platform that was asked for.
        platform: String,
        /// Those that it has.
        found: Vec<String>,
    },
    /// Several images are for a platform, where one is wanted.
    #[error("{what} in {place} has {count} images for {platform}, and one is wanted")]
    Several {
        /// Which document.
        what: String,
        /// The registry and the repository.
        place: String,
        /// The platform that was asked for.
        platform: String,
        /// How many there are.
        count: usize,
    },
    /// Something is larger than anything of its kind should be.
    #[error("{what} in {place} is too large: the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The registry and the repository.
        place: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// It could not be uploaded.
    #[error("cannot write {what} to {place}")]
    Upload {
        /// What.
        what: String,
        /// The registry and the repository.
        place: String,
        /// Why.
        source: Box<transfer::Error>,
    },
    /// The registry has no such repository, and makes none.
    #[error("{place} is no repository that can be written: the registry knows none of this name")]
    NoRepository {
        /// The registry and the repository.
        place: String,
    },
    /// A tag that is never moved stands for something else.
    #[error("{place}:{tag} is already {there}, and is not moved to {ours}")]
    Moved {
        /// The registry and the repository.
        place: String,
        /// The tag.
        tag: String,
        /// What it stands for.
        there: Digest,
        /// What was to be published.
        ours: Digest,
    },
    /// What is to be uploaded is not what it should be.
    #[error("{what} in {place} cannot be published: {why}")]
    Local {
        /// What.
        what: String,
        /// Where it lies.
        place: String,
        /// Why not.
        why: String,
    },
    /// The registry does not list what was uploaded.
    #[error("{place} accepted {what}, but does not list it")]
    Unlisted {
        /// What.
        what: String,
        /// The registry and the repository.
        place: String,
    },
}

/// Who asked a registry for something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Who {
    /// Nobody in particular: there are no credentials.
    #[error("users without credentials")]
    Anonymous,
    /// A user, by credentials that were found.
    #[error("the user of {0}")]
    User(Origin),
    /// Nobody in particular, since a program does not give the credentials.
    #[error("users without credentials")]
    Helper {
        /// The program, and the file that names it.
        origin: Origin,
        /// Why not.
        why: String,
    },
    /// Nobody in particular, since the token server is another one than the registry.
    #[error("users without credentials")]
    Elsewhere {
        /// What has credentials for the registry.
        origin: Origin,
        /// The token server.
        server: String,
    },
}

impl Who {
    fn hint(&self) -> String {
        match self {
            Self::Anonymous => "check the name: a registry may say this of an image that it does not have. If it is \
                 private, `podman login` or `docker login` writes credentials"
                .to_owned(),
            Self::User(origin) => format!("check the name, and the credentials of {origin}: log in again"),
            Self::Helper { origin, why } => format!(
                "the credentials were to come from {origin}: {why}. Mend that, or `podman login --authfile FILE`, and \
                 set REGISTRY_AUTH_FILE=FILE"
            ),
            Self::Elsewhere { origin, server } => format!(
                "the registry's token server is {server}, to which the credentials of {origin} were not sent: if they \
                 are for it too, add an entry for {server} to `auths` in {}",
                origin.path
            ),
        }
    }
}

impl Error {
    /// Says that `what` could not be downloaded from `place`.
    pub(crate) fn transfer(what: String, place: String, error: transfer::Error) -> Self {
        let source = Box::new(plain(error));
        Self::Transfer {
            what,
            place,
            source,
        }
    }

    /// Says that `what` could not be uploaded to `place`.
    pub(crate) fn upload(what: String, place: String, error: transfer::Error) -> Self {
        let source = Box::new(plain(error));
        Self::Upload {
            what,
            place,
            source,
        }
    }

    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reference(_)
            | Self::Unusable(transfer::Unusable::Proxy(_))
            | Self::Exists(_)
            | Self::Missing { .. }
            | Self::NoRepository { .. }
            | Self::NoPlatform { .. }
            | Self::Several { .. } => ErrorKind::Usage,
            Self::Moved { .. } => ErrorKind::Differs,
            Self::Transfer { source, .. } | Self::Upload { source, .. } if source.may_pass() => {
                ErrorKind::Transient
            }
            Self::Unusable(_)
            | Self::Io { .. }
            | Self::Credentials(_)
            | Self::Denied { .. }
            | Self::Token { .. }
            | Self::Transfer { .. }
            | Self::Changed { .. }
            | Self::Damaged { .. }
            | Self::MediaType { .. }
            | Self::Upload { .. }
            | Self::Local { .. }
            | Self::Unlisted { .. }
            | Self::TooLarge { .. } => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Reference(error) => error.hint(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => {
                    "free some space, and run the same command again: nothing was kept"
                }
                _ => beneath::hint(source),
            },
            Self::Exists(_) => "name a directory that is not there",
            Self::Credentials(error) => error.hint(),
            Self::Denied { who, .. } => return Some(who.hint()),
            Self::Missing { .. } => "check the name and the digest",
            Self::Transfer { source, .. } | Self::Upload { source, .. } => match &**source {
                transfer::Error::Plain(_) => {
                    "only hosts that [registry] insecure in your own stagex.toml lists are asked without encryption"
                }
                other => return other.hint().map(str::to_owned),
            },
            Self::Changed { .. } | Self::Damaged { .. } => {
                "nothing of it was kept: the registry, or what is between you and it, is broken or lies"
            }
            Self::MediaType { .. } => {
                "only OCI images, and Docker's of schema 2, can be read: push it again with a current tool"
            }
            Self::NoPlatform { found, .. } if found.is_empty() => {
                "without --platform, all of it is pulled, whatever it is for"
            }
            Self::NoPlatform { .. } => "choose one of them with --platform",
            Self::Several { .. } => "name the one that is wanted by its digest",
            Self::TooLarge { .. } => "nothing of this size is an image that can be trusted",
            Self::NoRepository { .. } => {
                "check the name in --to, or make the repository there first"
            }
            Self::Moved { .. } => {
                "a version is published once: give the package another version, or remove the tag at the registry if \
                 nobody has pulled it"
            }
            Self::Local { .. } => "build the package again (`stagex make`), and publish it then",
            Self::Unlisted { .. } => {
                "run the same command again: somebody else may have written the list at the same time"
            }
            Self::Token { .. } | Self::Unusable(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Leaves out of a redirect what nobody else may know.
fn plain(error: transfer::Error) -> transfer::Error {
    match error {
        transfer::Error::Redirect { to, why } => transfer::Error::Redirect {
            // What follows may be a signature, which lets anybody have what it leads to.
            to: to.split(['?', '#']).next().unwrap_or_default().to_owned(),
            why,
        },
        other => other,
    }
}

/// Says which platforms there are, if there are any.
fn only(found: &[String]) -> String {
    if found.is_empty() {
        return String::new();
    }
    format!(", only for {}", found.join(", "))
}

/// Makes an error of the operating system out of what was tried.
pub(crate) fn io(
    action: &'static str,
    path: impl Into<Utf8PathBuf>,
) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
