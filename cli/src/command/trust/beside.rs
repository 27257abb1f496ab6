//! What lies beside images in the directory of signatures, or on a server of them, as it is published with them.

use beneath::Directory;
use documents::Digest;
use trust::{Place, Registry, STATEMENTS_LIMIT};

use super::judged::place_of;
use super::signatures::{Source, signatures, source};
use crate::arguments::Whom;
use crate::context::Context;
use crate::failure::Failure;
use crate::place;

/// A signature of an image, and the statements that belong to it.
pub(in crate::command) struct Beside {
    pub(in crate::command) number: u32,
    pub(in crate::command) signature: Vec<u8>,
    /// Envelopes of DSSE, one in each line. A server has none.
    pub(in crate::command) statements: Option<String>,
}

/// Reads what lies beside each image, in their order. Whether it holds is not known.
pub(in crate::command) fn beside(
    context: &Context,
    whom: &Whom,
    registry: &Registry,
    images: &[(String, Digest)],
) -> Result<Vec<Vec<Beside>>, Failure> {
    let source = source(context, whom)?;
    let place = |(package, digest): &(String, Digest)| place_of(registry, package, digest.clone());
    let places: Vec<Place> = images.iter().map(place).collect();
    let found = signatures(&source, places.clone())?;
    let of = |(place, found): (Place, trust::StoredSignatures)| {
        let signatures = found.signatures.into_iter();
        let one = |(number, signature)| {
            let statements = match &source {
                Source::Directory(directory) => statements(directory, &place, number)?,
                Source::Nowhere | Source::Server(_) => None,
            };
            Ok(Beside {
                number,
                signature,
                statements,
            })
        };
        signatures.map(one).collect()
    };
    places.into_iter().zip(found).map(of).collect()
}

fn statements(
    directory: &Directory,
    place: &Place,
    number: u32,
) -> Result<Option<String>, Failure> {
    let path = place.attestation(number);
    match directory.read_text(&path, STATEMENTS_LIMIT) {
        Ok(lines) => Ok(Some(lines)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(place::cannot("read", &directory.path().join(path), &error)),
    }
}
