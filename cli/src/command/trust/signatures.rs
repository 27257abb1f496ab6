//! Where signatures lie, and reading them from there.

use beneath::Directory;
use camino::Utf8PathBuf;
use trust::{Lookaside, Place, StoredSignatures};

use crate::arguments::Whom;
use crate::command::fetch::is_offline;
use crate::context::Context;
use crate::environment;
use crate::failure::{Failure, usage};
use crate::place::{self, ToRead};
use crate::wait;

/// Where signatures lie in a tree, if nobody says.
const SIGNATURES: &str = "signatures";

/// Where signatures lie.
pub(super) enum Source {
    Directory(Directory),
    /// A directory that is not there: nobody has signed.
    Nowhere,
    Server(Lookaside),
}

/// Finds out where signatures lie.
pub(super) fn source(context: &Context, whom: &Whom) -> Result<Source, Failure> {
    let settings = &context.settings.trust;
    let said = whom
        .signatures
        .as_ref()
        .or(settings.signatures.value.as_ref());
    let Some(said) = said else {
        let tree = Directory::open(&context.directory);
        let directory = tree.and_then(|tree| tree.directory(SIGNATURES.into()));
        return match directory {
            Ok(directory) => Ok(Source::Directory(directory)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Source::Nowhere),
            Err(error) => Err(place::cannot(
                "read",
                &context.directory.join(SIGNATURES),
                &error,
            )),
        };
    };
    if said.contains("://") {
        if is_offline(context) {
            let message = format!("cannot ask {said}: nothing may reach the network");
            return Err(usage(
                message,
                Some("name a directory, or set offline = false"),
            ));
        }
        let transfer = transfer::Config {
            stall: context.settings.fetch.stall.value,
            proxies: environment::proxies()?,
            ..transfer::Config::default()
        };
        return Ok(Source::Server(Lookaside::new(said, transfer)?));
    }
    let path = Utf8PathBuf::from(said);
    match place::to_read(&context.directory, &path)? {
        ToRead::Directory(directory) => Ok(Source::Directory(directory)),
        ToRead::File(_) => {
            let message = format!("cannot read signatures from {path}: it is a file");
            Err(usage(
                message,
                Some("name the directory that has one for each registry"),
            ))
        }
    }
}

/// Returns where signatures lie as an address: that of a server, or of a directory.
pub(super) fn address(context: &Context, whom: &Whom) -> Result<String, Failure> {
    let path = match source(context, whom)? {
        Source::Server(server) => return Ok(server.base().to_owned()),
        Source::Directory(directory) => directory.path().to_owned(),
        Source::Nowhere => context.directory.join(SIGNATURES),
    };
    let full = path.canonicalize_utf8();
    let full = full.map_err(|error| place::cannot("find", &path, &error))?;
    let is_odd = |letter: char| !letter.is_ascii_graphic() || matches!(letter, '"' | '\\' | '%');
    if full.as_str().contains(is_odd) {
        let message = format!("cannot write {full} as an address: it has odd characters");
        return Err(usage(
            message,
            Some("move the signatures to another directory"),
        ));
    }
    Ok(format!("file://{full}"))
}

/// Reads the signatures of each place, in their order.
pub(super) fn signatures(
    source: &Source,
    places: Vec<Place>,
) -> Result<Vec<StoredSignatures>, Failure> {
    match source {
        Source::Nowhere => Ok(vec![StoredSignatures::default(); places.len()]),
        Source::Directory(directory) => {
            let read = |place: &Place| {
                let found = trust::read(directory, place);
                found.map_err(|error| {
                    place::cannot("read", &directory.path().join(place.path()), &error)
                })
            };
            places.iter().map(read).collect()
        }
        Source::Server(server) => wait::block_on(async {
            let mut interrupted = wait::watch();
            wait::unless(&mut interrupted, server.read_all(places)).await
        }),
    }
}
