//! What the copies of a client share: connections, and what registries were told of who is asking.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use credentials::{Secret, Store};
use tokio::sync::Mutex;
use transfer::{Address, Authorization, Plain};

use crate::config::Config;
use crate::error::{Error, Who};
use crate::reference::Repository;

/// What the copies of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) transfer: transfer::Client,
    /// Who is asked without encryption.
    pub(crate) plain: Plain,
    pub(crate) credentials: Store,
    known: std::sync::Mutex<BTreeMap<(Repository, Access), Place>>,
}

/// Where it is kept what a registry is told. Whoever finds that out holds it, and keeps nobody from another.
pub(crate) type Place = Arc<Mutex<Option<Known>>>;

/// What is done with a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// It is read.
    Pull,
    /// It is read and written.
    Push,
    /// It is written, and a blob comes from another one of the registry, which is read.
    Mount(Repository),
}

impl Access {
    /// Returns what a token has to permit that is for this, as token servers call it.
    pub(crate) fn scopes(&self, repository: &Repository) -> Vec<String> {
        let of = |repository: &Repository, actions| {
            let name = repository.name();
            format!("repository:{name}:{actions}")
        };
        match self {
            Self::Pull => vec![of(repository, "pull")],
            Self::Push => vec![of(repository, "pull,push")],
            Self::Mount(from) => vec![of(repository, "pull,push"), of(from, "pull")],
        }
    }
}

/// What a registry that asked who is asking is told, and who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) authorization: Option<Authorization>,
    pub(crate) who: Who,
    /// What the user is known by, if that itself was told.
    pub(crate) secret: Option<Secret>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let plain = |host: &String| Address::parse(&format!("http://{host}/")).ok();
        let plain = config.insecure.iter().filter_map(plain);
        Ok(Self {
            plain: Plain::Only(plain.map(|address| address.host()).collect()),
            transfer: transfer::Client::new(config.transfer.clone())?,
            credentials: Store::new(config.credentials.clone()),
            known: std::sync::Mutex::default(),
            config,
        })
    }

    /// Returns where it is kept what a registry is told by who does something with a repository.
    pub(crate) fn known(&self, repository: &Repository, access: &Access) -> Place {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repository.clone(), access.clone());
        Arc::clone(known.entry(key).or_default())
    }

    /// Returns the address of something in a repository. It is encrypted, but on this machine and on hosts that the
    /// user lists.
    pub(crate) fn address(&self, repository: &Repository, path: &str) -> Result<Address, Error> {
        let (server, name) = (repository.server(), repository.name());
        let of = |scheme: &str| {
            let address = Address::parse(&format!("{scheme}://{server}/v2/{name}/{path}"));
            address.map_err(|error| Error::Damaged {
                what: path.to_owned(),
                place: repository.to_string(),
                why: error.to_string(),
            })
        };
        let plain = of("http")?;
        if plain.is_loopback() || self.plain.permits(&plain, &plain) {
            Ok(plain)
        } else {
            of("https")
        }
    }
}
