//! One request to a registry, which may first want to know who is asking.

use std::sync::Arc;

use transfer::{Address, Answered, Authorization, Downloaded, Exchange, Sink, Terms};

use crate::error::{Error, Who};
use crate::reference::Repository;
use crate::shared::{Access, Known, Place, Shared};
use crate::token::Asker;

/// What a registry is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// What it is, for messages.
    pub(crate) what: &'a str,
    /// Its path in the repository.
    pub(crate) path: &'a str,
    /// The media types that are understood.
    pub(crate) accept: Option<&'static str>,
    /// How many bytes it may have.
    pub(crate) largest: u64,
}

/// Why a request was not answered as it should be.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The request itself failed, whoever was asking.
    Request(Box<transfer::Error>, Option<Box<Known>>),
    /// Something else did, such as finding out who is asking.
    Other(Box<Error>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Other(Box::new(error))
    }
}

impl Trouble {
    fn request(error: transfer::Error, known: Option<Known>) -> Self {
        Self::Request(Box::new(error), known.map(Box::new))
    }

    /// Returns the status of the answer, if there was one.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Request(error, _) => match **error {
                transfer::Error::Status { code, .. } => Some(code),
                _ => None,
            },
            Self::Other(_) => None,
        }
    }

    /// Says it of something that was to be read.
    pub(crate) fn of_reading(self, repository: &Repository, what: &str) -> Error {
        match self {
            Self::Request(error, known) => {
                let place = repository.to_string();
                failure(repository, what, known, *error)
                    .unwrap_or_else(|error| Error::transfer(what.to_owned(), place, error))
            }
            Self::Other(error) => *error,
        }
    }

    /// Says it of something that was to be written.
    pub(crate) fn of_writing(self, repository: &Repository, what: &str) -> Error {
        match self {
            Self::Request(error, known) => {
                let place = repository.to_string();
                let permission = format!("permission to write {what}");
                let denied = failure(repository, &permission, known, *error);
                match denied {
                    Ok(Error::Missing { .. }) => Error::NoRepository { place },
                    Ok(error) => error,
                    Err(error) => Error::upload(what.to_owned(), place, error),
                }
            }
            Self::Other(error) => *error,
        }
    }
}

/// Asks for something. A registry that asks back who is asking is told once.
pub(crate) async fn ask(
    shared: &Shared,
    repository: &Repository,
    wanted: Wanted<'_>,
    sink: &mut dyn Sink,
) -> Result<Downloaded, Error> {
    let address = shared.address(repository, wanted.path)?;
    let mut asking = Asking::new(shared, repository, &Access::Pull).await;
    loop {
        let terms = Terms {
            accept: wanted.accept,
            authorization: asking.authorization(),
            largest: Some(wanted.largest),
            plain: shared.plain.clone(),
        };
        let asked = shared.transfer.download_on(&address, &terms, sink, &|_| {});
        match asked.await {
            Ok(downloaded) => return Ok(downloaded),
            Err(error) => {
                let told = asking.tell(&address, error).await;
                told.map_err(|trouble| trouble.of_reading(repository, wanted.what))?;
            }
        }
    }
}

/// Makes a request, once or until it is answered. `address` may be one to which the registry has led: another server is
/// not told who is asking.
pub(crate) async fn exchange(
    shared: &Shared,
    (repository, access): (&Repository, &Access),
    address: &Address,
    accept: Option<&'static str>,
    (request, is_repeated): (&Exchange, bool),
) -> Result<Answered, Trouble> {
    let registry = shared.address(repository, "")?;
    let is_own = address.is_of_same_server(&registry);
    if !shared.plain.permits(&registry, address) {
        let error = transfer::Error::Plain(address.host());
        return Err(Trouble::request(error, None));
    }
    let mut asking = Asking::new(shared, repository, access).await;
    loop {
        let terms = Terms {
            accept,
            authorization: asking.authorization().filter(|_| is_own),
            largest: Some(shared.config.limits.document),
            plain: shared.plain.clone(),
        };
        let client = &shared.transfer;
        let answered = if is_repeated {
            transfer::exchange(client, address, &terms, request).await
        } else {
            transfer::exchange_once(client, address, &terms, request).await
        };
        match answered {
            Ok(answered) => return Ok(answered),
            Err(error) if is_own => asking.tell(address, error).await?,
            Err(error) => return Err(Trouble::request(error, None)),
        }
    }
}

/// Somebody who asks a registry for something.
struct Asking<'a> {
    shared: &'a Shared,
    repository: &'a Repository,
    access: &'a Access,
    place: Place,
    known: Option<Known>,
    /// Whether that was found out for this request, and not taken from another one.
    is_told: bool,
}

impl<'a> Asking<'a> {
    async fn new(shared: &'a Shared, repository: &'a Repository, access: &'a Access) -> Self {
        let place = shared.known(repository, access);
        let mut known = place.lock().await.clone();
        if let (None, Access::Mount(_)) = (&known, access) {
            // A password permits all, and a token may.
            let place = shared.known(repository, &Access::Push);
            known.clone_from(&*place.lock().await);
        }
        Self {
            shared,
            repository,
            access,
            place,
            known,
            is_told: false,
        }
    }

    fn authorization(&self) -> Option<Authorization> {
        let known = self.known.as_ref();
        known.and_then(|known| known.authorization.clone())
    }

    /// Finds out what a registry is told that asks who is asking. Any other error, and that one for the second time, is
    /// returned.
    async fn tell(&mut self, registry: &Address, error: transfer::Error) -> Result<(), Trouble> {
        let (transfer::Error::Challenged(challenges), false) = (&error, self.is_told) else {
            return Err(Trouble::request(error, self.known.take()));
        };
        let told = self.found_out(registry, challenges).await?;
        let is_known = told.authorization.is_some();
        self.known = Some(told);
        if is_known {
            return Ok(());
        }
        Err(Trouble::request(error, self.known.take()))
    }

    /// Finds out what a registry is told that does not take what is known, unless somebody else just has.
    async fn found_out(
        &mut self,
        registry: &Address,
        challenges: &[String],
    ) -> Result<Known, Error> {
        let place = Arc::clone(&self.place);
        let mut now = place.lock().await;
        if let Some(now) = now.as_ref().filter(|&now| Some(now) != self.known.as_ref()) {
            return Ok(now.clone());
        }
        let refused = self.known.as_ref();
        let refused = refused.and_then(|known| known.secret.as_ref());
        let asker = Asker {
            shared: self.shared,
            registry,
            repository: self.repository,
            access: self.access,
        };
        self.is_told = true;
        // It may be to ask a program and a server, and is large.
        let told = Box::pin(asker.get_to_know(challenges, refused)).await?;
        *now = Some(told.clone());
        Ok(told)
    }
}

/// Returns what a failed request says about what was asked for; if nothing, the failure.
fn failure(
    repository: &Repository,
    what: &str,
    known: Option<Box<Known>>,
    error: transfer::Error,
) -> Result<Error, transfer::Error> {
    let (what, place) = (what.to_owned(), repository.to_string());
    match error {
        transfer::Error::Challenged(_)
        | transfer::Error::Status {
            code: 401 | 403, ..
        } => Ok(Error::Denied {
            place,
            what,
            who: Box::new(known.map_or(Who::Anonymous, |known| known.who)),
            why: error.to_string(),
        }),
        transfer::Error::Status {
            code: 404 | 410, ..
        } => Ok(Error::Missing { what, place }),
        transfer::Error::Sink(source) => Ok(Error::Io {
            action: "keep what arrives from",
            path: place.into(),
            source,
        }),
        other => Err(other),
    }
}
