//! Signing on another machine: what is carried there, and what comes back.

use std::io;

use camino::Utf8Path;
use documents::BatchImage;
use ledger::Ledger;
use sign::{Signed, read_batch, signed_elsewhere, write_batch};
use state::Digests;
use tokio::sync::watch;

use super::candidates::Candidates;
use super::released::Released;
use super::told::{Told, what};
use super::work::Work;
use crate::arguments;
use crate::clock::now;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::place::{self, ToRead};
use crate::render;

/// Writes what may be signed into a directory that is not there yet.
pub(super) fn export(
    context: &Context,
    directory: &Utf8Path,
    found: &Candidates,
    released: Option<&Released>,
) -> Result<(), Failure> {
    let images = found.subjects().map(|subject| {
        let what = what(found, subject);
        let image = BatchImage {
            package: subject.package.clone(),
            platform: subject.platform.clone(),
            reference: what.reference,
            digest: what.digest,
            payload: String::new(),
            reproduced_by: what.reproduced_by,
            forced: what.forced,
            against: what.against,
            since: what.since,
            released: released.map(|released| released.of(found, subject)),
        };
        (image, subject.payload.clone())
    });
    let (parent, name) = place::parent(&context.directory, directory)?;
    let cannot = |error: io::Error| place::cannot("write", directory, &error);
    let made = parent.new_directory(&name).map_err(|error| {
        let hint = "name a directory that is not there yet";
        if error.kind() == io::ErrorKind::AlreadyExists {
            return usage(format!("{directory} is there already"), Some(hint));
        }
        cannot(error)
    })?;
    let written = write_batch(&made, images.collect());
    if written.is_err() {
        // It is there whole or not at all.
        let _ = parent.remove(&name);
    }
    written.map_err(cannot)
}

/// Puts the signatures that came back into their places, each after it was verified.
pub(super) async fn import(
    context: &Context,
    arguments: &arguments::Sign,
    directory: &Utf8Path,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let opened = match place::to_read(&context.directory, directory)? {
        ToRead::Directory(directory) => directory,
        ToRead::File(_) => {
            let hint = "name the directory that `stagex sign --export` wrote";
            return Err(usage(format!("{directory} is not a directory"), Some(hint)));
        }
    };
    let batch = read_batch(&opened).map_err(|error| {
        let hint = "export it again: it was changed on its way, or is something else".to_owned();
        Failure::new(ErrorKind::NotVerified, &error, Some(hint))
    })?;
    let work = Work::begin(context, arguments, interrupted).await?;
    let (state, secret) = place::state()?;
    let mut ledger = Ledger::open(&state, &secret)?;
    let recorded = Digests::read(&context.directory)?;
    let mut found = Candidates::default();
    let mut messages = Vec::new();
    for (image, payload, message) in batch.images {
        let attempts = ledger.attempts();
        let subject = signed_elsewhere(&recorded, attempts, payload, image.platform, image.forced);
        if subject.is_ok() {
            messages.push(message);
        }
        found.images.push(subject);
    }
    let mut told = Told::new(context, &found);
    told.by(&work.signer);
    let taken = take(&work, &mut ledger, &found, messages, &mut told);
    told.tell(*interrupted.borrow());
    let all_hold = taken?;
    if let Some(kind) = told.failure(*interrupted.borrow()) {
        return Ok(kind.into());
    }
    if !all_hold {
        return Ok(ErrorKind::NotVerified.into());
    }
    if !context.verbosity.quiet {
        render::note(&format!("signatures are in {}", work.signatures.path()));
    }
    Ok(Exit::Success)
}

/// Puts what came back into its place. Tells whether all of it holds; what does not is said.
fn take(
    work: &Work,
    ledger: &mut Ledger,
    found: &Candidates,
    messages: Vec<Option<Vec<u8>>>,
    told: &mut Told<'_>,
) -> Result<bool, Failure> {
    let mut all_hold = true;
    for (subject, message) in found.subjects().zip(messages) {
        let Some(message) = message else { continue };
        let bytes = subject.payload.to_bytes();
        if let Some(number) = work.before(subject, &bytes)? {
            told.already(subject, number);
            continue;
        }
        match work.checker.check(&message, &bytes, now()) {
            Ok(key) => {
                let signed = Signed {
                    bytes: message,
                    key,
                };
                let number = work.keep(ledger, subject, &signed)?;
                told.signed(subject, number, &signed.key);
            }
            Err(error) => {
                all_hold = false;
                let message = format!("{}: {}", subject.package, crate::failure::chain(&error));
                print_problem("error", &message, Some("sign it again"));
            }
        }
    }
    Ok(all_hold)
}
